"""A plugin that ends the process when it is imported."""

import sys


class Unprintable(BaseException):
    """Nothing can be said of it."""

    def __str__(self):
        """End the process as well."""
        sys.exit("not for you either")


raise Unprintable
