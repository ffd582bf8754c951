"""The validator that settings ask for."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from auth_sdk_m8.schemas.auth import ASYMMETRIC_ALGORITHMS, TokenSecret
from auth_sdk_m8.security import jwks_resolver
from auth_sdk_m8.security.hooks import ValidationHooks
from auth_sdk_m8.security.token_validator import TokenValidator
from auth_sdk_m8.security.validation import TokenValidationConfig


def _config(settings: Any, algorithm: str) -> TokenValidationConfig:
    issuer = getattr(settings, "TOKEN_ISSUER", None)
    audience = getattr(settings, "TOKEN_AUDIENCE", None)
    if getattr(settings, "TOKEN_STRICT_VALIDATION", True):
        return TokenValidationConfig.strict(issuer=issuer, audience=audience, allowed_algorithms=[algorithm])  # type: ignore[arg-type]
    return TokenValidationConfig(
        issuer=issuer,
        audience=audience,
        require_iss=bool(issuer),
        require_aud=bool(audience),
        allowed_algorithms=[algorithm],
    )


def build_access_validator(settings: Any, hooks: ValidationHooks | None = None) -> TokenValidator:
    """A validator by `CommonSettings`: by the key set if its address is set, else by the public key or the secret.

    Raises:
        ValueError: The algorithm is none that there is, or there is no key.
    """
    algorithm: Any = settings.ACCESS_TOKEN_ALGORITHM
    config = _config(settings, algorithm)
    uri = getattr(settings, "JWKS_URI", None)
    if algorithm not in ASYMMETRIC_ALGORITHMS:
        secret = settings.ACCESS_SECRET_KEY
    elif uri:
        lifetime = getattr(settings, "JWKS_CACHE_TTL_SECONDS", 300)
        # Through the module, so that another resolver can be put in its place.
        resolver = jwks_resolver.JwksKeyResolver(uri, algorithm=algorithm, cache_ttl=lifetime)
        return TokenValidator(secrets=None, config=config, key_resolver=resolver, hooks=hooks)
    else:
        secret = SecretStr(settings.ACCESS_PUBLIC_KEY)
    return TokenValidator(TokenSecret(secret_key=secret, algorithm=algorithm), config, hooks=hooks)
