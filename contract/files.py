"""The files of the contract: the published schemas, which the gate compares with, and what is made of them."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from contract.asyncapi import document
from contract.page import page
from contract.schemas import Schema

ROOT: Final = Path(__file__).resolve().parent.parent
_SCHEMAS: Final = ROOT / "events" / "schemas"
ASYNCAPI: Final = ROOT / "events" / "asyncapi.json"
_PAGE: Final = ROOT / "docs" / "events.md"


def published() -> dict[str, Schema]:
    """Return the committed schemas by name."""
    found = sorted(_SCHEMAS.rglob("*.json"))
    return {path.relative_to(_SCHEMAS).with_suffix("").as_posix(): json.loads(path.read_bytes()) for path in found}


def rendered(schemas: Mapping[str, Schema]) -> dict[Path, str]:
    """Return what the files must hold."""
    names = sorted(schemas)
    files = {_SCHEMAS / f"{name}.json": _json(schemas[name]) for name in names}
    ordered = {name: schemas[name] for name in names}
    files[ASYNCAPI] = _json(document(ordered, _version()))
    files[_PAGE] = page(ordered)
    return files


def write(schemas: Mapping[str, Schema]) -> None:
    """Write the files; none is ever removed."""
    for path, text in rendered(schemas).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _version() -> str:
    project: dict[str, Any] = tomllib.loads((ROOT / "events" / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
