"""The reference page of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from vestibule.service import ServiceSettings
from vestibule.service.settings.reference import reference

PAGE = Path(__file__).parents[3] / "docs/reference/service-settings.md"


@pytest.mark.skipif(not PAGE.parent.is_dir(), reason="the documentation is not beside the tests")
def test_the_page_is_not_stale() -> None:
    wanted = reference()
    assert PAGE.read_text("utf-8") == wanted, (
        "run: python -m vestibule.service.settings > docs/reference/service-settings.md"
    )


def test_every_setting_is_on_the_page_with_a_text() -> None:
    page = reference()
    for name, info in ServiceSettings.model_fields.items():
        assert f"| `{name}` |" in page
        assert info.description
        assert info.description.endswith(".")
        assert "|" not in info.description
