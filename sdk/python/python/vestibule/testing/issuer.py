"""An issuer in memory: it signs tokens that the real guards verify, without a server and without a network."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from vestibule import _core
from vestibule.service.client import SharedClient
from vestibule.service.roles import Role
from vestibule.service.user import User
from vestibule.testing.clock import Clock

DEFAULT_ISSUER: Final = "https://issuer.example.com"
DEFAULT_AUDIENCE: Final = "test-service"


@dataclass(eq=False)
class _Trust:
    """Guards that trust an issuer, and the client that does it for them."""

    shared: SharedClient
    client: _core.Client


_trusted: Final[WeakKeyDictionary[SharedClient, list[Issuer]]] = WeakKeyDictionary()


class Issuer:
    """Signs access tokens as a real issuer does, and ends them.

    Args:
        issuer: The `iss` of its tokens.
        audience: The `aud` of its tokens.
        algorithm: `ES256` (quick to make), `RS256` or `HS256`.
        clock: The clock that it and all who trust it go by; a new one if left out.
    """

    def __init__(
        self,
        *,
        issuer: str = DEFAULT_ISSUER,
        audience: str = DEFAULT_AUDIENCE,
        algorithm: str = "ES256",
        clock: Clock | None = None,
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self.algorithm = algorithm
        self.clock = clock or Clock()
        self.clock.on_move(self._advance)
        self._keys = [_core.SigningKey.generate(algorithm)]
        self._ended: list[dict[str, Any]] = []
        self._trusts: list[_Trust] = []

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """The public keys, as an issuer publishes them (RFC 7517 §5)."""
        return {"keys": [key.jwk() for key in self._keys if key.kid is not None]}

    def token(
        self,
        *,
        role: Role | str = Role.USER,
        email: str = "person@example.com",
        user_id: uuid.UUID | str | None = None,
        lifetime: float = 1800,
        **claims: Any,
    ) -> str:
        """A signed access token.

        Args:
            role: The caller's role; the superuser flag goes with it.
            email: The caller's address.
            user_id: The account; a new one if left out.
            lifetime: Seconds until it expires.
            claims: Claims that are added or replaced; one that is `...` is left out. Nothing is checked, so that bad
                tokens can be made too.
        """
        return self.sign(self.claims(role=role, email=email, user_id=user_id, lifetime=lifetime, **claims))

    def claims(
        self,
        *,
        role: Role | str = Role.USER,
        email: str = "person@example.com",
        user_id: uuid.UUID | str | None = None,
        lifetime: float = 1800,
        **claims: Any,
    ) -> dict[str, Any]:
        """The claims that `token` signs."""
        now = int(self.clock.now())
        everything: dict[str, Any] = {
            "sub": str(user_id or uuid.uuid4()),
            "type": "access",
            "email": email,
            "full_name": "Test Person",
            "avatar": None,
            "is_active": True,
            "email_verified": True,
            "is_superuser": str(role) == "superadmin",
            "role": str(role),
            "exp": now + int(lifetime),
            "iat": now,
            "nbf": now,
            "jti": str(uuid.uuid4()),
            "iss": self.issuer,
            "aud": self.audience,
            "sid": str(uuid.uuid4()),
            "gen": 1,
        }
        everything.update(claims)
        return {name: value for name, value in everything.items() if value is not ...}

    def sign(self, claims: dict[str, Any]) -> str:
        """Signs any claims with the newest key."""
        return self._keys[-1].sign(claims)

    def rotate(self, *, keep_old: bool = True) -> None:
        """Signs with a new key from now on.

        Args:
            keep_old: Whether tokens of the keys before stay good, as in a rotation that nobody should notice. Without,
                the rotation is that after a leak.
        """
        new = _core.SigningKey.generate(self.algorithm)
        self._keys = [*self._keys, new] if keep_old else [new]
        for trust in self._trusts:
            before, trust.client = trust.client, self._client(trust.shared.options)
            trust.shared.substitute(trust.client, instead_of=before)
            before.close()

    def revoke(self, token: str | None = None, *, session_id: str | None = None, user_id: Any = None) -> None:
        """Ends a token, a session, or everything that an account has signed in. Guards know at once.

        Args:
            token: A token of this issuer.
            session_id: Or a session (`sid`), of the account if that is named.
            user_id: Or an account: all its tokens up to now.
        """
        if token is not None:
            claims = _core.verify_signature(token, self.keys(), algorithm=self.algorithm)
            self._tell({"account": claims["sub"], "jti": claims["jti"]})
        if session_id is not None:
            self._tell({"account": str(user_id or ""), "session": session_id})
        elif user_id is not None:
            self._tell({"account": str(user_id)})

    @contextmanager
    def trusted_by(self, *clients: SharedClient) -> Iterator[Issuer]:
        """Lets guards trust this issuer, and none but this, for as long as the context lasts.

        Args:
            clients: `auth.client` of each `AuthDeps`.
        """
        mine = []
        for shared in clients:
            trust = _Trust(shared, self._client(shared.options))
            shared.substitute(trust.client)
            mine.append(trust)
            _trusted.setdefault(shared, []).append(self)
        self._trusts += mine
        try:
            yield self
        finally:
            for trust in mine:
                self._trusts.remove(trust)
                _trusted[trust.shared].remove(self)
                trust.shared.withdraw(trust.client)
                trust.client.close()

    @staticmethod
    def of(shared: SharedClient) -> Issuer | None:
        """The issuer that a client trusts at the moment, if it is one in memory."""
        trusted = _trusted.get(shared)
        return trusted[-1] if trusted else None

    def set_stale(self, stale: bool = True) -> None:
        """Makes what guards know of revocations stale, or current again, so that stale policies can be tried."""
        for trust in self._trusts:
            trust.client.set_stale(stale)

    def _client(self, options: dict[str, Any]) -> _core.Client:
        kept = {
            name: options[name]
            for name in ("strict", "consistent_privileges", "stale_policy", "failure_mode")
            if name in options
        }
        client = _core.Client(
            make_user=User.from_claims,
            algorithm=self.algorithm,
            issuer=self.issuer,
            audience=self.audience,
            keys=self.keys(),
            revocations="off" if options.get("revocations") == "off" else "by_hand",
            **kept,
        )
        client.advance(self.clock.moved)
        for ended in self._ended:
            client.tell(**ended)
        return client

    def keys(self) -> _core.Keys:
        """The keys that verify its tokens."""
        if self.algorithm == "HS256":
            return self._keys[-1].keys()
        return _core.Keys.from_jwks(json.dumps(self.key_set()))

    def _advance(self, seconds: float) -> None:
        for trust in self._trusts:
            trust.client.advance(seconds)

    def _tell(self, ended: dict[str, Any]) -> None:
        self._ended.append(ended)
        for trust in self._trusts:
            trust.client.tell(**ended)
