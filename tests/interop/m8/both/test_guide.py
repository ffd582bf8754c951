"""The guide shows what is tested here."""

from consumer import GENERATION, SERVICES
from harness.issuer import ROOT


def test_the_guide_shows_this_very_dotenv() -> None:
    guide = (ROOT / "docs/guides/issuer.md").read_text()
    assert (SERVICES / GENERATION / "dotenv").read_text().rstrip() in guide
