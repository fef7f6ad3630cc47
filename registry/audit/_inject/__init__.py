"""A folder that ``syncfree audit`` puts on PYTHONPATH, for its ``sitecustomize`` module."""
