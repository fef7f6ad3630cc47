"""The implementations that ship with syncfree: one package per plugin, one module per implementation."""
