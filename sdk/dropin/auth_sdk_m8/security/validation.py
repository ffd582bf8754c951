"""What a validator asks of a token."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field, model_validator
from typing_extensions import Self

_REQUIRED = ("exp", "sub", "jti", "type")


class TokenValidationConfig(BaseModel):
    """Claims, algorithms and how far clocks may differ. As it comes it is lenient; `strict` is for services that share
    an issuer."""

    issuer: str | None = None
    audience: Sequence[str] | str | None = None
    require_iss: bool = False
    require_aud: bool = False
    required_claims: list[str] = Field(default_factory=lambda: list(_REQUIRED))
    allowed_algorithms: list[str] = Field(default_factory=lambda: ["HS256"])
    leeway_seconds: int = 5

    @model_validator(mode="after")
    def validate_dependencies(self) -> Self:
        """What is enforced must be known."""
        if self.require_iss and not self.issuer:
            raise ValueError("issuer must be provided when require_iss=True")
        if self.require_aud and not self.audience:
            raise ValueError("audience must be provided when require_aud=True")
        if not self.allowed_algorithms:
            raise ValueError("allowed_algorithms must not be empty")
        return self

    @classmethod
    def strict(
        cls, issuer: str, audience: Sequence[str] | str, allowed_algorithms: list[str] | None = None
    ) -> TokenValidationConfig:
        """For tokens of one issuer and one audience that say when they were issued."""
        return cls(
            issuer=issuer,
            audience=audience,
            require_iss=True,
            require_aud=True,
            required_claims=[*_REQUIRED, "iat", "nbf"],
            allowed_algorithms=allowed_algorithms or ["HS256"],
            leeway_seconds=2,
        )
