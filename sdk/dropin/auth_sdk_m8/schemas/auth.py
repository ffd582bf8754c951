"""Tokens, their secrets and their claims."""

from typing import Literal

from pydantic import BaseModel, EmailStr, SecretStr, model_validator

from auth_sdk_m8.schemas.base import RoleType
from auth_sdk_m8.schemas.shared import ValidationConstants

TokenType = Literal["access", "refresh"]
TokenAlgorithm = Literal["HS256", "RS256", "ES256"]
ASYMMETRIC_ALGORITHMS: frozenset[str] = frozenset({"RS256", "ES256"})


class Token(BaseModel):
    """What a sign-in answers."""

    access_token: str
    token_type: str = "bearer"


class TokenDecodeProps(BaseModel):
    """An access token with what verifies it."""

    access_token: str
    secret_key: SecretStr
    algorithm: TokenAlgorithm


class TokenSecret(BaseModel):
    """What verifies tokens: the secret of HS256, or a public key in PEM."""

    secret_key: SecretStr
    algorithm: TokenAlgorithm

    @model_validator(mode="after")
    def validate_secret_key(self) -> "TokenSecret":
        """A secret that people could guess is refused; a public key is no secret."""
        secret = self.secret_key.get_secret_value()
        if self.algorithm not in ASYMMETRIC_ALGORITHMS and not ValidationConstants.SECRET_KEY_REGEX.match(secret):
            raise ValueError("Invalid secret key format.")
        return self


class ExternalTokensData(BaseModel):
    """Tokens of an outside provider."""

    expires: int
    access: SecretStr
    refresh: SecretStr


class TokenSubData(BaseModel):
    """Whom a token is about."""

    sub: str


class UserPayloadData(BaseModel):
    """The claims that describe a person."""

    email: EmailStr
    full_name: str | None = None
    avatar: str | None = None
    is_active: bool = True
    email_verified: bool = False
    is_superuser: bool = False
    role: RoleType = RoleType.USER


class TokenMinimalData(TokenSubData):
    """Whom a token is about, and of which type it is."""

    type: TokenType = "access"


class TokenAccessData(TokenMinimalData, UserPayloadData):
    """The claims that an access token is made from."""


class TokenUserData(TokenMinimalData, UserPayloadData):
    """The claims of an access token that was verified."""

    jti: str
    exp: int | None = None


class TokenPayload(TokenSubData, UserPayloadData):
    """The claims of a person without those of the token."""
