"""What people write into settings, and what is made of it.

Every parser here takes text from outside and raises ``ValueError`` with a sentence that says what to write instead.
None of them repeats text that could hold a password.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PREFIX = re.compile(r"/?[A-Za-z0-9._~/-]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65_535


def parse_list(value: object) -> object:
    """A list setting: a JSON array, or text with commas; what is no text is left to the field's own type.

    Raises:
        ValueError: It begins like a JSON array and is none, or an element of it is no text.
    """
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple | set | frozenset) else value
    text = value.strip()
    if not text.startswith("["):
        return [part for part in (part.strip() for part in text.split(",")) if part]
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        message = 'begins like a JSON array and is none: write ["a","b"] with double quotes, or a,b without brackets'
        raise ValueError(message) from None
    if not all(isinstance(element, str) for element in parsed):
        message = 'holds something other than text: write ["a","b"], or a,b without brackets'
        raise ValueError(message)
    return [part for part in (part.strip() for part in parsed) if part]


def split_host_port(text: str) -> tuple[str, int | None]:
    """A host name or address, lower-cased, and the port behind it when there is one.

    IPv6 addresses stand in brackets, as in URLs. Names may hold ``_`` and need no dot: containers are called so.

    Raises:
        ValueError: It is no host, or the port is none.
    """
    host, port = text.strip(), None
    if host.startswith("["):
        address, closed, rest = host[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            message = "is no host: an IPv6 address stands in brackets, like [::1]:8000"
            raise ValueError(message)
        return f"[{_ipv6(address)}]", _port(rest[1:]) if rest else None
    if ":" in host:
        host, _, digits = host.partition(":")
        port = _port(digits)
    return _host_name(host), port


def _ipv6(address: str) -> str:
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        message = "holds no IPv6 address between its brackets"
        raise ValueError(message) from None


def _port(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and 0 < len(digits) < 6 and 0 < int(digits) <= _HIGHEST_PORT):
        message = f"holds no port after the colon: a number from 1 to {_HIGHEST_PORT}"
        raise ValueError(message)
    return int(digits)


def _host_name(host: str) -> str:
    if not host.isascii():
        try:
            ascii_form = host.encode("idna").decode()
        except UnicodeError:
            ascii_form = "xn--…"
        message = f"is no host name: browsers send its ASCII form, {ascii_form}"
        raise ValueError(message)
    name = host.removesuffix(".").lower()
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        message = "is no host: write a name like api.example.com or an address, without scheme and path"
        raise ValueError(message)
    if all(label.isdigit() for label in labels) and len(labels) > 1:
        try:
            ipaddress.IPv4Address(name)
        except ValueError:
            message = "is no IPv4 address"
            raise ValueError(message) from None
    return name


def parse_host(value: object) -> object:
    """A host, with or without a port, lower-cased.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str):
        return value
    host, port = split_host_port(value)
    return host if port is None else f"{host}:{port}"


def parse_database_host(value: object) -> object:
    """A host without port, or the absolute path of the folder with the database's socket.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, str) or value.strip().startswith("/"):
        return value.strip() if isinstance(value, str) else value
    text = value.strip()
    try:
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        pass
    host, port = split_host_port(text)
    if port is not None:
        message = f"holds a port: leave it out and set DB_PORT={port}"
        raise ValueError(message)
    return host


def parse_host_pattern(value: str) -> str:
    """What a Host header may say: a host, ``*.example.com`` for every host below one, or ``*``. A port is dropped.

    Raises:
        ValueError: It is none of these.
    """
    text = value.strip()
    if text == "*":
        return text
    if "://" in text:
        hint = urlsplit(text).netloc if "@" not in text else ""
        message = f"holds a scheme: write the host alone{f', {hint}' if hint else ''}"
        raise ValueError(message)
    if text.startswith("."):
        message = f"begins with a dot: for every host below one, write *{text}"
        raise ValueError(message)
    wildcard = text.startswith("*.")
    host, _ = split_host_port(text[2:] if wildcard else text)
    if wildcard and host.startswith("["):
        message = "has a star before an address"
        raise ValueError(message)
    return f"*.{host}" if wildcard else host


def parse_origin(value: str) -> str:
    """An origin (RFC 6454) as browsers send it: lower case, without path, default port or final slash.

    Raises:
        ValueError: It is none. ``*`` is none either: cookies and tokens are not shown to everybody.
    """
    text = value.strip()
    if text == "*":
        message = "is *, which browsers refuse together with credentials: list the origins"
        raise ValueError(message)
    scheme, separator, rest = text.removesuffix("/").partition("://")
    scheme = scheme.lower()
    if not separator or not _SCHEME.fullmatch(scheme):
        message = "lacks its scheme: write https://app.example.com"
        raise ValueError(message)
    if "@" in rest or any(mark in rest for mark in "/?#"):
        message = "holds more than scheme, host and port: write https://app.example.com"
        raise ValueError(message)
    if "*" in rest:
        message = "holds a star: list the origins one by one"
        raise ValueError(message)
    host, port = split_host_port(rest)
    if port is None or port == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"


def _split_url(text: str) -> SplitResult:
    if any(character.isspace() or ord(character) < 0x20 for character in text):
        message = "holds white space"
        raise ValueError(message)
    try:
        parts = urlsplit(text)
    except ValueError:
        message = "is no URL"
        raise ValueError(message) from None
    if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.netloc:
        message = "is no http:// or https:// URL"
        raise ValueError(message)
    if "@" in parts.netloc:
        message = "holds a name or password before the host, which does not belong there"
        raise ValueError(message)
    split_host_port(parts.netloc)
    return parts


def parse_url(value: object) -> object:
    """An absolute ``http`` or ``https`` URL without credentials and fragment, as it was written.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str):
        return str(value) if value is not None else None
    text = value.strip()
    if _split_url(text).fragment:
        message = "holds a # part, which is never sent"
        raise ValueError(message)
    return text


