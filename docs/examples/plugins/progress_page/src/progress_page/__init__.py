"""An implementation of syncfree's hook ``progress_reporting``: the bar as before, and its progress on a web page."""
