"""People and sessions as services see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, EmailStr, Field, field_validator

from auth_sdk_m8.schemas.base import AuthProviderType, RoleType
from auth_sdk_m8.utils.email import normalize_email


class UserModel(BaseModel):
    """Who is calling, by the claims of the access token."""

    id: UUID
    email: EmailStr
    full_name: str | None = None
    avatar: str | None = None
    is_active: bool = True
    email_verified: bool = False
    is_superuser: bool = False
    role: RoleType = RoleType.USER

    @field_validator("email", mode="before")
    @classmethod
    def normalise_email(cls, v: str) -> str:
        """One spelling for an address."""
        return normalize_email(v) if isinstance(v, str) else v


class SessionModel(BaseModel):
    """A session as its issuer keeps it."""

    id: UUID
    provider: AuthProviderType
    jwt_jti: str = Field(min_length=16, max_length=128, description="JWT ID")
    refresh_token_hash: str = Field(min_length=64, max_length=128, description="Hash of refresh token")
    jwt_expires_at: datetime = Field(description="JWT expiration (UTC)")
    refresh_expires_at: datetime = Field(description="Refresh token expiration (UTC)")
    external_access_token: str | None = Field(None, max_length=2048, description="Google OAuth access token")
    external_refresh_token: str | None = Field(None, max_length=2048, description="Google OAuth refresh token")
    external_token_expires_at: datetime | None = Field(None, description="Google OAuth token expiration (UTC)")
