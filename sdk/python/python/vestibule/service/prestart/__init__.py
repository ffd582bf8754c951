"""What runs before a service: waits for its database, brings the tables up to date, and says what it did.

``vestibule-prestart``, ``vestibule prestart`` and ``python -m vestibule.service.prestart`` are the same.
"""

from vestibule.service.prestart.command import main

__all__ = ["main"]
