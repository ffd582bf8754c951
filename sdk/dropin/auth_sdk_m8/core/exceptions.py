"""Errors that a service may catch."""


class InvalidToken(Exception):
    """The token is expired, forged, of another type or revoked. Its text says which, and is not for callers."""


class ConfigurationError(RuntimeError):
    """The settings can't work."""
