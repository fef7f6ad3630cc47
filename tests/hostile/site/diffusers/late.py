"""A module that nothing imports by itself."""


class Pipe:
    """Has a static and a class method."""

    @staticmethod
    def finish(value):
        """A static method."""
        return ("upstream", value)

    @classmethod
    def made(cls, value):
        """A class method."""
        return ("upstream", value)
