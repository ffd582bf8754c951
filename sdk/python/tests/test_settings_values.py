"""Parsers of what people write into settings."""

from __future__ import annotations

import ipaddress
import json
import string
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vestibule.service.settings.database_url import DatabaseAddress, parse_database_url
from vestibule.service.settings.names import distance, nearest, slip_for
from vestibule.service.settings.values import (
    each,
    parse_base_url,
    parse_database_host,
    parse_existing_file,
    parse_header_value,
    parse_host,
    parse_host_pattern,
    parse_list,
    parse_origin,
    parse_path_prefix,
    parse_text,
    parse_url,
    split_host_port,
)

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?", fullmatch=True).filter(lambda one: not one.isdigit())
HOST = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
PORT = st.integers(1, 65_535)


def outcome(parse: Callable[[str], object], text: str) -> tuple[object, str]:
    """What a parser made of a text, or the sentence with which it refused."""
    try:
        return parse(text), ""
    except ValueError as error:
        return None, str(error)


ELEMENT = st.text(st.characters(codec="utf-8", exclude_characters=",[]\"'", exclude_categories=("C", "Z")), min_size=1)


@given(st.lists(ELEMENT))
def test_a_list_is_the_same_with_commas_and_as_a_json_array(elements: list[str]) -> None:
    assert parse_list(", ".join(elements)) == elements
    assert parse_list(json.dumps(elements)) == elements


@given(st.text())
@example("[")
@example("['a']")
@example("[1]")
@example("[" * 100_000)
def test_any_text_is_a_list_or_is_refused_with_a_sentence(text: str) -> None:
    parsed, refusal = outcome(parse_list, text)
    assert refusal or isinstance(parsed, list)
    if isinstance(parsed, list):
        assert all(isinstance(element, str) and element for element in parsed)


@given(HOST, st.none() | PORT)
def test_a_host_keeps_its_name_and_port(host: str, port: int | None) -> None:
    text = host if port is None else f"{host}:{port}"
    assert split_host_port(text.upper()) == (host, port)


@given(st.ip_addresses(), PORT)
def test_addresses_are_hosts(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    port: int,
) -> None:
    written = f"[{address}]" if address.version == 6 else str(address)
    assert split_host_port(f"{written}:{port}") == (written, port)


@given(st.text())
@example("[::1")
@example("256.1.1.1")
@example("a..b")
@example("host:")
@example("host:٣")  # a digit, but not of ASCII
@example("user:secret@host")
def test_any_text_is_a_host_or_is_refused(text: str) -> None:
    for parse in (parse_host, parse_database_host, parse_host_pattern):
        parsed, refusal = outcome(parse, text)
        if isinstance(parsed, str):
            assert "@" not in parsed or parsed.startswith("/")
            assert parse(parsed) == parsed
        else:
            assert refusal


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://App.Example.com/", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://frontend:3000", "http://frontend:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(written: str, origin: str) -> None:
    assert parse_origin(written) == origin
    assert parse_origin(origin) == origin


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*.example.com",
        "app.example.com",
        "https://app.example.com/login",
        "https://me:secret@app.example.com",
        "https://bücher.example",
        "https://",
        "",
        "null",
    ],
)
def test_what_is_no_origin_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        parse_origin(text)
    assert "secret" not in str(refused.value)


@given(st.text())
def test_any_text_is_an_origin_or_is_refused(text: str) -> None:
    parsed, refusal = outcome(parse_origin, text)
    if isinstance(parsed, str):
        assert parse_origin(parsed) == parsed
        assert "*" not in parsed
    else:
        assert refusal


def test_a_host_pattern_says_what_is_too_much() -> None:
    assert parse_host_pattern("*.Example.com:8000") == "*.example.com"
    assert parse_host_pattern("*") == "*"
    with pytest.raises(ValueError, match=r"write the host alone, api\.example\.com"):
        parse_host_pattern("https://api.example.com/")
    with pytest.raises(ValueError, match=r"element 2 holds a scheme"):
        each(parse_host_pattern)("a.example.com,https://b.example.com")


@given(st.text())
def test_any_text_is_a_url_or_is_refused(text: str) -> None:
    for candidate in (text, f"https://{text}", f"https://host/{text}"):
        for parse in (parse_url, parse_base_url):
            parsed, refusal = outcome(parse, candidate)
            assert refusal or str(parsed).lower().startswith(("http://", "https://"))


def test_a_url_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="password") as refused:
        parse_url("https://me:secret@id.example.com/jwks")
    assert "secret" not in str(refused.value)
    assert parse_base_url("https://id.example.com/") == "https://id.example.com"
    assert parse_base_url("HTTPS://ID.Example.com:443/Some/Path/") == "https://id.example.com/Some/Path"


@given(st.text(string.ascii_letters + string.digits + "-._~/"))
def test_a_path_prefix_begins_with_a_slash_and_ends_without(text: str) -> None:
    try:
        prefix = str(parse_path_prefix(text))
    except ValueError:
        assert {".", ".."} & set(text.split("/"))
        return
    assert prefix == "" or (prefix.startswith("/") and not prefix.endswith("/") and "//" not in prefix)
    assert parse_path_prefix(prefix) == prefix


@pytest.mark.parametrize("text", ["/items?x", "/items/{id}", "/items here", "https://a/b", "/a/../b", "/ä"])
def test_what_is_no_path_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"path"):
        parse_path_prefix(text)


@given(st.text())
def test_texts_of_headers_cannot_begin_another_header(text: str) -> None:
    try:
        value = str(parse_header_value(text))
    except ValueError:
        return
    assert "\r" not in value
    assert "\n" not in value
    assert value.isascii()
    assert parse_text(value) == value


