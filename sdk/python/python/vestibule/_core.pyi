from collections.abc import Callable, Sequence
from typing import Any, final

__all__ = ["VERSION", "Client", "EventKey", "Keys", "SigningKey", "verify", "verify_signature"]

VERSION: str

@final
class Keys:
    @classmethod
    def from_pem(cls, text: str) -> Keys: ...
    @classmethod
    def from_secret(cls, text: str) -> Keys: ...
    @classmethod
    def from_jwks(cls, text: str) -> Keys: ...
    @property
    def kids(self) -> list[str]: ...
    def to_jwks(self) -> str: ...
    def public_pem(self, kid: str | None = None) -> str | None: ...
    def __len__(self) -> int: ...

def verify_signature(token: bytes | str, keys: Keys, *, algorithm: str) -> dict[str, Any]: ...

@final
class SigningKey:
    @classmethod
    def generate(cls, algorithm: str) -> SigningKey: ...
    @classmethod
    def from_pem(cls, text: str) -> SigningKey: ...
    @classmethod
    def from_secret(cls, text: str) -> SigningKey: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def kid(self) -> str | None: ...
    def keys(self) -> Keys: ...
    def jwk(self) -> dict[str, str]: ...
    def public_pem(self) -> str: ...
    def sign(self, claims: dict[str, Any]) -> str: ...

@final
class EventKey:
    def __new__(cls, text: str) -> EventKey: ...
    def sign(self, payload: str) -> str: ...
    def verify(self, payload: str, signature: str) -> bool: ...

@final
class Client:
    def __new__(
        cls,
        *,
        make_user: Callable[[dict[str, Any]], Any],
        algorithm: str = "RS256",
        issuer: str | None = None,
        audience: str | None = None,
        strict: bool = True,
        consistent_privileges: bool = True,
        jwks_uri: str | None = None,
        jwks_cache_seconds: float = 300.0,
        public_key_pem: str | None = None,
        secret: str | None = None,
        keys: Keys | None = None,
        revocations: str = "off",
        stale_policy: str = "introspect",
        failure_mode: str = "fail_closed",
        introspection_url: str | None = None,
        introspection_kept_seconds: float = 0.0,
        introspection_version: int = 2,
        events_url: str | None = None,
        event_signing_key: str | None = None,
        accept_unsigned_events: bool = False,
        feed_lookback_seconds: float | None = None,
        private_api_secret: str | None = None,
        internal_client_id: str | None = None,
        service_token_url: str | None = None,
        service_token_scopes: Sequence[str] | None = None,
        service_token_renew_early_seconds: float = 30.0,
        uuid_subject: bool = True,
        raw_claims: bool = False,
        identities: int | None = None,
    ) -> Client: ...
    def start(self) -> None: ...
    def check(self, token: bytes | str, stale_policy: str | None = None) -> Any | None: ...
    def start_check(
        self,
        token: bytes | str,
        stale_policy: str | None,
        on_done: Callable[[Any | None, Exception | None], None],
    ) -> None: ...
    def check_blocking(self, token: bytes | str, stale_policy: str | None = None) -> Any: ...
    def start_introspection(
        self, jti: str, account: str, on_done: Callable[[bool | None, Exception | None], None]
    ) -> None: ...
    def statistics(self) -> dict[str, float]: ...
    def advance(self, seconds: float) -> None: ...
    def tell(self, *, account: str, jti: str | None = None, session: str | None = None) -> None: ...
    def set_stale(self, stale: bool) -> None: ...
    def close(self) -> None: ...

def verify(
    token: bytes | str,
    keys: Keys,
    *,
    algorithm: str,
    issuer: str | None = None,
    audience: str | None = None,
    leeway: float = 2.0,
    strict: bool = True,
    consistent_privileges: bool = True,
    uuid_subject: bool = True,
    now: float | None = None,
) -> dict[str, Any]: ...
