"""Complete packages for authors: ``syncfree new-plugin`` and ``syncfree new-adapter`` write them from ``templates``."""
