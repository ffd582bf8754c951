"""The reference page of settings, written from the class itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from vestibule.service.settings import values
from vestibule.service.settings.computed import GROUPS, ComputedFields
from vestibule.service.settings.loading import is_secret
from vestibule.service.settings.names import ISSUER_ONLY

INTRODUCTION = """\
# Settings of a service

<!-- Written by `python -m vestibule.service.settings`; a test fails when this page is stale. -->

What `vestibule.service.ServiceSettings` reads. The [guide](../guides/services.md) says how a service comes about; this
page is for looking things up.

```python
from vestibule.service import ServiceSettings


class Settings(ServiceSettings):
    ITEMS_PER_PAGE: int = 50  # a setting of your own


settings = Settings()
```

Enough for a service that is stateful, which means that it refuses the tokens of ended sessions within a second:

```ini
ISSUER_URL=https://id.example.com
TOKEN_AUDIENCE=items
INTERNAL_CLIENT_ID=items
PRIVATE_API_SECRET=what-vestibule-services-add-printed
```

With `TOKEN_MODE=stateless` the first two do; on your own machine add `ENVIRONMENT=local`.

## Where values come from

The first that has one wins:

1. the constructor, `Settings(PROJECT_NAME="items")`;
2. the environment, in any case of letters;
3. for secrets, a file that `<NAME>_FILE` names, in the environment or in the `.env` file, such as
   `PRIVATE_API_SECRET_FILE=/run/secrets/api`. White space around its text is dropped. A secret given itself in a source
   of higher rank wins; itself and as a file in the same source is a problem;
4. the `.env` file in the working directory (`model_config = SettingsConfigDict(env_file=…)` names another, or none);
5. the default.

- **Lists** are JSON arrays, `["a","b"]`, or comma lists, `a,b`. That goes for lists of your own, too.
- **An empty value** is none. Only for lists, and for `METRICS_GROUPS`, it means empty.
- **Unknown names.** In the constructor they are a problem. In the `.env` file, which other programs read as well, they
  are a problem when they can only be a slip: like a setting that is not set itself but for punctuation, or for a
  letter in one or two of its words. Others are told in a warning. In the environment, slips are told in a warning, and
  everything else is nobody's business.
- **Every problem is told at once**: of single settings, between them, and of the sources, in one
  `ServiceSettingsError`. It never holds the value of a secret, and neither does `repr(settings)`.
- **Nothing is asked for that the mode does not need.** Consumers need no secret of the issuer, and a database is
  optional.

At start-up `create_app` looks at the settings once more, with an eye to production: what is dangerous keeps the
service from starting, what is doubtful is logged. With `STRICT_PRODUCTION_MODE` most doubts are dangers.
"""

_KINDS: dict[object, str] = {
    values.parse_url: "URL",
    values.parse_base_url: "URL",
    values.parse_host: "host",
    values.parse_database_host: "host",
    values.parse_path_prefix: "path",
    values.parse_existing_file: "file",
}


def reference() -> str:
    """The page, as it lies in `docs/reference/service-settings.md`."""
    parts = [INTRODUCTION]
    parts += [_group(group) for group in GROUPS]
    return "\n".join([*parts, _computed(), _others()])


def _group(group: type[BaseModel]) -> str:
    title, _, more = inspect.cleandoc(group.__doc__ or "").partition("\n")
    lines = [f"## {title}", ""]
    if more.strip():
        lines += [" ".join(line for line in more.strip().splitlines()).replace("``", "`"), ""]
    lines += ["| Name | Value | Default | What for |", "| --- | --- | --- | --- |"]
    for name, info in group.model_fields.items():
        lines.append(f"| `{name}` | {_value(info)} | {_default(info)} | {info.description} |")
    return "\n".join([*lines, ""])


def _value(info: FieldInfo) -> str:
    if is_secret(info):
        return "secret"
    for kind, metadata in _kinds(info):
        if get_origin(kind) is Literal:
            return ", ".join(f"`{option}`" for option in get_args(kind))
        if get_origin(kind) is list:
            return "list"
        for one in metadata:
            if isinstance(one, BeforeValidator) and one.func in _KINDS:
                return _KINDS[one.func]
        if kind is bool:
            return "`true`, `false`"
        if kind in (int, float):
            return _range("whole number" if kind is int else "number", [*metadata, *info.metadata])
        if kind is Path:
            return "file"
    return "text"


def _kinds(info: FieldInfo) -> Iterator[tuple[Any, Iterable[Any]]]:
    """The alternatives of a type but ``None``, each with what is annotated."""
    annotation: Any = info.annotation
    for one in (annotation, *get_args(annotation)):
        if one is type(None):
            continue
        if hasattr(one, "__metadata__"):
            yield one.__origin__, one.__metadata__
        elif isinstance(one, type) or get_origin(one) in (Literal, list):
            yield one, info.metadata


def _range(what: str, metadata: Iterable[Any]) -> str:
    limits = {name: getattr(one, name) for one in metadata for name in ("ge", "gt", "le") if hasattr(one, name)}
    lowest = limits.get("ge", limits.get("gt"))
    if lowest is None:
        return what
    above = "above " if "gt" in limits else ""
    return f"{what}, {above}{lowest} to {limits['le']}" if "le" in limits else f"{what}, {above or 'from '}{lowest}"


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is None or value in ("", []):
        return "none" if value is None or value == [] else "empty"
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return (
        f"`{','.join(value)}`"
        if isinstance(value, list)
        else f"`{value:g}`"
        if isinstance(value, float)
        else f"`{value}`"
    )


def _computed() -> str:
    lines = ["## Worked out", "", "Attributes of the settings object that are no settings.", ""]
    lines += ["| Name | What it is |", "| --- | --- |"]
    for name, member in vars(ComputedFields).items():
        if isinstance(member, property):
            lines.append(f"| `{name}` | {_first_line(member)} |")
    method = ComputedFields.effective_failure_mode
    lines.append(f"| `effective_failure_mode(control)` | {_first_line(method)} |")
    return "\n".join([*lines, ""])


def _first_line(member: Any) -> str:
    return inspect.cleandoc(member.__doc__ or "").partition("\n")[0].replace("``", "`")


def _others() -> str:
    secrets = sorted(name for name, secret in ISSUER_ONLY.items() if secret)
    plain = sorted(name for name, secret in ISSUER_ONLY.items() if not secret)
    return "\n".join(
        [
            "## Left alone",
            "",
            "Settings of issuers that a shared file may hold. They are not read. The secrets among them do not belong",
            "into a service and are warned about: " + ", ".join(f"`{name}`" for name in secrets) + ".",
            "",
            "Passed over in silence: " + ", ".join(f"`{name}`" for name in plain) + ".",
            "",
            "`ACCESS_PRIVATE_KEY` and `ACCESS_PRIVATE_KEY_FILE` keep a service from starting.",
            "",
        ]
    )
