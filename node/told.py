"""What a report (PS3.16 TID 1500) says of each lesion and each rejected candidate, read from its content tree alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydicom import Dataset

_GROUP, _REJECTED = "125007", "REJECTED_ONE"
_LABEL, _UID, _SITE, _SIDE, _CENTER = "112039", "112040", "363698007", "272741003", "111010"
_VOLUME, _LONG, _SHORT, _CERTAINTY, _AGREEMENT = "118565006", "103339001", "103340004", "111012", "AGREEMENT"
_DISTANCE, _REASON = "121206", "REASON_AGAINST"
_DOSE, _FRACTIONS, _SESSION, _DAY = "130009", "121386", "SESSION_NUMBER", "SESSION_DAY"
_PROPOSAL, _EXCLUDED = "PROPOSAL", "EXCLUDED"
_SESSION_ONE, _TREATED, _TIME, _V12 = "SESSION_ONE", "SESSION_LESION", "SESSION_TIME", "V12"
_FRACTION, _SESSION_DOSE = "121385", "SESSION_DOSE"


@dataclass(frozen=True, slots=True)
class Told:
    """One lesion, or one rejected candidate, as the report has it.

    volume_mm3, size_mm: nan and (nan, nan) when not said; size_mm: (long axis, short axis).
    certainty, agreement: 0…1; None when not said.
    distances_mm:         by structure.
    centre_mm:            (x, y, z) in LPS, of rejected candidates.
    against:              what spoke against it, the strongest first.
    prescription:         (Gy in all, fractions) that its proposed sessions were worked out for; None when not said.
    sessions, days:       of its proposed sessions, in their order; none without a plan, and of an excluded lesion.
    excluded:             whether a plan leaves it out.
    """

    label: str
    tracking_uid: str
    rejected: bool
    site: str
    volume_mm3: float
    size_mm: tuple[float, float]
    certainty: float | None
    agreement: float | None
    distances_mm: Mapping[str, float] = field(default_factory=dict)
    centre_mm: tuple[float, float, float] | None = None
    against: tuple[str, ...] = ()
    prescription: tuple[float, int] | None = None
    sessions: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    excluded: bool = False

    @property
    def is_unsure(self) -> bool:
        """Whether repeated readings drew its outline differently (below 70 %)."""
        return self.agreement is not None and self.agreement < 0.7

    @property
    def nearest(self) -> str:
        """The structure at risk that lies nearest, with its distance; "" when none was said."""
        if not self.distances_mm:
            return ""
        name = min(self.distances_mm, key=self.distances_mm.__getitem__)
        return f"{name} {self.distances_mm[name]:.0f} mm"


@dataclass(frozen=True, slots=True)
class Treated:
    """A lesion of a session: which of how many fractions, and what one gives it."""

    label: str
    fraction: int
    fractions: int
    gy: float


@dataclass(frozen=True, slots=True)
class ToldSession:
    """A proposed treatment session, as the report has it: an estimate, not for treatment."""

    number: int
    day: int
    minutes: float
    v12_ml: float
    treated: tuple[Treated, ...]


def sessions_told(report: Dataset) -> tuple[ToldSession, ...]:
    """The proposed sessions in their order; none where the report has no plan."""
    found = [_session(n) for n in _walk(report) if _name(n) == _SESSION_ONE]
    return tuple(sorted(found, key=lambda s: s.number))


def _session(box: Dataset) -> ToldSession:
    numbers = _numbers(box)
    treated = tuple(_treated(n) for n in box.ContentSequence if _name(n) == _TREATED)
    return ToldSession(
        int(numbers[_SESSION]), int(numbers[_DAY]), numbers.get(_TIME, 0.0), numbers.get(_V12, 0.0), treated
    )


def _treated(box: Dataset) -> Treated:
    numbers = _numbers(box)
    label = next((str(n.TextValue) for n in box.ContentSequence if _name(n) == _LABEL), "")
    return Treated(
        label, int(numbers.get(_FRACTION, 1)), int(numbers.get(_FRACTIONS, 1)), numbers.get(_SESSION_DOSE, 0.0)
    )


def told(report: Dataset) -> tuple[Told, ...]:
    """Lesions first, then rejected candidates, each in the report's order. A report without lesions tells of none."""
    groups = [n for n in _walk(report) if _name(n) == _GROUP and _numbers(n)]
    rejected = [n for n in _walk(report) if _name(n) == _REJECTED]
    return (*(_told(g, rejected=False) for g in groups), *(_told(g, rejected=True) for g in rejected))


def _told(group: Dataset, *, rejected: bool) -> Told:
    items = {_name(n): n for n in group.ContentSequence}
    numbers = _numbers(group)
    nan = float("nan")
    return Told(
        label=str(items[_LABEL].TextValue) if _LABEL in items else "",
        tracking_uid=str(items[_UID].UID) if _UID in items else "",
        rejected=rejected,
        site=_site(group),
        volume_mm3=numbers.get(_VOLUME, nan),
        size_mm=(numbers.get(_LONG, nan), numbers.get(_SHORT, nan)),
        certainty=numbers[_CERTAINTY] / 100 if _CERTAINTY in numbers else None,
        agreement=numbers[_AGREEMENT] / 100 if _AGREEMENT in numbers else None,
        distances_mm={_site(n): _number(n) for n in group.ContentSequence if _name(n) == _DISTANCE},
        centre_mm=_point(items[_CENTER]) if _CENTER in items else None,
        against=tuple(re.sub(r" \([^()]*\)$", "", n.TextValue) for n in group.ContentSequence if _name(n) == _REASON),
        prescription=(numbers[_DOSE], int(numbers[_FRACTIONS])) if {_DOSE, _FRACTIONS} <= numbers.keys() else None,
        sessions=_whole_numbers(group, _SESSION),
        days=_whole_numbers(group, _DAY),
        excluded=_PROPOSAL in items and _meaning(items[_PROPOSAL]) == _EXCLUDED,
    )


def _numbers(group: Dataset) -> dict[str, float]:
    return {_name(n): _number(n) for n in group.get("ContentSequence", []) if n.ValueType == "NUM"}


def _whole_numbers(group: Dataset, name: str) -> tuple[int, ...]:
    """Of a row that a group may have several of."""
    return tuple(int(_number(n)) for n in group.ContentSequence if _name(n) == name)


def _meaning(item: Dataset) -> str:
    return str(item.ConceptCodeSequence[0].CodeValue)


def _number(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def _site(item: Dataset) -> str:
    """ "left cerebellum"; several sites are joined."""
    return " / ".join(_sided(n) for n in item.get("ContentSequence", []) if _name(n) == _SITE)


def _sided(site: Dataset) -> str:
    sides = [n.ConceptCodeSequence[0].CodeMeaning for n in site.get("ContentSequence", []) if _name(n) == _SIDE]
    return " ".join(str(word).lower() for word in (*sides, site.ConceptCodeSequence[0].CodeMeaning))


def _point(item: Dataset) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in item.GraphicData[:3])
    return x, y, z


def _walk(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", []):
        yield item
        yield from _walk(item)


def _name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""
