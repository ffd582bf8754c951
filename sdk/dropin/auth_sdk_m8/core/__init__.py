"""Settings and errors."""

from auth_sdk_m8.core.consumer import ConsumerAuthMixin

__all__ = ["ConsumerAuthMixin"]
