"""The settings of a service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from auth_sdk_m8.core.config import CommonSettings, _items
from auth_sdk_m8.core.consumer import ConsumerAuthMixin
from auth_sdk_m8.observability.settings import ObservabilitySettingsMixin


class ConsumerServiceSettings(  # pyright: ignore[reportIncompatibleVariableOverride] # models and settings, as ever
    ObservabilitySettingsMixin, ConsumerAuthMixin, CommonSettings
):
    """What a service needs that trusts an issuer.

    `REVOCATION_SOURCE` is new here: `introspection` asks the issuer about each token, as ever; `feed` listens to the
    issuer's stream of events instead, where there is one, and learns of a revocation within a second.
    """

    AUTH_PREFIX: str = "/auth"
    TABLES_PREFIX: str = "app"
    ALLOWED_HOSTS: list[str] = Field(default_factory=list)
    REVOCATION_SOURCE: Literal["introspection", "feed"] = "introspection"

    @field_validator("ALLOWED_HOSTS", mode="before")
    @classmethod
    def _parse_allowed_hosts(cls, v: object) -> list[str]:
        return [] if v is None else _items(v)
