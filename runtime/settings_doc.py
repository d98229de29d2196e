"""Write docs/configuration.md from the settings classes: `python -m runtime.settings_doc`."""

import importlib.util
import inspect
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from runtime.settings import Settings, all_settings, variable_name

ROOT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = ROOT / "docs" / "configuration.md"

_HEAD: Final = """\
# Configuration

Every process reads its settings from environment variables, once, when it starts. An empty variable counts as unset.
All faults are reported together, in one line, and the process exits with status 2.

This page is generated from the settings classes (`python -m runtime.settings_doc`).
"""


def product_settings(root: Path = ROOT) -> list[type[Settings]]:
    """List the settings classes in the `settings` module of every package beside this one, the shared ones first."""
    packages = sorted(module.name for module in pkgutil.iter_modules([str(root)]) if module.ispkg)
    modules = [f"{package}.settings" for package in packages if importlib.util.find_spec(f"{package}.settings")]
    for module in modules:
        importlib.import_module(module)
    modules.sort(key=lambda module: (module != Settings.__module__, module))
    return [cls for module in modules for cls in all_settings() if cls.__module__ == module]


def generate(classes: Iterable[type[Settings]]) -> str:
    """Render one section for each class that declares settings, in the classes' order."""
    sections = [_HEAD]
    for cls in classes:
        own = {name: cls.model_fields[name] for name in inspect.get_annotations(cls) if name in cls.model_fields}
        if own:
            rows = [_row(name, info) for name, info in own.items()]
            title = (cls.__doc__ or "").splitlines()[0].rstrip(".")
            table = ["| variable | default | type | meaning |", "| --- | --- | --- | --- |", *rows]
            sections.append(f"## {title}\n\n" + "\n".join(table) + "\n")
    return "\n".join(sections)


def undocumented(classes: Iterable[type[Settings]]) -> list[str]:
    """Name the variables whose field has no description."""
    return [variable_name(name) for cls in classes for name, info in cls.model_fields.items() if not info.description]


def _row(name: str, info: FieldInfo) -> str:
    default = "(required)" if info.is_required() else "(none)" if info.default is None else f"`{_text(info.default)}`"
    return f"| `{variable_name(name)}` | {default} | {_type(info)} | {info.description} |"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(info: FieldInfo) -> str:
    annotation: Any = info.annotation
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    names: dict[Any, str] = {bool: "true or false", int: "whole number", float: "number"}
    names |= dict.fromkeys((str, SecretStr), "text")
    kind = names.get(annotation, "URL")
    limits = []
    for limit in info.metadata:
        match limit:
            case Ge(ge=least):
                limits.append(f"{least} or more")
            case Gt(gt=bound):
                limits.append(f"above {bound}")
            case Le(le=most):
                limits.append(f"at most {most}")
            case Lt(lt=bound):
                limits.append(f"below {bound}")
    return ", ".join([kind, *limits])


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(generate(product_settings()), encoding="utf-8")
