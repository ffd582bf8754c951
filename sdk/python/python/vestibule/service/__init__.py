"""The service kit: what a FastAPI service needs around its routes."""

from vestibule.service.settings import ServiceSettings, ServiceSettingsError

__all__ = ["ServiceSettings", "ServiceSettingsError"]
