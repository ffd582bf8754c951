"""Settings of a service: read from everywhere, checked all at once."""

from vestibule.service.settings.model import ServiceSettings, ServiceSettingsError

__all__ = ["ServiceSettings", "ServiceSettingsError"]
