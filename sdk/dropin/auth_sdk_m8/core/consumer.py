"""What a service needs that asks its issuer about tokens."""

from __future__ import annotations

from pydantic import BaseModel, HttpUrl, SecretStr, model_validator
from typing_extensions import Self


class ConsumerAuthMixin(BaseModel):
    """The address and the secret of introspection. A stateful consumer needs both; stands before `CommonSettings`."""

    INTROSPECTION_URL: HttpUrl | None = None
    PRIVATE_API_SECRET: SecretStr | None = None

    @model_validator(mode="after")
    def _require_introspection_for_stateful_consumer(self) -> Self:
        if getattr(self, "AUTH_SERVICE_ROLE", None) == "consumer" and getattr(self, "is_stateful", False):
            names = ("INTROSPECTION_URL", "PRIVATE_API_SECRET")
            missing = [name for name in names if getattr(self, name) is None]
            if missing:
                raise ValueError(f"Stateful consumer requires {' and '.join(missing)}")
        return self
