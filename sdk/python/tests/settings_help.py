"""Settings for tests, away from the environment and the files of whoever runs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vestibule.service.settings import ServiceSettings, ServiceSettingsError

MINIMAL: dict[str, Any] = {
    "ENVIRONMENT": "local",
    "ISSUER_URL": "https://id.example.com",
    "TOKEN_AUDIENCE": "items",
    "PRIVATE_API_SECRET": "Shared-With_Vestibule-0123456789-abc",
}


def lonely(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Goes to an empty folder and takes every setting out of the environment."""
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.upper().removesuffix("_FILE") in ServiceSettings.model_fields:
            monkeypatch.delenv(name)


def dotenv(text: str) -> None:
    """Writes the ``.env`` file of the folder."""
    Path(".env").write_text(text, "utf-8")


def problems(kind: type[ServiceSettings] = ServiceSettings, /, **values: Any) -> dict[str, str]:
    """The problems of settings, by the name of the setting. At least one is expected."""
    with pytest.raises(ServiceSettingsError) as refused:
        kind(**values)
    return {problem.setting: f"{problem.text} {problem.remedy}" for problem in refused.value.problems}


def warnings(settings: ServiceSettings) -> dict[str, str]:
    """What was odd when settings were loaded, by the name of the setting."""
    return {finding.setting: f"{finding.text} {finding.remedy}" for finding in settings.loading_findings}
