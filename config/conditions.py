"""The `when` of a route: a TOML table -> a condition of `pipeline.core.route`.

A key is a DICOM keyword, `calling_ae` or `called_ae`; all keys of a table must hold. A plain value means equals, an
array means in, a table holds operators. `all = [tables]`, `any = [tables]` and `not = {table}` combine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, TypeGuard

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydicom.datadict import dictionary_VR, keyword_dict

from config.problems import Key, Problem, did_you_mean
from pipeline.core.route import All, AnyOf, Condition, Not, Op, Test

NOT_KEYWORDS = ("calling_ae", "called_ae")
"""What can be tested though it is no DICOM keyword."""

_BINARY = ("OB", "OW", "OF", "OD", "OL", "OV", "AT", "UN")
_NO_DATE = 'write dates as DICOM does, in quotes: "20240131"'


def parse_when(table: Any) -> Condition:
    """The condition that a table says. Raises pydantic's ValidationError with the place of every problem in it."""
    if isinstance(table, Test | All | AnyOf | Not):
        return table
    problems: list[Problem] = []
    condition = _table(table, (), problems)
    if problems:
        raise ValidationError.from_exception_data("when", [_detail(p) for p in problems])
    return condition


def _detail(problem: Problem) -> InitErrorDetails:
    said = {"message": problem.message, "hint": problem.hint}
    return InitErrorDetails(type=PydanticCustomError("when", "{message}", said), loc=problem.at, input=None)


def _table(table: Any, at: Key, problems: list[Problem]) -> Condition:
    if not isinstance(table, dict):
        problems.append(Problem(at, "must be a table", 'for example { Modality = "MR" }'))
        return All()
    parts = tuple(p for key, value in table.items() for p in _entry(key, value, (*at, key), problems))
    return parts[0] if len(parts) == 1 else All(parts)


def _entry(key: str, value: Any, at: Key, problems: list[Problem]) -> Iterator[Condition]:
    match key:
        case "all":
            yield All(_tables(value, at, problems))
        case "any":
            yield AnyOf(_tables(value, at, problems))
        case "not":
            yield Not(_table(value, at, problems))
        case _:
            problems.extend(_keyword_problems(key, at))
            yield from _tests(key, value, at, problems)


def _tables(value: Any, at: Key, problems: list[Problem]) -> tuple[Condition, ...]:
    if not isinstance(value, list) or not value:
        problems.append(Problem(at, "must be an array of tables", f'{at[-1]} = [{{ Modality = "MR" }}, ...]'))
        return ()
    return tuple(_table(item, (*at, n), problems) for n, item in enumerate(value))


def _keyword_problems(key: str, at: Key) -> Iterator[Problem]:
    if key in NOT_KEYWORDS:
        return
    if key not in keyword_dict:
        names = [*keyword_dict, *NOT_KEYWORDS, "all", "any", "not"]
        hint = did_you_mean(key, (n for n in names if n), "keywords are listed in PS3.6")
        yield Problem(at, "is no DICOM keyword", hint)
    elif dictionary_VR(keyword_dict[key]).split()[0] in _BINARY:
        yield Problem(at, "holds binary data, which no route can test")


def _tests(key: str, value: Any, at: Key, problems: list[Problem]) -> Iterator[Test]:
    if isinstance(value, dict):
        yield from _operators(key, value, at, problems)
        return
    op = Op.IN if isinstance(value, list) else Op.EQUALS
    yield from _test(key, op, value, at, problems)


def _operators(key: str, table: dict[str, Any], at: Key, problems: list[Problem]) -> Iterator[Test]:
    if not table:
        problems.append(Problem(at, "says nothing to compare with", _known_operators()))
    for name, operand in table.items():
        if name in list(Op):
            yield from _test(key, Op(name), operand, (*at, name), problems)
        else:
            problems.append(
                Problem((*at, name), "is no operator", did_you_mean(name, [str(op) for op in Op], _known_operators()))
            )
    low, high = table.get("min"), table.get("max")
    if _is_number(low) and _is_number(high) and low > high:
        problems.append(Problem(at, "can never hold: min is greater than max"))


def _known_operators() -> str:
    return f"operators: {', '.join(Op)}"


def _test(key: str, op: Op, operand: Any, at: Key, problems: list[Problem]) -> Iterator[Test]:
    wrong = _operand_problem(op, operand)
    if wrong:
        problems.append(Problem(at, *wrong))
    else:
        yield Test(key, op, tuple(operand) if isinstance(operand, list) else operand)


def _operand_problem(op: Op, operand: Any) -> tuple[str, str] | None:
    match op:
        case Op.EQUALS:
            return None if _is_plain(operand) else ("must be text or a number", _NO_DATE)
        case Op.IN:
            good = isinstance(operand, list) and operand and all(map(_is_plain, operand))
            return None if good else ("must be an array of at least one text or number", _NO_DATE)
        case Op.MIN | Op.MAX:
            return None if _is_number(operand) else ("must be a number", 'without quotes; for text, use "regex"')
        case Op.EXISTS:
            return None if isinstance(operand, bool) else ("must be true or false", "")
        case Op.REGEX:
            return _regex_problem(operand)


def _regex_problem(pattern: Any) -> tuple[str, str] | None:
    if not isinstance(pattern, str):
        return "must be text: a Python regular expression", ""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"is no regular expression: {error}", "single quotes keep backslashes as they are: '\\d+'"
    return None


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) or _is_number(value)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
