"""The headers that tell browsers to be careful, by environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vestibule.service.options import AppOptions

RawHeader = tuple[bytes, bytes]

API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The content security policy of answers that are no pages."""

PERMISSIONS: Final = (
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"
)

_ALWAYS: Final[tuple[RawHeader, ...]] = ((b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"))
# Whatever a route says of these: they have one value, which is ours.
_OURS: Final = frozenset(
    {
        b"x-content-type-options",
        b"x-request-id",
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-expose-headers",
    }
)
_YEAR: Final = 31_536_000


def security_headers(settings: object, options: AppOptions | None = None) -> tuple[RawHeader, ...]:
    """The headers that every answer of a service carries.

    Everywhere: `X-Content-Type-Options: nosniff` and `X-Frame-Options: DENY`. In production, and with
    `STRICT_PRODUCTION_MODE`: also the referrer and permissions policies, and, unless they are switched off by
    `CONTENT_SECURITY_POLICY_ENABLED` and `HSTS_ENABLED`, the content security policy and HSTS (RFC 6797); those two
    can be switched on elsewhere, but not where `ENVIRONMENT` is `local`. None at all with
    `SECURITY_HEADERS_ENABLED=false`.
    """
    options = options or AppOptions.read(settings)
    if not getattr(settings, "SECURITY_HEADERS_ENABLED", True):
        return ()
    pairs: list[tuple[str, str]] = []

    def wanted(setting: str) -> bool:
        """What a switch says; in production when it says nothing. Never on a developer's machine: browsers remember
        HSTS.
        """
        switch = getattr(settings, setting, None)
        return options.environment != "local" and (options.strict if switch is None else bool(switch))

    if wanted("CONTENT_SECURITY_POLICY_ENABLED"):
        pairs.append(("content-security-policy", getattr(settings, "CONTENT_SECURITY_POLICY", None) or API_POLICY))
    if options.strict:
        referrer = getattr(settings, "REFERRER_POLICY", None) or "strict-origin-when-cross-origin"
        pairs.append(("referrer-policy", referrer))
        pairs.append(("permissions-policy", getattr(settings, "PERMISSIONS_POLICY", None) or PERMISSIONS))
    age = int(getattr(settings, "HSTS_MAX_AGE", _YEAR))
    if wanted("HSTS_ENABLED") and age:
        subdomains = "; includeSubDomains" if getattr(settings, "HSTS_INCLUDE_SUBDOMAINS", True) else ""
        pairs.append(("strict-transport-security", f"max-age={age}{subdomains}"))
    return (*_ALWAYS, *raw(pairs))


def raw(pairs: Iterable[tuple[str, str]]) -> tuple[RawHeader, ...]:
    """Headers as ASGI wants them.

    Raises:
        ValueError: A value holds a line break or another control character.
    """
    for name, value in pairs:
        if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in name + value):
            raise ValueError(f"the header {name!r} has a control character in it")
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs)


class HeaderSet:
    """Headers to be added to answers.

    What an answer says itself is kept (whoever wrote the route knows what it serves), except for
    `X-Content-Type-Options`, which has but one value.

    Args:
        headers: What to add.
    """

    __slots__ = ("_headers", "_names")

    def __init__(self, headers: Sequence[RawHeader]) -> None:
        self._headers = tuple(headers)
        self._names = _OURS.union(name for name, _ in headers)

    def dress(self, own: Iterable[RawHeader], more: tuple[RawHeader, ...] = ()) -> list[RawHeader]:
        """A new list of the answer's own headers, these, and `more`, which replace the answer's own but for `Vary`."""
        own = list(own)
        present = self._names.intersection([name.lower() for name, _ in own])
        if not present:
            return [*own, *self._headers, *more]
        replaced = {name for name, _ in (*more, *self._headers) if name in _OURS}
        return [
            *(header for header in own if header[0].lower() not in replaced),
            *(header for header in self._headers if header[0] not in present or header[0] in replaced),
            *more,
        ]
