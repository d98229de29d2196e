from pathlib import Path

import pytest
import yaml

from pipeline.chart import CHART, package, with_image
from pipeline.errors import StepFailed

VALUES = Path(__file__).parents[3] / CHART / "values.yaml"
IMAGE = {"repository": "registry.example.org/ud", "tag": "abc1234", "digest": "sha256:" + "0" * 64}


def test_the_image_changes_and_nothing_else() -> None:
    before = VALUES.read_text()

    after = with_image(before, IMAGE)

    was, now = yaml.safe_load(before), yaml.safe_load(after)
    assert now == {**was, "image": {**was["image"], **IMAGE}}
    assert sum(a != b for a, b in zip(before.splitlines(), after.splitlines(), strict=True)) == 3


def test_a_chart_without_such_an_entry_is_refused() -> None:
    with pytest.raises(StepFailed, match=r"no image\.repository"):
        with_image("kafka:\n  partitions: 12\n", IMAGE)


def test_without_a_published_image_it_says_what_to_run(here: Path) -> None:
    with pytest.raises(StepFailed, match="make published"):
        package()
