"""Who is calling."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vestibule.errors import InvalidToken
from vestibule.service.roles import Role


class User(BaseModel):
    """The caller, as the access token describes them.

    One object is made for each token and shared by all requests that carry it; that is why it is frozen.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    id: UUID = Field(validation_alias="sub", description="The account.")
    email: str = Field(description="The account's address, in lower case.")
    role: Role = Field(default=Role.USER, description="What the account may do.")
    full_name: str | None = Field(default=None, description="The account's name, as the person writes it.")
    avatar: str | None = Field(default=None, description="Where a picture of the person lies.")
    is_active: bool = Field(default=True, description="Whether the account may be used.")
    email_verified: bool = Field(default=False, description="Whether the address was proven.")
    is_superuser: bool = Field(default=False, description="True exactly when the role is `superadmin`.")
    tenant_id: str | None = Field(default=None, description="The tenant, where the issuer names one.")
    session_id: str | None = Field(default=None, validation_alias="sid", description="The session that was signed in.")
    amr: tuple[str, ...] = Field(default=(), description="How the person signed in (RFC 8176).")
    acr: str | None = Field(default=None, description="How sure it is who signed in.")
    auth_time: int | None = Field(default=None, description="When they last proved who they are, in Unix seconds.")
    token_id: str = Field(default="", validation_alias="jti", exclude=True, description="The token's own id.")
    expires_at: int = Field(default=0, validation_alias="exp", exclude=True, description="In Unix seconds.")

    @field_validator("email")
    @classmethod
    def _lower_case(cls, email: str) -> str:
        return email.strip().lower()

    def has_role(self, required: Role | str) -> bool:
        """Whether the caller passes where `required` is demanded.

        Raises:
            ValueError: `required` is no role.
        """
        return self.role.rank >= Role(required).rank

    @classmethod
    def from_claims(cls, claims: dict[str, Any]) -> User:
        """The user that verified claims describe.

        Raises:
            InvalidToken: The claims describe nobody, for example because `sub` is no UUID.
        """
        try:
            return cls.model_validate(claims)
        except ValidationError:
            # The details would repeat what the token says.
            raise InvalidToken("invalid_payload") from None
