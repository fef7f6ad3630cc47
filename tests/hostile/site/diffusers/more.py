"""The second target of the binding that has two."""


class Sampler:
    """Has methods of every kind."""

    def gather(self, local, rank):
        """A method."""
        return ("upstream", local, rank)
