"""Where the values of settings come from, in which order, and what is odd about them.

Constructor, environment, file of a secret (``<NAME>_FILE``), ``.env`` file, default: the first that has a value wins.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from dotenv.parser import parse_stream
from pydantic import AliasChoices, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from vestibule.service.findings import Finding, fatal, warning
from vestibule.service.settings.names import ISSUER_ONLY, PRIVATE_KEYS, VAULT_NAMES, nearest, slip_for
from vestibule.service.settings.values import parse_list

LOADED_KEY = "vestibule loading notes"
"""Under this key, which is no identifier, the notes of loading travel with the values to the model's validator."""

_LARGEST_SECRET_FILE = 65_536
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://\S+:\d+")
_SEQUENCES = (list, set, frozenset, tuple)


@dataclass
class Loaded:
    """What loading noticed.

    Attributes:
        findings: Problems and warnings about the sources themselves.
        read_from: The sources that were there, for people to know where to look.
        failed: Settings of which the value could not be read at all; their absence is no further problem.
    """

    findings: list[Finding] = field(default_factory=list)
    read_from: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)


def is_secret(info: FieldInfo) -> bool:
    """Whether a field holds a secret: its type is, or may be, ``SecretStr`` or ``SecretBytes``."""
    return any(kind in (SecretStr, SecretBytes) for kind in _alternatives(info.annotation))