def parse_base_url(value: object) -> object:
    """A URL to which paths are added: :func:`parse_url` without query and final slash, its origin as browsers send it.

    Raises:
        ValueError: It is none.
    """
    text = parse_url(value)
    if not isinstance(text, str):
        return text
    parts = _split_url(text)
    if parts.query:
        message = "holds a ? part; only scheme, host, port and path belong here"
        raise ValueError(message)
    return parse_origin(f"{parts.scheme}://{parts.netloc}") + parts.path.rstrip("/")


def parse_path_prefix(value: object) -> object:
    """The first part of a path: with a slash before it and none behind it; empty for none.

    Raises:
        ValueError: It holds characters that paths of routes do not.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _PREFIX.fullmatch(text):
        message = "is no path: letters, digits and -._~/ only, like /items/v1"
        raise ValueError(message)
    segments = [segment for segment in text.split("/") if segment]
    if any(segment in {".", ".."} for segment in segments):
        message = "holds . or .. as a part of the path"
        raise ValueError(message)
    return "".join(f"/{segment}" for segment in segments)


def parse_text(value: object) -> object:
    """A text on one line, without white space around it.

    Raises:
        ValueError: It holds line breaks or other control characters.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        message = "holds a line break or another control character"
        raise ValueError(message)
    return text


def parse_header_value(value: object) -> object:
    """A text that may stand in a header of HTTP (RFC 9110 §5.5, visible ASCII and spaces).

    Raises:
        ValueError: It may not.
    """
    text = parse_text(value)
    if isinstance(text, str) and not text.isascii():
        message = "holds characters other than ASCII, which a header cannot carry"
        raise ValueError(message)
    return text


def parse_existing_file(value: object) -> object:
    """The path of a file that is there.

    Raises:
        ValueError: There is none, or it is a folder (what container engines make of a missing file they mount).
    """
    if not isinstance(value, str | Path):
        return value
    path = Path(str(value).strip()).expanduser()
    if path.is_dir():
        message = f"names the folder {path}, not a file (was a missing file mounted?)"
        raise ValueError(message)
    if not path.is_file():
        message = f"names {path}, which does not exist here"
        raise ValueError(message)
    return path


def one_of(*options: str, also: Mapping[str, str] | None = None) -> Callable[[object], object]:
    """Finds the option that was meant whatever its case; other spellings are in ``also`` (keys in lower case)."""
    known = {option.lower(): option for option in options} | dict(also or {})

    def normalise(value: object) -> object:
        text = getattr(value, "value", value)  # an enumeration of the app's own
        return known.get(text.strip().lower(), text) if isinstance(text, str) else value

    return normalise


def each(parse: Callable[[str], str]) -> Callable[[object], object]:
    """A parser of lists from a parser of elements; doubles are dropped, the message says which element is meant."""

    def parse_each(value: object) -> object:
        elements = parse_list(value)
        if not isinstance(elements, list):
            return elements
        kept: dict[Any, None] = {}
        for place, element in enumerate(elements, start=1):
            try:
                kept[parse(element) if isinstance(element, str) else element] = None
            except ValueError as error:  # noqa: PERF203 -- the message needs the place
                message = f"element {place} {error}"
                raise ValueError(message) from None
        return list(kept)

    return parse_each


Text = Annotated[str, BeforeValidator(parse_text)]
HeaderValue = Annotated[str, BeforeValidator(parse_header_value)]
Host = Annotated[str, BeforeValidator(parse_host)]
DatabaseHost = Annotated[str, BeforeValidator(parse_database_host)]
Url = Annotated[str, BeforeValidator(parse_url)]
BaseUrl = Annotated[str, BeforeValidator(parse_base_url)]
PathPrefix = Annotated[str, BeforeValidator(parse_path_prefix)]
ExistingFile = Annotated[Path, BeforeValidator(parse_existing_file)]
TextList = Annotated[list[str], BeforeValidator(parse_list)]
HostPatterns = Annotated[list[str], BeforeValidator(each(parse_host_pattern))]
Origins = Annotated[list[str], BeforeValidator(each(parse_origin))]
