"""Settings for tests."""

from __future__ import annotations

from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from vestibule.service.settings import ServiceSettings
from vestibule.testing.issuer import DEFAULT_AUDIENCE, DEFAULT_ISSUER


class SettingsOfTests(ServiceSettings):
    """Settings that are the same on every machine."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but the arguments."""
        return (init_settings,)


def settings(**overrides: Any) -> ServiceSettings:
    """Complete settings of a service that asks nobody: no environment and no file is read.

    Args:
        overrides: What the test is about.

    Raises:
        ServiceSettingsError: The overrides make settings that cannot work.
    """
    values: dict[str, Any] = {
        "DOMAIN": "localhost",
        "ENVIRONMENT": "local",
        "API_PREFIX": "/api",
        "PROJECT_NAME": "Test",
        "STACK_NAME": "test",
        "BACKEND_HOST": "http://localhost:8000",
        "FRONTEND_HOST": "http://localhost:3000",
        "BACKEND_CORS_ORIGINS": "http://localhost:3000",
        "AUTH_PREFIX": "/user",
        "TOKEN_ISSUER": DEFAULT_ISSUER,
        "TOKEN_AUDIENCE": DEFAULT_AUDIENCE,
        "JWKS_URI": "http://127.0.0.1:9/.well-known/jwks.json",
        "INTROSPECTION_URL": "http://127.0.0.1:9/user/private/v1/jti-status",
        "PRIVATE_API_SECRET": "Test_Private-Secret-0123456789-abcdef",
        **overrides,
    }
    return SettingsOfTests(**values)
