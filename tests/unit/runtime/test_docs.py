"""The generated pages are those that the code would generate now."""

from typing import Literal

from pydantic import Field

from runtime import problems_doc, settings_doc
from runtime.problem_types import PROBLEM_TYPES
from runtime.settings import Settings


def test_the_configuration_page_is_current() -> None:
    page = settings_doc.generate(settings_doc.product_settings())
    assert settings_doc.TARGET.read_text(encoding="utf-8") == page, "run: python -m runtime.settings_doc"


def test_every_setting_says_what_it_means() -> None:
    assert settings_doc.undocumented(settings_doc.product_settings()) == []


def test_the_page_of_problem_types_is_current() -> None:
    page = problems_doc.generate(PROBLEM_TYPES.values())
    assert problems_doc.TARGET.read_text(encoding="utf-8") == page, "run: python -m runtime.problems_doc"


class _Sample(Settings):
    """What a sample needs."""

    sample_count: int = Field(3, ge=1, lt=9, description="How many")
    sample_mode: Literal["a", "b"] | None = Field(None, description="Which way")
    sample_undescribed: bool = False


def test_a_setting_is_described_by_name_default_type_and_meaning() -> None:
    page = settings_doc.generate([_Sample])
    assert "## What a sample needs\n" in page
    assert "| `SAMPLE_COUNT` | `3` | whole number, 1 or more, below 9 | How many |" in page
    assert "| `SAMPLE_MODE` | (none) | `a` or `b` | Which way |" in page


def test_a_setting_without_a_meaning_is_found() -> None:
    assert settings_doc.undocumented([_Sample]) == ["SAMPLE_UNDESCRIBED"]


def test_a_type_without_a_status_of_its_own_would_be_missed_in_no_place() -> None:
    assert all(400 <= kind.status < 600 and slug == kind.slug for slug, kind in PROBLEM_TYPES.items())
