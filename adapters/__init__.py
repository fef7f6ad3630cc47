"""The adapters that ship with syncfree: one package per framework, one module per target."""
