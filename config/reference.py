"""The table of all settings in README.md, made from the settings themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from config.explain import fields_of, model_of
from config.problems import LISTS
from config.settings import Settings

_MADE_HERE = {"threads": "cores", "memory_limit_mb": "¾ of memory", "database_url": "see right", "options": "{}"}


def reference() -> str:
    """Every section and key with its default and its sentence, as Markdown."""
    return "\n".join(line for name, field in fields_of(Settings).items() for line in _section(name, field))


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    model = model_of(field)
    assert model is not None, "every field of Settings is a section"
    title = f"[[{name}]]" if name in LISTS else f"[{name}]"
    if not fields_of(model):  # the keys are whatever each pipeline knows
        yield f"### `[{name}.NAME]`\n\n{model.__doc__}\n"
        return
    yield f"### `{title}`\n\n{model.__doc__}\n\n| key | default | meaning |\n|---|---|---|"
    yield from (f"| `{key}` | {_default(key, f)} | {f.description} |" for key, f in _keys(model))
    yield ""


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    yield from fields_of(model).items()


def _default(key: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if key in _MADE_HERE:
        return _MADE_HERE[key]
    return _shown(field.default)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, SecretStr) or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if isinstance(value, str | int | Path) else "every series"
