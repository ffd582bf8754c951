"""What was found wrong, or doubtful, about a service's settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["fatal", "warning"]
"""``fatal``: the service must not start. ``warning``: it starts and says so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change, told so that no second look is needed.

    Attributes:
        severity: Whether the service may start all the same.
        setting: The name of the setting, or of the first one of several.
        text: What is wrong. Never holds the value of a secret.
        remedy: What to do about it.
    """

    severity: Severity
    setting: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.setting}: {self.text}" + (f" {self.remedy}" if self.remedy else "")


def fatal(setting: str, text: str, remedy: str = "") -> Finding:
    """A finding that keeps the service from starting."""
    return Finding("fatal", setting, text, remedy)


def warning(setting: str, text: str, remedy: str = "") -> Finding:
    """A finding that is told and lived with."""
    return Finding("warning", setting, text, remedy)


def as_list(title: str, findings: Iterable[Finding]) -> str:
    """The findings below a title, a line each."""
    return "\n".join([title, *(f"  - {finding}" for finding in findings)])
