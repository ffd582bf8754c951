"""Small helpers."""

from auth_sdk_m8.utils.email import normalize_email

__all__ = ["normalize_email"]
