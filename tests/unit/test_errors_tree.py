from __future__ import annotations

import inspect
import pickle
import re

import pytest

from pipeline.core import errors
from pipeline.core.errors import LanternError, OurFault, Permanent, Retryable

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, LanternError)]
LEAVES = [c for c in CLASSES if not any(other is not c and issubclass(other, c) for other in CLASSES)]


def drawn() -> dict[str, int]:
    """Each class name in the module's drawing, with its column."""
    lines = (errors.__doc__ or "").splitlines()
    found = (re.match(r"([ │├└─]*)([A-Z]\w+)  ", line) for line in lines)
    return {m[2]: len(m[1]) for m in found if m}


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda c: c.__name__)
@pytest.mark.parametrize("arguments", [(), ("what happened",), ("what happened", "what to do")])
def test_an_error_survives_the_way_to_another_process(leaf: type[LanternError], arguments: tuple[str, ...]):
    before = leaf(*arguments)
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is leaf
    assert (after.message, after.hint, str(after)) == (before.message, before.hint, str(before))


def test_the_drawing_names_every_error():
    assert set(drawn()) == {c.__name__ for c in CLASSES}


def test_the_drawing_shows_who_descends_from_whom():
    columns = drawn()
    for c in CLASSES:
        parent = c.__bases__[0].__name__
        if c is not LanternError:
            assert columns[c.__name__] > columns[parent]


@pytest.mark.parametrize("c", [c for c in CLASSES if c is not LanternError], ids=lambda c: c.__name__)
def test_every_error_is_either_our_fault_or_retryable_or_permanent(c: type[LanternError]):
    assert sum(issubclass(c, kind) for kind in (OurFault, Retryable, Permanent)) == 1


@pytest.mark.parametrize("c", CLASSES, ids=lambda c: c.__name__)
def test_every_error_says_what_it_is(c: type[LanternError]):
    assert c.__doc__
    assert c.__doc__ != LanternError.__doc__ or c is LanternError


def test_a_hint_given_replaces_the_usual_one_and_both_are_shown():
    usual = errors.DiskFull("no room")
    assert usual.hint == errors.DiskFull.default_hint
    special = errors.DiskFull("no room", "buy a disk")
    assert str(special) == "no room (buy a disk)"
    assert str(LanternError("only this")) == "only this"
