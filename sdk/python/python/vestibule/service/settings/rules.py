"""What settings say together: what follows from others, and what one needs of another.

Everything is asked for only in the mode that needs it. A rule is silent about a setting that is wrong in itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from vestibule._core import Keys
from vestibule.errors import ConfigurationError
from vestibule.service.findings import Finding, fatal
from vestibule.service.settings.computed import ComputedFields
from vestibule.service.settings.database_url import parse_database_url
from vestibule.service.settings.loading import private_key

ISSUER_PATH = "/user"
KEY_SET_PATH = "/.well-known/jwks.json"
INTROSPECTION_PATH = "/private/v1/jti-status"

SHORTEST_KEY = 32
"""Characters a symmetric key needs at least (RFC 7518 §3.2: as long as the digest, 256 bits)."""
_FEWEST_DIFFERENT = 8
_PLACEHOLDERS = ("changethis", "changeme", "replaceme", "replacethis", "yoursecret", "yourpassword", "todo")


def derive(settings: ComputedFields, given: Collection[str]) -> None:
    """Fills what follows from other settings and was not given.

    Args:
        settings: Changed in place.
        given: The names of the settings that have a value of their own.
    """

    def fill(name: str, value: str) -> None:
        if name not in given:
            # Past pydantic, so that a derived value does not count as one that was set.
            object.__setattr__(settings, name, value)

    if settings.ISSUER_URL is not None:
        origin = settings.ISSUER_URL.removesuffix(ISSUER_PATH)
        fill("TOKEN_ISSUER", origin)
        fill("AUTH_PREFIX", origin + ISSUER_PATH)
        fill("INTROSPECTION_URL", origin + ISSUER_PATH + INTROSPECTION_PATH)
    if settings.TOKEN_ALGORITHM is not None:
        fill("ACCESS_TOKEN_ALGORITHM", settings.TOKEN_ALGORITHM)
    if settings.ISSUER_URL is not None and settings.ACCESS_TOKEN_ALGORITHM != "HS256":
        fill("JWKS_URI", settings.ISSUER_URL.removesuffix(ISSUER_PATH) + ISSUER_PATH + KEY_SET_PATH)
    if settings.DATABASE_URL is not None:
        with suppress(ValueError):
            fill("SELECTED_DB", parse_database_url(_value(settings.DATABASE_URL)).kind)
    fill("STACK_NAME", re.sub(r"[^a-z0-9]+", "-", settings.PROJECT_NAME.lower()).strip("-"))


def problems(settings: ComputedFields, given: Collection[str], wrong: Collection[str]) -> list[Finding]:
    """Everything that keeps these settings from making sense together.

    Args:
        settings: After :func:`derive`; a setting that is wrong in itself has its default.
        given: The names of the settings that have a value of their own.
        wrong: The names of those that are wrong in themselves, of which nothing more is said.
    """
    rules = (_keys(settings, given), _claims(settings), _revocation(settings), _credentials(settings))
    others = (_database(settings, given), _tls_files(settings), _origins(settings), _secrets(settings))
    # A rule names first the setting it complains about, and after it those it looked at.
    return [
        finding
        for rule in (*rules, *others)
        for finding, looked_at in rule
        if not {finding.setting, *looked_at} & set(wrong)
    ]


_Found = Iterator[tuple[Finding, tuple[str, ...]]]


def _value(secret: SecretStr | None) -> str:
    return secret.get_secret_value().strip() if secret is not None else ""


def _keys(settings: ComputedFields, given: Collection[str]) -> _Found:
    if settings.ACCESS_PRIVATE_KEY_FILE and settings.AUTH_SERVICE_ROLE == "consumer":
        yield private_key("ACCESS_PRIVATE_KEY_FILE"), ("AUTH_SERVICE_ROLE",)
    both = {"TOKEN_ALGORITHM", "ACCESS_TOKEN_ALGORITHM"} <= set(given)
    if both and settings.TOKEN_ALGORITHM != settings.ACCESS_TOKEN_ALGORITHM:
        text = f"says {settings.TOKEN_ALGORITHM}, but ACCESS_TOKEN_ALGORITHM says {settings.ACCESS_TOKEN_ALGORITHM}."
        yield fatal("TOKEN_ALGORITHM", text, "Remove TOKEN_ALGORITHM, the old name."), ("ACCESS_TOKEN_ALGORITHM",)
        return
    algorithm = settings.ACCESS_TOKEN_ALGORITHM
    if algorithm == "HS256":
        if not _value(settings.ACCESS_SECRET_KEY):
            text = "is missing: with HS256 the service shares a key with the issuer."
            remedy = "Set it, or better ACCESS_TOKEN_ALGORITHM=RS256 and ISSUER_URL."
            yield fatal("ACCESS_SECRET_KEY", text, remedy), ("ACCESS_TOKEN_ALGORITHM",)
    elif not settings.JWKS_URI and not settings.ACCESS_PUBLIC_KEY_FILE and settings.AUTH_SERVICE_ROLE == "consumer":
        text = f"is missing: nothing says where the issuer's {algorithm} keys are."
        remedy = "Set ISSUER_URL=https://id.example.com, or JWKS_URI, or ACCESS_PUBLIC_KEY_FILE."
        looked_at = ("ISSUER_URL", "ACCESS_PUBLIC_KEY_FILE", "ACCESS_TOKEN_ALGORITHM")
        yield fatal("JWKS_URI", text, remedy), looked_at
    if settings.ACCESS_PUBLIC_KEY_FILE:
        algorithm_alone = ("ACCESS_TOKEN_ALGORITHM",)
        yield from ((finding, algorithm_alone) for finding in _public_key(settings.ACCESS_PUBLIC_KEY_FILE, algorithm))


def _public_key(path: Path, algorithm: str) -> Iterable[Finding]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        return [fatal("ACCESS_PUBLIC_KEY_FILE", f"names {path}, which cannot be read: {why}.")]
    if "PRIVATE KEY" in text:
        return [private_key("ACCESS_PUBLIC_KEY_FILE")]
    try:
        fits = json.loads(Keys.from_pem(text).to_jwks())["keys"][0]["alg"]
    except ConfigurationError as error:
        return [fatal("ACCESS_PUBLIC_KEY_FILE", f"names {path}, which does not do: {error}.")]
    if fits != algorithm:
        text = f"names {path}, which holds a key for {fits}, but ACCESS_TOKEN_ALGORITHM is {algorithm}."
        return [fatal("ACCESS_PUBLIC_KEY_FILE", text, "Set the one the issuer signs with.")]
    return []


def _claims(settings: ComputedFields) -> _Found:
    if not settings.TOKEN_STRICT_VALIDATION:
        return
    if not settings.TOKEN_ISSUER:
        text = "is missing: whose tokens are good?"
        yield fatal("TOKEN_ISSUER", text, "Set ISSUER_URL, or what the iss claim of tokens says."), ("ISSUER_URL",)
    if not settings.TOKEN_AUDIENCE:
        text = "is missing: without it, tokens made for other services would do here."
        yield fatal("TOKEN_AUDIENCE", text, "Set the audience of this service, as the issuer knows it."), ()


def _revocation(settings: ComputedFields) -> _Found:
    if settings.AUTH_SERVICE_ROLE != "consumer" or not settings.is_stateful:
        return
    otherwise = "or TOKEN_MODE=stateless if tokens may outlive their sessions."
    if not settings.INTROSPECTION_URL:
        text = "is missing: with TOKEN_MODE=stateful the issuer is asked about tokens."
        yield fatal("INTROSPECTION_URL", text, f"Set ISSUER_URL, {otherwise}"), ("ISSUER_URL", "TOKEN_MODE")
    if not _value(settings.PRIVATE_API_SECRET):
        text = "is missing: with TOKEN_MODE=stateful the service asks the issuer, and shows this."
        remedy = f"Set what `vestibule services add` printed (with INTERNAL_CLIENT_ID), {otherwise}"
        yield fatal("PRIVATE_API_SECRET", text, remedy), ("TOKEN_MODE",)


def _credentials(settings: ComputedFields) -> _Found:
    if settings.SERVICE_TOKEN_EXCHANGE_ENABLED and not settings.INTERNAL_CLIENT_ID:
        text = "is missing: service tokens are given to registered services only."
        remedy = "Set the service's name at the issuer, or SERVICE_TOKEN_EXCHANGE_ENABLED=false."
        yield fatal("INTERNAL_CLIENT_ID", text, remedy), ("SERVICE_TOKEN_EXCHANGE_ENABLED",)
    if settings.INTERNAL_CLIENT_ID and not settings.PRIVATE_API_SECRET and not settings.is_stateful:
        text = "is missing: INTERNAL_CLIENT_ID names the service, this proves it."
        yield fatal("PRIVATE_API_SECRET", text, "Set it, or remove INTERNAL_CLIENT_ID."), ("INTERNAL_CLIENT_ID",)
    shared = _value(settings.PRIVATE_API_SECRET)
    for name in ("HEALTH_DETAIL_CREDENTIAL", "METRICS_SCRAPE_CREDENTIAL"):
        if shared and _value(getattr(settings, name)) == shared:
            text = "is the same as PRIVATE_API_SECRET: who may look at health or metrics could act as the service."
            yield fatal(name, text, "Make it another one."), ("PRIVATE_API_SECRET",)


_DATABASE_GROUP = ("DB_HOST", "DB_DATABASE", "DB_USER", "DB_PASSWORD")


def _database(settings: ComputedFields, given: Collection[str]) -> _Found:
    there = [name for name in _DATABASE_GROUP if getattr(settings, name)]
    absent = [name for name in _DATABASE_GROUP if name not in there]
    if settings.DATABASE_URL is not None:
        if there:
            text = f"is set beside {', '.join(there)}: which database is meant?"
            yield fatal("DATABASE_URL", text, "Keep the one or the others."), _DATABASE_GROUP
        try:
            kind = parse_database_url(_value(settings.DATABASE_URL)).kind
        except ValueError as error:
            yield fatal("DATABASE_URL", f"{error}."), ()
        else:
            if kind != settings.SELECTED_DB and {kind, settings.SELECTED_DB} != {"Mysql", "Mariadb"}:
                text = f"says {settings.SELECTED_DB}, but DATABASE_URL is of {kind}."
                yield fatal("SELECTED_DB", text, "Leave SELECTED_DB out."), ("DATABASE_URL",)
    elif settings.SELECTED_DB == "Sqlite":
        if not settings.DB_DATABASE and "SELECTED_DB" in given:
            yield fatal("DB_DATABASE", "is missing: SQLite needs the path of its file."), ("SELECTED_DB",)
    elif there and absent:
        for name in absent:
            text = f"is missing, although {', '.join(there)} {'is' if len(there) == 1 else 'are'} set."
            yield fatal(name, text, "Set all of them, or none for a service without a database."), ("SELECTED_DB",)


def _tls_files(settings: ComputedFields) -> _Found:
    for prefix in ("DB_TLS", "REDIS_SSL"):
        certificate, key = f"{prefix}_CERT", f"{prefix}_KEY"
        if bool(getattr(settings, certificate)) != bool(getattr(settings, key)):
            lacking, other = (key, certificate) if getattr(settings, certificate) else (certificate, key)
            yield fatal(lacking, f"is missing: it goes with {other}.", "Set both or neither."), (other,)
    if settings.REDIS_SSL and not settings.REDIS_SSL_CA:
        text = "is missing: with REDIS_SSL=true the server's certificate is checked against it."
        yield fatal("REDIS_SSL_CA", text), ("REDIS_SSL",)
    if settings.DB_TLS_MODE in ("verify-ca", "verify-full") and not settings.DB_TLS_CA:
        text = f"is missing: DB_TLS_MODE={settings.DB_TLS_MODE} checks the server's certificate against it."
        yield fatal("DB_TLS_CA", text), ("DB_TLS_MODE",)
    if settings.DB_TLS_MODE == "prefer" and settings.SELECTED_DB in ("Mysql", "Mariadb") and settings.DB_HOST:
        text = "is prefer, which drivers of MySQL and MariaDB do not know."
        yield fatal("DB_TLS_MODE", text, "Set require, or verify-full with DB_TLS_CA."), ("SELECTED_DB",)
    if settings.DB_TLS_MODE == "disable" and settings.DB_TLS_CA:
        yield fatal("DB_TLS_MODE", "is disable, but DB_TLS_CA is set.", "Remove one of them."), ("DB_TLS_CA",)


def _origins(settings: ComputedFields) -> _Found:
    schemes = {scheme.lower().removesuffix("://").removesuffix(":") for scheme in settings.CORS_ALLOWED_ORIGIN_SCHEMES}
    for origin in settings.BACKEND_CORS_ORIGINS:
        scheme = origin.partition("://")[0]
        if scheme not in {"http", "https"} | schemes:
            text = f"holds {origin}, which is neither http nor https."
            remedy = f"If it is meant, set CORS_ALLOWED_ORIGIN_SCHEMES={scheme}://"
            yield fatal("BACKEND_CORS_ORIGINS", text, remedy), ("CORS_ALLOWED_ORIGIN_SCHEMES",)


def is_placeholder(secret: str) -> bool:
    """Whether a secret is one of the words that samples put in the place of one."""
    bare = "".join(character for character in secret.lower() if character.isalnum())
    return bare.startswith(_PLACEHOLDERS) or bare in {"secret", "password", "passwd"}


def weakness(secret: str) -> str | None:
    """Why a symmetric key is easily guessed, or nothing."""
    if len(secret) < SHORTEST_KEY:
        return f"is shorter than {SHORTEST_KEY} characters"
    if any(character.isspace() for character in secret):
        return "holds white space"
    if is_placeholder(secret):
        return "is a sample's placeholder"
    if len(set(secret)) < _FEWEST_DIFFERENT:
        return f"has fewer than {_FEWEST_DIFFERENT} different characters"
    return None


def _secrets(settings: ComputedFields) -> _Found:
    make_one = "Make one with `openssl rand -base64 48`."
    used = []
    if settings.ACCESS_TOKEN_ALGORITHM == "HS256":
        used.append("ACCESS_SECRET_KEY")
    if settings.EVENT_SIGNING_ENABLED and (settings.is_stateful or not settings.is_relaxed):
        used.append("EVENT_SIGNING_KEY")
    for name in used:
        secret = _value(getattr(settings, name))
        why = weakness(secret) if secret else None
        if why:
            yield fatal(name, f"{why}: who guesses it can sign.", make_one), ("ACCESS_TOKEN_ALGORITHM",)
    if settings.is_relaxed:
        return
    for name in ("PRIVATE_API_SECRET", "DB_PASSWORD"):
        secret = _value(getattr(settings, name))
        if secret and is_placeholder(secret):
            text = "is a sample's placeholder."
            yield (
                fatal(name, text, "Set the real one; only ENVIRONMENT=local and development take it."),
                ("ENVIRONMENT",),
            )