def test_a_folder_in_the_place_of_a_file_is_explained(tmp_path: object) -> None:
    with pytest.raises(ValueError, match="names the folder"):
        parse_existing_file(str(tmp_path))
    with pytest.raises(ValueError, match="does not exist"):
        parse_existing_file(f"{tmp_path}/key.pem")


SIGN_IN = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(st.sampled_from(["Postgres", "Mysql", "Mariadb"]), HOST, PORT, SIGN_IN, SIGN_IN, SIGN_IN)
def test_a_database_address_survives_its_url_whatever_the_password_holds(
    kind: str, host: str, port: int, database: str, user: str, password: str
) -> None:
    address = DatabaseAddress(kind, host, port, database, user, password)  # type: ignore[arg-type]
    assert parse_database_url(address.uri()) == address
    assert parse_database_url(address.uri(asynchronous=True)) == address


def test_a_password_is_percent_encoded_and_never_shown() -> None:
    address = DatabaseAddress("Mysql", "db", 3306, "items", "me", "Va@li/d:P+ss1!")
    assert address.uri() == "mysql+pymysql://me:Va%40li%2Fd%3AP%2Bss1%21@db:3306/items"
    assert "Va@li" not in repr(address)
    assert str(address) == "MySQL at db:3306/items"


@given(st.text())
@example("postgresql://me:top/secret@db/items")
@example("postgresql://me:top secret@db/items")
@example("postgresql://me:top#secret@db/items")
@example("postgresql://me:secret@db:x/items")
@example("postgresql://[::1/items")
@example("mysql://me:secret@/items")
@example("sqlite:items.db")
@example("sqlite://items.db")
def test_any_text_is_a_database_url_or_is_refused_without_repeating_it(text: str) -> None:
    for candidate in (text, f"postgresql://me:secret-word@{text}", f"mysql://{text}"):
        address, refusal = outcome(parse_database_url, candidate)
        assert "secret" not in refusal
        if isinstance(address, DatabaseAddress):
            assert parse_database_url(address.uri()).uri() == address.uri()


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("postgres://me:x@db/items", "postgresql+psycopg://me:x@db:5432/items"),
        ("postgresql+psycopg2://me:x@db:6432/items", "postgresql+psycopg://me:x@db:6432/items"),
        ("postgresql://me@[::1]/items?sslmode=require", "postgresql+psycopg://me@[::1]:5432/items?sslmode=require"),
        ("postgresql:///items?host=/run/pg", "postgresql+psycopg:///items?host=%2Frun%2Fpg&port=5432"),
        ("postgresql://me@%2Frun%2Fpg/items", "postgresql+psycopg://me@/items?host=%2Frun%2Fpg&port=5432"),
        ("mariadb://me:x@db/items", "mariadb+pymysql://me:x@db:3306/items"),
        ("sqlite:///items.db", "sqlite+pysqlite:///items.db"),
        ("sqlite:////data/items.db", "sqlite+pysqlite:////data/items.db"),
        ("sqlite://", "sqlite+pysqlite://"),
    ],
)
def test_usual_database_urls_are_understood(url: str, uri: str) -> None:
    assert parse_database_url(url).uri() == uri


def test_options_of_a_database_url_are_those_the_driver_knows() -> None:
    for url in ("postgresql://me@db/items?schema=public", "mysql://me@db/items?sslaccept=strict"):
        with pytest.raises(ValueError, match=r"option (schema|sslaccept) behind"):
            parse_database_url(url)
    with pytest.raises(ValueError, match="ssl-mode"):
        parse_database_url("mysql://me@db/items?ssl-mode=perhaps")
    address = parse_database_url("mysql://me@db/items?ssl-mode=REQUIRED&charset=latin1")
    assert (address.tls_mode, address.query) == ("require", (("charset", "latin1"),))
    assert address.uri() == "mysql+pymysql://me@db:3306/items?charset=latin1"


KNOWN = frozenset(
    {"BACKEND_HOST", "FRONTEND_HOST", "SMTP_HOST", "REDIS_SSL", "REFRESH_TOKEN_EXPIRE_MINUTES"}
    | {"JWKS_URI", "TOKEN_ISSUER", "DB_HOST", "DB_USER", "DB_DATABASE", "REDIS_USER", "PRIVATE_API_SECRET"}
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("JWKS_URL", "JWKS_URI"),
        ("TOKEN-ISSUER", "TOKEN_ISSUER"),
        ("dbhost", "DB_HOST"),
        ("PRIVAT_API_SECERT", "PRIVATE_API_SECRET"),
        ("REDIS_URL", None),
        ("BACKEND_PORT", None),
        ("FRONTEND_PORT", None),
        ("SMTP_USER", None),
        ("REDIS_DB", None),
        ("REFRESH_TOKEN_EXPIRE_DAYS", None),
        ("POSTGRES_PASSWORD", None),
        ("DB_NAME", None),
    ],
)
def test_only_what_can_be_nothing_else_is_a_slip(name: str, meant: str | None) -> None:
    assert slip_for(name, KNOWN, given=()) == meant


def test_a_name_near_a_setting_that_is_given_belongs_to_somebody_else() -> None:
    assert slip_for("DB_HOSTS", KNOWN, given=()) == "DB_HOST"
    assert slip_for("DB_HOSTS", KNOWN, given={"DB_HOST"}) is None
    assert nearest("DB_NAME", KNOWN) == "DB_DATABASE"


@given(st.text("ABC_", max_size=8), st.text("ABC_", max_size=8))
def test_distance_is_the_same_from_both_sides(one: str, other: str) -> None:
    assert distance(one, other, 8) == distance(other, one, 8)
    assert (distance(one, other, 8) == 0) == (one == other)
    assert distance(one, other, 1) == min(distance(one, other, 8), 2)