def _alternatives(annotation: Any) -> Iterable[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _alternatives(argument)
    elif hasattr(annotation, "__metadata__"):
        yield from _alternatives(annotation.__origin__)
    else:
        yield annotation


def _is_sequence(info: FieldInfo) -> bool:
    return any(kind in _SEQUENCES or get_origin(kind) in _SEQUENCES for kind in _alternatives(info.annotation))


def variable_names(cls: type[BaseSettings], name: str, prefix: str = "") -> list[str]:
    """The variables that set a field: its aliases, or its name behind the prefix."""
    alias = cls.model_fields[name].validation_alias
    names: list[str] = []
    if isinstance(alias, str):
        names = [alias]
    elif isinstance(alias, AliasChoices):
        names = [choice for choice in alias.choices if isinstance(choice, str)]
    return names or [prefix + name]


class MergedSource(EnvSettingsSource):
    """Environment, files of secrets and ``.env`` file as one set of variables, merged by the rules of this module."""

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        *,
        ours: frozenset[str],
        arguments: Mapping[str, Any],
        environment: EnvSettingsSource,
        dotenv: EnvSettingsSource,
        dotenv_files: Iterable[Path],
    ) -> None:
        super().__init__(
            settings_cls,
            case_sensitive=environment.case_sensitive,
            env_prefix=environment.env_prefix,
            env_nested_delimiter=environment.env_nested_delimiter,
            env_parse_none_str=environment.env_parse_none_str,
            env_parse_enums=environment.env_parse_enums,
        )
        self.loaded = Loaded()
        self._ours = ours
        self._arguments = arguments
        self._by_variable = {
            self._folded(variable): name
            for name in settings_cls.model_fields
            for variable in variable_names(settings_cls, name, self.env_prefix)
        }
        self._note_files(dotenv_files)
        levels: list[tuple[str, dict[str, Any]]] = [
            ("the constructor", {key: value for key, value in arguments.items() if key.endswith("_FILE")}),
            ("the environment", self._cleaned(environment.env_vars, "the environment")),
            ("the .env file", self._cleaned(dotenv.env_vars, "the .env file")),
        ]
        self._note_unknown(levels)
        self.env_vars = self._merged(levels)

    def _folded(self, variable: str) -> str:
        """One spelling of a variable's name: upper case, unless case counts."""
        return variable if self.case_sensitive else variable.upper()

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Text of a list field: a JSON array or a comma list. What is neither is left for the field to refuse."""
        if isinstance(value, str) and field is not None and _is_sequence(field):
            try:
                return parse_list(value)
            except ValueError:
                pass
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value

    def __call__(self) -> dict[str, Any]:
        return {**super().__call__(), LOADED_KEY: self.loaded}

    def _cleaned(self, variables: Mapping[str, str | None], where: str) -> dict[str, str]:
        """Our variables without white space around and without empty ones, the app's as they are."""
        kept: dict[str, str] = {}
        for written, value in variables.items():
            variable = self._folded(written)
            if value is None:
                continue
            target = self._by_variable.get(variable) or self._by_variable.get(variable.removesuffix("_FILE"))
            if target not in self._ours:
                kept[variable] = value
                continue
            stripped = value.strip()
            if variable.endswith("_PORT") and _SERVICE_LINK.fullmatch(stripped):
                # Set by Kubernetes in every container, for a service of the namespace that happens to be called so.
                text = "holds an address, not a port, as Kubernetes sets for a service of that name; it was left out."
                self.loaded.findings.append(warning(variable, text, "Set enableServiceLinks: false to be rid of it."))
                continue
            if stripped or _empty_means_something(self.settings_cls, target):
                kept[variable] = stripped
                self._note_leftovers(variable, stripped, where)
        return kept

    def _note_leftovers(self, variable: str, value: str, where: str) -> None:
        if where != "the environment":
            return
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            text = "begins and ends with a quotation mark, which is part of the value in the environment."
        elif re.search(r"\s#", value):
            text = "holds a # comment, which is part of the value in the environment."
        else:
            return
        remedy = "Container engines take lines of an env file as they are: leave it out there."
        self.loaded.findings.append(warning(variable, text, remedy))

    def _merged(self, levels: list[tuple[str, dict[str, Any]]]) -> dict[str, str | None]:
        merged: dict[str, Any] = {}
        for _, variables in reversed(levels):
            merged.update(variables)
        for variable, name in self._by_variable.items():
            if is_secret(self.settings_cls.model_fields[name]) and f"{variable}_FILE" not in self._by_variable:
                self._read_secret(variable, name, levels, merged)
        return {self._apply_case_sensitive(variable): value for variable, value in merged.items()}

    def _read_secret(
        self, variable: str, name: str, levels: list[tuple[str, dict[str, Any]]], merged: dict[str, Any]
    ) -> None:
        """Puts the content of a secret's file in its place, where no source of higher rank gives the secret itself."""
        file_variable = f"{variable}_FILE"
        for where, variables in levels:
            itself = variable in variables or (where == "the constructor" and name in self._arguments)
            path = variables.get(file_variable)
            if itself and path:
                text = f"is given itself and as {file_variable}, both in {where}."
                self.loaded.findings.append(fatal(variable, text, "Keep one of them."))
                self.loaded.failed.add(name)
            elif path:
                content, trouble = read_secret_file(Path(path).expanduser())
                merged[variable] = content
                if trouble:
                    remedy = "It has to hold the secret and nothing else."
                    self.loaded.findings.append(fatal(file_variable, trouble, remedy))
                    self.loaded.failed.add(name)
            if itself or path:
                return

    def _note_files(self, files: Iterable[Path]) -> None:
        self.loaded.read_from.append("the environment")
        for path in files:
            if not path.is_file():
                self.loaded.read_from.append(f"{path.absolute()} (not there)")
                continue
            self.loaded.read_from.append(str(path))
            encoding = self.config.get("env_file_encoding") or "utf-8"
            with path.open(encoding=encoding) as stream:
                self._note_lines(path, stream)

    def _note_lines(self, path: Path, stream: Any) -> None:
        seen: dict[str, int] = {}
        for binding in parse_stream(stream):
            line = binding.original.line
            if binding.error:
                text = f"line {line} is no NAME=value and was left out."
                self.loaded.findings.append(warning(path.name, text, "Is a quotation mark missing?"))
            elif binding.key is not None:
                variable = self._folded(binding.key)
                if variable in seen and variable in self._by_variable:
                    text = f"is set in lines {seen[variable]} and {line} of {path.name}; the last one counts."
                    self.loaded.findings.append(warning(variable, text, "Remove the other."))
                seen[variable] = line

    def _note_unknown(self, levels: list[tuple[str, dict[str, Any]]]) -> None:
        known = frozenset(self._by_variable)
        given = {variable for _, variables in levels for variable in variables} | set(self._arguments)
        given |= {variable.removesuffix("_FILE") for variable in given}
        delimiter = self.env_nested_delimiter
        for where, variables in levels[1:]:
            in_file = where == "the .env file"
            for variable in variables:
                stem = variable.removesuffix("_FILE")
                if variable in known or (stem in known and stem != variable):
                    self._note_file_of_no_secret(variable, stem, known)
                elif delimiter and any(variable.startswith(one + self._folded(delimiter)) for one in known):
                    continue
                elif finding := self._unknown(variable, in_file, known, given):
                    self.loaded.findings.append(finding)

    def _note_file_of_no_secret(self, variable: str, stem: str, known: frozenset[str]) -> None:
        if variable in known or is_secret(self.settings_cls.model_fields[self._by_variable[stem]]):
            return
        text = f"names a file, but {stem} is no secret and is not read from one."
        self.loaded.findings.append(warning(variable, text, f"Set {stem} itself."))

    def _unknown(self, variable: str, in_file: bool, known: frozenset[str], given: set[str]) -> Finding | None:
        name = variable.removesuffix("_FILE")
        if name in PRIVATE_KEYS:
            return private_key(variable)
        if name in ISSUER_ONLY:
            return issuer_secret(variable) if ISSUER_ONLY[name] else None
        slip = slip_for(variable, known, given)
        if slip is None and name != variable and (of_secret := slip_for(name, known, given)):
            slip = f"{of_secret}_FILE"
        if not in_file:
            # The environment is everybody's; only what is all but certain is told there, and never refused.
            return warning(variable, f"is no setting. Did you mean {slip}?") if slip else None
        if name in VAULT_NAMES:
            return warning(variable, "is not read: there is no vault here.", "Give secrets as <NAME>_FILE.")
        if slip:
            return fatal(variable, f"is no setting. Did you mean {slip}?", "Rename it, or set both if both are meant.")
        hint = nearest(variable, known)
        meant = f" Did you mean {hint}?" if hint else ""
        return warning(variable, f"in the .env file is no setting and was left out.{meant}")


