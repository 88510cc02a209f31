"""What pydantic finds wrong -> problems in plain words, each with a hint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.problems import LISTS, Key, Problem, did_you_mean
from config.settings import Settings

_SAID = {
    "missing": "is missing",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text, in quotes",
    "path_type": "must be a path, in quotes",
    "tuple_type": "must be an array",
    "dict_type": "must be a table",
    "string_pattern_mismatch": "must begin with http:// or https:// and a host",
    "greater_than": "must be > {gt:g}",
    "greater_than_equal": "must be >= {ge:g}",
    "less_than": "must be < {lt:g}",
    "less_than_equal": "must be <= {le:g}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "value_error": "{error}",
    "when": "{message}",
}


def explain(error: ValidationError) -> Iterator[Problem]:
    """Every problem that pydantic found in the settings."""
    for detail in error.errors(include_url=False, include_input=False):
        yield _explained(detail)


def _explained(detail: ErrorDetails) -> Problem:
    at: Key = detail["loc"]
    kind, context = detail["type"], detail.get("ctx", {})
    if len(at) == 1 and kind in ("tuple_type", "model_type", "model_attributes_type"):
        double = at[0] in LISTS
        wanted = f"[[{at[0]}]], in double brackets" if double else f"[{at[0]}], in single brackets"
        return Problem(at, f"must be written as {wanted}")
    if kind == "extra_forbidden":
        return _unknown_key(at)
    message = _SAID[kind].format(**context) if kind in _SAID else detail["msg"]
    return Problem(at, message, _hint(kind, at, context))


def _unknown_key(at: Key) -> Problem:
    known = fields_of(_model_at(at[:-1]) or Settings)
    if len(at) == 1:
        return Problem(at, "is no section", did_you_mean(str(at[0]), known))
    return Problem(at, "is no key of this section", did_you_mean(str(at[-1]), known))


def _hint(kind: str, at: Key, context: Any) -> str:
    if kind == "when":
        return str(context.get("hint", ""))
    model = _model_at(at[:-1])
    names = [p for p in at if isinstance(p, str)]
    field = fields_of(model).get(names[-1]) if model and names else None
    return (field.description or "") if field else ""


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a section by the names they have in the file."""
    return {f.alias or name: f for name, f in model.model_fields.items()}


def model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field holds (or holds a tuple of); None for a plain value."""
    candidates = (field.annotation, *get_args(field.annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _model_at(at: Key) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Settings
    for part in at:
        if isinstance(part, str) and model is not None:
            field = fields_of(model).get(part)
            deeper = model_of(field) if field else None
            model = deeper or model if field and deeper is None else deeper
    return model
