"""Identity for FastAPI services: who is calling, where they belong, what they may touch."""

from vestibule._core import VERSION as __version__

__all__ = ["__version__"]
