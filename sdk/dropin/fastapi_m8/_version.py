"""Which release these names are of."""

__version__ = "1.3.0"
