"""Package the chart with the image that was just published: `make chart-package`.

It reads OUT/image.json, as `make published` leaves it, and writes OUT/user-directory-VERSION.tgz, whose default image
is that very digest.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from pipeline.errors import StepFailed, main

CHART: Final = Path("charts/user-directory")
_IMAGE: Final = ("repository", "tag", "digest")


def package() -> None:
    """Write the package.

    Raises:
        StepFailed: no image was published, or helm refuses.
    """
    out = Path(os.environ.get("OUT") or "build")
    source = out / "image.json"
    if not source.exists():
        raise StepFailed(f"{source} is not there: run `make published` first")
    image = json.loads(source.read_text())
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / CHART.name
        shutil.copytree(CHART, copy)
        values = copy / "values.yaml"
        values.write_text(with_image(values.read_text(), image))
        command = ["helm", "package", str(copy), "--destination", str(out), "--app-version", image["tag"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StepFailed(f"helm cannot package the chart: {done.stderr.strip()}")
    print(done.stdout.strip())


def with_image(values: str, image: dict[str, str]) -> str:
    """Return values.yaml with another image, its comments and everything else as they are.

    Raises:
        StepFailed: it has no such entry.
    """
    for key in _IMAGE:
        pattern = rf"(?m)^(image:\n(?:  .*\n)*?  {key}: ).*$"
        values, changed = re.subn(pattern, lambda found, key=key: f'{found[1]}"{image[key]}"', values, count=1)  # type: ignore[misc]
        if not changed:
            raise StepFailed(f"{CHART}/values.yaml has no image.{key}")
    return values


if __name__ == "__main__":
    main(package)
