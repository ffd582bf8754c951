"""Access tokens: signature, claims, payload."""

from __future__ import annotations

from typing import Any, NoReturn

from pydantic import ValidationError

from auth_sdk_m8 import _claims, _jwt
from auth_sdk_m8.core.exceptions import InvalidToken
from auth_sdk_m8.schemas.auth import TokenSecret, TokenUserData
from auth_sdk_m8.security.hooks import ValidationHooks
from auth_sdk_m8.security.key_resolver import KeyResolver
from auth_sdk_m8.security.validation import TokenValidationConfig

_TEXTS = {"expired": "Access token expired", "wrong_type": "Not an access token"}


class TokenValidator:
    """Says whether an access token is good, by one key or by those of a resolver.

    Raises:
        ValueError: There is neither key nor resolver, or the key's algorithm isn't allowed.
    """

    def __init__(
        self,
        secrets: TokenSecret | None,
        config: TokenValidationConfig,
        key_resolver: KeyResolver | None = None,
        hooks: ValidationHooks | None = None,
    ) -> None:
        if secrets is None and key_resolver is None:
            raise ValueError("Either secrets or key_resolver must be provided")
        self._default_secrets = secrets
        self._config = config
        self._key_resolver = key_resolver
        self._hooks = hooks
        if secrets is not None:
            self._check_algorithm(secrets)

    def validate_access_token(self, token: str) -> TokenUserData:
        """The claims of a good token.

        Raises:
            InvalidToken: It isn't. The text says whether it was expired or of another type, and no more.
            ValueError: The key that the token names is of an algorithm that isn't allowed.
        """
        try:
            claims = self._decode_payload(token, self._resolve_secrets(token))
        except _claims.ExpiredError as error:
            self._refuse("expired", error)
        except (_jwt.SignatureError, _claims.ClaimsError, LookupError) as error:
            self._refuse("invalid", error)
        if "type" in claims and claims["type"] != "access":
            self._refuse("wrong_type")
        try:
            payload = TokenUserData.model_validate(claims)
        except ValidationError as error:
            self._refuse("invalid_payload", error)
        if self._hooks is not None:
            self._hooks.on_success(jti=payload.jti, sub=payload.sub, token_type=payload.type)
        return payload

    def _refuse(self, reason: str, cause: Exception | None = None) -> NoReturn:
        if self._hooks is not None:
            self._hooks.on_failure(reason=reason, token_type="access")
        raise InvalidToken(_TEXTS.get(reason, "Invalid access token")) from cause

    def _check_algorithm(self, secrets: TokenSecret) -> None:
        if secrets.algorithm not in self._config.allowed_algorithms:
            raise ValueError(f"Algorithm {secrets.algorithm} is not allowed by configuration")

    def _resolve_secrets(self, token: str) -> TokenSecret:
        if self._default_secrets is not None:
            return self._default_secrets
        if self._key_resolver is None:
            raise RuntimeError("key_resolver is None, and there is no key either")
        secrets = self._key_resolver.resolve(_jwt.key_id(token))
        self._check_algorithm(secrets)
        return secrets

    def _decode_payload(self, token: str, secrets: TokenSecret) -> dict[str, Any]:
        config = self._config
        claims = _jwt.decode(token, secrets)
        _claims.check(
            claims,
            required=config.required_claims,
            leeway=config.leeway_seconds,
            issuer=config.issuer if config.require_iss else None,
            audience=config.audience if config.require_aud else None,
            any_audience=not config.require_aud,
        )
        return claims
