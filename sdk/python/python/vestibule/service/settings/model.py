"""The settings class itself: reads every source, tells every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from pydantic import PrivateAttr, SecretBytes, SecretStr, ValidationError, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import Self

from vestibule.errors import ConfigurationError
from vestibule.service.findings import Finding, as_list, fatal
from vestibule.service.settings.computed import ComputedFields
from vestibule.service.settings.loading import (
    LOADED_KEY,
    Loaded,
    MergedSource,
    dotenv_paths,
    is_secret,
    issuer_secret,
    unreadable,
)
from vestibule.service.settings.names import ISSUER_ONLY, nearest
from vestibule.service.settings.rules import derive, problems

_SHORTEST_SCRUBBED = 4
_LONGEST_SHOWN = 60


class ServiceSettingsError(ConfigurationError):
    """Settings that a service cannot start with: all that is wrong with them, in one go.

    Attributes:
        problems: Every one of them. No text holds the value of a secret.
        warnings: What else was odd, and may be where a problem comes from (a name with a slip in it, for one).
    """

    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    def __init__(self, title: str, problems: Iterable[Finding], warnings: Iterable[Finding] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        self._title = title
        text = as_list(title, self.problems)
        if self.warnings:
            text += "\n" + as_list("Besides:", self.warnings)
        super().__init__(text)

    def __reduce__(self) -> tuple[type[ServiceSettingsError], tuple[str, tuple[Finding, ...], tuple[Finding, ...]]]:
        return type(self), (self._title, self.problems, self.warnings)


class ServiceSettings(ComputedFields, BaseSettings):
    """Everything a service is told from outside. Make a class of your own from it to add your settings.

    Values come from the constructor, the environment, files of secrets (``<NAME>_FILE``), a ``.env`` file and the
    defaults; the first that has one wins. Lists are JSON arrays or comma lists. An empty value is none, except for
    lists.

    Raises:
        ServiceSettingsError: When constructed with settings that make no sense; it lists every problem.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",
        extra="forbid",
        hide_input_in_errors=True,
        defer_build=False,
    )

    our_fields: ClassVar[frozenset[str]] = frozenset(ComputedFields.model_fields)

    _loading_findings: tuple[Finding, ...] = PrivateAttr(default=())

    def __init__(self, **values: Any) -> None:
        trouble: ServiceSettingsError
        try:
            super().__init__(**values)
        except ValidationError as error:
            # Validators of the app's own class, which run once everything else is right.
            inputs = [line["input"] for line in error.errors(include_url=False)]
            given = next((one for one in inputs if isinstance(one, dict)), {})
            found = _scrubbed(_field_problems(type(self), error, {}), type(self), given)
            trouble = ServiceSettingsError(_title(type(self), len(found), Loaded()), found)
        except (UnicodeDecodeError, OSError):
            env_file = values.get("_env_file", self.model_config.get("env_file"))
            found = unreadable(dotenv_paths(env_file), self.model_config.get("env_file_encoding"))
            if not found:
                raise  # of the app's own validators
            trouble = ServiceSettingsError(_title(type(self), len(found), Loaded()), found)
        else:
            return
        # Outside the handlers, so that no traceback shows the values that were refused.
        raise trouble

    @property
    def loading_findings(self) -> tuple[Finding, ...]:
        """What was odd about the sources, without keeping the service from starting."""
        return self._loading_findings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of sources. An app that changes it loses ``<NAME>_FILE`` and the hints about names."""
        dotenv = cast("DotEnvSettingsSource", dotenv_settings)
        merged = MergedSource(
            settings_cls,
            ours=cls.our_fields,
            arguments=cast("InitSettingsSource", init_settings).init_kwargs,
            environment=cast("EnvSettingsSource", env_settings),
            dotenv=dotenv,
            dotenv_files=dotenv_paths(dotenv.env_file),
        )
        return init_settings, merged, file_secret_settings

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, dict):
            return handler(data)
        values = dict(data)
        loaded = values.pop(LOADED_KEY, None) or Loaded()
        found = list(loaded.findings)
        for name in [name for name in values if name not in cls.model_fields]:
            if _is_file_of_secret(cls, name):
                del values[name]
            elif name in ISSUER_ONLY:
                if ISSUER_ONLY[name]:
                    found.append(issuer_secret(name))
                del values[name]
        settings: Self | None = None
        wrong: set[str] = set(loaded.failed)
        try:
            settings = handler(values)
        except ValidationError as error:
            for problem in _field_problems(cls, error, values):
                wrong.add(problem.setting)
                if problem.setting not in loaded.failed:
                    found.append(problem)
        ours = {name: value for name, value in values.items() if name in cls.our_fields and name not in wrong}
        subject: ComputedFields = settings if settings is not None else _as_far_as_possible(ours)
        derive(subject, ours.keys() | (wrong & cls.our_fields))
        found += problems(subject, ours, wrong)
        found += [issuer_secret(name) for name in _ISSUER_SECRETS if name in ours and getattr(subject, name, None)]
        found += _needless(subject, ours)
        told = _scrubbed(found, cls, values)
        fatal_ones = [finding for finding in told if finding.severity == "fatal"]
        warnings = [finding for finding in told if finding.severity == "warning"]
        if fatal_ones or settings is None:
            raise ServiceSettingsError(_title(cls, len(fatal_ones), loaded), fatal_ones, warnings)
        settings._loading_findings = tuple(warnings)
        return settings


_ISSUER_SECRETS = ("REFRESH_SECRET_KEY", "REFRESH_SECRET_KEY_OLD")


def _needless(settings: ComputedFields, given: Iterable[str]) -> list[Finding]:
    if settings.ACCESS_TOKEN_ALGORITHM != "HS256" and "ACCESS_SECRET_KEY" in given and settings.ACCESS_SECRET_KEY:
        return [issuer_secret("ACCESS_SECRET_KEY")]
    return []


def _is_file_of_secret(cls: type[BaseSettings], name: str) -> bool:
    info = cls.model_fields.get(name.removesuffix("_FILE"))
    return name.endswith("_FILE") and info is not None and is_secret(info)


def _as_far_as_possible(values: Mapping[str, Any]) -> ComputedFields:
    """Our settings with defaults in the place of what is wrong, so that rules can look at the rest."""
    kept = dict(values)
    try:
        return ComputedFields.model_validate(kept)
    except ValidationError as error:
        # An app may have given a setting of ours another type; what only that takes has no rule here.
        for line in error.errors(include_url=False, include_context=False, include_input=False):
            kept.pop(str(line["loc"][0]), None)
    return ComputedFields.model_validate(kept)


def _title(cls: type[BaseSettings], count: int, loaded: Loaded) -> str:
    where = f" (read from {', '.join(loaded.read_from)})" if loaded.read_from else ""
    return f"{count} {'problem' if count == 1 else 'problems'} in the settings of {cls.__name__}{where}:"


def _field_problems(cls: type[BaseSettings], error: ValidationError, values: Mapping[str, Any]) -> list[Finding]:
    """Each line of a validation error as a problem, one for each setting, in our words where we have some."""
    found: dict[str, Finding] = {}
    for line in error.errors(include_url=False, include_input=False):
        place = [str(part) for part in line["loc"]]
        name = place[0] if place else cls.__name__
        info = cls.model_fields.get(name)
        if name in found:
            continue
        if line["type"] == "extra_forbidden":
            hint = nearest(name, cls.model_fields.keys())
            meant = f" Did you mean {hint}?" if hint else ""
            found[name] = fatal(name, f"was given to the constructor, but is no setting.{meant}")
        elif line["type"] == "missing":
            remedy = (info.description or "") if info is not None else ""
            found[name] = fatal(name, "is missing.", remedy)
        else:
            within = f"(at {'.'.join(place[1:])}) " if len(place) > 1 else ""
            text = f"{within}{_sentence(line['type'], line['msg'], line.get('ctx', {}))}"
            shown = _shown(values.get(name), text) if info is not None and not is_secret(info) else ""
            found[name] = fatal(name, text + shown)
    return list(found.values())


_WORDS = {
    "bool_parsing": "is neither true nor false.",
    "int_parsing": "is no whole number.",
    "int_from_float": "is no whole number.",
    "float_parsing": "is no number.",
    "list_type": 'is no list: write a JSON array like ["a","b"], or a,b.',
}

_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
}


def _sentence(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        return f"has to be {words} {context[limit]}."
    if kind == "literal_error":
        return f"is none of {context['expected'].replace(chr(39), '')}."
    text = re.sub(r"^Value error, ", "", message)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _shown(value: object, told: str) -> str:
    """A value that was refused, when showing it helps, can do no harm and was not done."""
    if not isinstance(value, str | int | float | bool):
        return ""
    text = str(value)
    harmless = text and len(text) <= _LONGEST_SHOWN and "@" not in text and text.isprintable() and text not in told
    return f" It is {value!r}." if harmless else ""


def _scrubbed(findings: Iterable[Finding], cls: type[BaseSettings], values: Mapping[str, Any]) -> list[Finding]:
    """The findings without the value of any secret, whoever wrote their text."""
    secrets: set[str] = set()
    for name, info in cls.model_fields.items():
        value = values.get(name)
        if is_secret(info) and value is not None:
            plain = value.get_secret_value() if isinstance(value, SecretStr | SecretBytes) else value
            secrets.add(plain.decode("utf-8", "replace") if isinstance(plain, bytes) else str(plain))
    longest_first = sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SCRUBBED), key=len, reverse=True)

    def scrub(text: str) -> str:
        for secret in longest_first:
            text = text.replace(secret, "**********")
        return text

    return [Finding(one.severity, one.setting, scrub(one.text), scrub(one.remedy)) for one in findings]