def private_key(variable: str) -> Finding:
    """The finding that a service holds the issuer's private key."""
    text = "is the issuer's private key; who reads it here can sign in as anybody."
    return fatal(variable, text, "Remove it and use JWKS_URI (or ACCESS_PUBLIC_KEY_FILE).")


def issuer_secret(variable: str) -> Finding:
    """The finding that a service holds another secret of the issuer."""
    return warning(variable, "is a secret of the issuer that a service has no use for.", "Remove it here.")


def read_secret_file(path: Path) -> tuple[str | None, str | None]:
    """The stripped text of a file with one secret, or what is wrong with the file."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST_SECRET_FILE + 1)
    except FileNotFoundError:
        return None, f"names {path}, which does not exist here."
    except IsADirectoryError:
        return None, f"names the folder {path}, not a file (was a missing file mounted?)."
    except OSError as error:
        return None, f"names {path}, which cannot be read: {error.strerror}."
    if len(raw) > _LARGEST_SECRET_FILE:
        return None, f"names {path}, which is longer than {_LARGEST_SECRET_FILE} bytes."
    try:
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None, f"names {path}, which is no UTF-8 text."
    return (text, None) if text else (None, f"names {path}, which is empty.")


def _empty_means_something(cls: type[BaseSettings], name: str | None) -> bool:
    """Whether an empty value is meant: the empty list, and no groups of metrics."""
    return name is not None and (name == "METRICS_GROUPS" or _is_sequence(cls.model_fields[name]))


def unreadable(files: Iterable[Path], encoding: str | None) -> list[Finding]:
    """What keeps ``.env`` files that are there from being read."""
    found: list[Finding] = []
    for path in files:
        try:
            if path.exists() and not path.is_dir():
                path.read_text(encoding or "utf-8")
        except OSError as error:  # noqa: PERF203 -- one finding for each file
            found.append(fatal(path.name, f"could not be read: {error.strerror}.", f"It is {path.absolute()}."))
        except UnicodeDecodeError:
            found.append(fatal(path.name, "could not be read: it is no UTF-8 text.", f"It is {path.absolute()}."))
    return found


def dotenv_paths(env_file: Any) -> list[Path]:
    """The ``.env`` files a class or a caller named."""
    if env_file is None:
        return []
    files = [env_file] if isinstance(env_file, str | os.PathLike) else list(env_file)
    return [Path(file).expanduser() for file in files]
