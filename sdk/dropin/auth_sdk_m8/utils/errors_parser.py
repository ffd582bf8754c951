"""Errors of databases and of models as lists of fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from auth_sdk_m8.schemas.base import ResponseError

if TYPE_CHECKING:
    from sqlalchemy.exc import IntegrityError

_DUPLICATE = "Duplicate entry already exists."
_REFERENCE = "Invalid foreign key reference in '{field}'."
_NULL = "Field '{field}' cannot be null."
_NO_DEFAULT = "Field '{field}' requires a value."

# What MySQL, MariaDB and PostgreSQL say, and what that means. The groups name the table and the field.
_MEANINGS = [
    (re.compile(pattern), meaning)
    for pattern, meaning in [
        (r"Duplicate entry '.*?' for key '(?P<table>\w+)\.(?P<field>\w+)'", _DUPLICATE),
        (r"FOREIGN KEY \(`(?P<field>\w+)`\) REFERENCES `(?P<table>\w+)`", _REFERENCE),
        (r"Column '(?P<field>\w+)' cannot be null", _NULL),
        (r"Field '(?P<field>\w+)' doesn't have a default value", _NO_DEFAULT),
        (r"Key \((?P<field>[^)]+)\)=\(.*?\) already exists", _DUPLICATE),
        (r"Key \((?P<field>[^)]+)\)=\(.*?\) is not present in table \"(?P<table>\w+)\"", _REFERENCE),
        (r"null value in column \"(?P<field>\w+)\" of relation \"(?P<table>\w+)\"", _NULL),
    ]
]


def _findings(message: str) -> Iterator[ResponseError]:
    for pattern, meaning in _MEANINGS:
        for match in pattern.finditer(message):
            named = match.groupdict()
            field = named["field"]
            yield ResponseError(table=named.get("table"), field_name=field, error=meaning.format(field=field))


def parse_integrity_error(exc: IntegrityError) -> list[ResponseError]:
    """The fields that a database refused. What isn't understood is one entry without a field."""
    return list(_findings(str(exc.orig))) or [ResponseError(error="Unknown database integrity error")]


def parse_pydantic_errors(exc: ValidationError) -> list[ResponseError]:
    """The fields that a model refused; the parts of a path are joined by dots."""
    return [
        ResponseError(field_name=".".join(str(part) for part in error["loc"]), error=error["msg"])
        for error in exc.errors()
    ]
