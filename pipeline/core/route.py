"""Which studies go to which pipeline, and then where.

A condition is asked of one series at a time (of its first instance's header); a route takes the series for which its
condition holds, and the pipeline sees those alone. Every answer is a `Verdict`, a tree that says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.core.study import Series, Study
from pipeline.core.wishes import Wishes


@dataclass(frozen=True, slots=True)
class Destination:
    """A place that results are sent to: a DIMSE peer (ae_title, host, port), or a STOW-RS service (stow_url)."""

    name: str
    ae_title: str = ""
    host: str = ""
    port: int = 0
    stow_url: str = ""
    tls: bool = False
    park_after_s: float = 3 * 86400.0
    timeout_s: float = 30.0
    secret: str = field(default="", repr=False)
    wishes: Wishes = field(default_factory=Wishes)

    @property
    def endpoint(self) -> str:
        """Where it is: what is known of one place says nothing about another of the same name."""
        return self.stow_url or f"{self.ae_title}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Peer:
    """A system that may send to us, and that may be asked how many images a study has, and for earlier studies.

    retrieve: how studies are fetched from it: "get" (C-GET), "move" (C-MOVE to this node), or "" for not at all.
    """

    name: str
    ae_title: str
    host: str
    port: int = 0
    tls: bool = False
    retrieve: str = ""


PRIORS = "(PRIORS)"
"""Instead of the AE title that was called: where earlier studies are kept that this node asked to be sent (C-MOVE).

No route listens there, so that they open no job, whatever the routes say.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds, in words, with the verdicts it was made of."""

    holds: bool
    text: str
    parts: tuple[Verdict, ...] = ()

    def lines(self, indent: int = 0) -> list[str]:
        """The tree as indented lines, each led by `yes` or `no`."""
        own = f"{'  ' * indent}{'yes' if self.holds else 'no '}  {self.text}"
        return [own, *(line for p in self.parts for line in p.lines(indent + 1))]


class Op(StrEnum):
    """How a test compares the value of a keyword."""

    EQUALS = "equals"
    IN = "in"
    REGEX = "regex"
    MIN = "min"
    MAX = "max"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. A multi-valued element (ImageType) passes when any of its values does."""

    __test__ = False  # not a pytest class
    keyword: str
    op: Op
    operand: Any


@dataclass(frozen=True, slots=True)
class All:
    """Holds when every part holds; with no parts, always."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds when at least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Holds when its part does not."""

    part: Condition


Condition = Test | All | AnyOf | Not
ALWAYS = All()


class LateImages(StrEnum):
    """What to do when images arrive after a study was decided."""

    RERUN = "rerun"  #: run again on all of them; the new results supersede the old
    IGNORE = "ignore"  #: keep the images, do nothing
    ALERT = "alert"  #: do nothing, but show it to the admin


@dataclass(frozen=True, slots=True)
class Route:
    """Which studies go to which pipeline, and where the results go.

    called_ae:         AE titles this route listens to; empty means any of the node's.
    quiet_period_s:    seconds without a new image before the study is looked at.
    required_roles:    series roles of the pipeline to wait for, at most `required_within_s` after the last image.
    verify_with:       name of a peer to ask by C-FIND how many images the study has; empty means do not ask.
    options:           handed to the pipeline as they are.
    priors_from:       name of a peer to ask for earlier studies of the patient; empty means do not ask.
    most_priors:       how many of them at most, the newest.
    """

    name: str
    pipeline: str
    destinations: tuple[str, ...]
    called_ae: tuple[str, ...] = ()
    when: Condition = ALWAYS
    quiet_period_s: float = 60.0
    priority: int = 0
    late_images: LateImages = LateImages.RERUN
    required_roles: tuple[str, ...] = ()
    required_within_s: float = 3600.0
    verify_with: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    priors_from: str = ""
    most_priors: int = 1

    def listens_to(self, called_ae: str) -> bool:
        """True when studies sent to this AE title are this route's business; earlier ones that we fetched never are."""
        return called_ae != PRIORS and (not self.called_ae or called_ae in self.called_ae)


@dataclass(frozen=True, slots=True)
class Match:
    """What a route makes of a study: the part of it that it takes (None when nothing), and why, series by series."""

    route: Route
    taken: Study | None
    why: tuple[tuple[str, Verdict], ...]


def match(route: Route, study: Study, *, calling_ae: str, called_ae: str) -> Match:
    """Ask `route` about every series of `study`; what is drawn on a series that it takes goes with that.

    `calling_ae` and `called_ae` can be tested like keywords.
    """
    if not route.listens_to(called_ae):
        said = Verdict(False, f"called_ae is {called_ae}; this route listens to {', '.join(route.called_ae)}")
        return Match(route, None, ((study.study_instance_uid, said),))
    extra = {"calling_ae": calling_ae, "called_ae": called_ae}
    verdicts = {s.series_instance_uid: judge(route.when, s, extra) for s in study.series}
    images = [s for s in study.series if verdicts[s.series_instance_uid].holds]
    for s in study.series:
        if s not in images and s.belongs_to(images):
            verdicts[s.series_instance_uid] = Verdict(True, f"{s.modality} drawn on a series that is taken")
    taken = tuple(s for s in study.series if verdicts[s.series_instance_uid].holds)
    return Match(route, Study(study.study_instance_uid, taken) if taken else None, tuple(verdicts.items()))


def judge(condition: Condition, series: Series, extra: Mapping[str, str] | None = None) -> Verdict:
    """Whether `condition` holds for `series`. `extra` holds names that are no DICOM keywords (calling_ae)."""
    match condition:
        case Test():
            return _judge_test(condition, series, extra or {})
        case All(parts):
            inner = tuple(judge(p, series, extra) for p in parts)
            return Verdict(all(v.holds for v in inner), "all of" if inner else "always", inner)
        case AnyOf(parts):
            inner = tuple(judge(p, series, extra) for p in parts)
            return Verdict(any(v.holds for v in inner), "any of", inner)
        case Not(part):
            inner = (judge(part, series, extra),)
            return Verdict(not inner[0].holds, "not", inner)


def _judge_test(test: Test, series: Series, extra: Mapping[str, str]) -> Verdict:
    value = extra.get(test.keyword) if test.keyword in extra else series.get(test.keyword)
    values = value if isinstance(value, tuple) else (() if value is None else (value,))
    shown = "absent" if not values else " \\ ".join(str(v) for v in values)
    if test.op is Op.EXISTS:
        return Verdict(bool(values) == bool(test.operand), f"{test.keyword} exists = {test.operand} (is {shown})")
    holds = any(_compare(test.op, v, test.operand) for v in values)
    operand = list(test.operand) if isinstance(test.operand, tuple) else test.operand
    return Verdict(holds, f"{test.keyword} {test.op.value} {operand!r} (is {shown})")


def _compare(op: Op, value: Any, operand: Any) -> bool:
    match op:
        case Op.EQUALS:
            return _same(value, operand)
        case Op.IN:
            return any(_same(value, o) for o in operand)
        case Op.REGEX:
            return re.search(operand, str(value)) is not None
        case Op.MIN | Op.MAX:
            number = _number(value)
            if number is None:
                return False
            return number >= operand if op is Op.MIN else number <= operand
    return False


def _same(value: Any, operand: Any) -> bool:
    number = _number(value)
    if isinstance(operand, int | float) and not isinstance(operand, bool):
        return number is not None and number == operand
    return str(value).strip() == str(operand).strip()


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
