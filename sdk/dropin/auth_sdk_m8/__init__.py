"""The names of `auth-sdk-m8`, on Vestibule."""

__version__ = "1.1.0"

__all__ = ["__version__"]
