"""What became of each lesion between two dates, and of all together, in the words of RANO-BM.

Response assessment in neuro-oncology, brain metastases: Lin NU et al., Lancet Oncol 2015;16:e270-78
(doi 10.1016/S1470-2045(15)70057-4), as far as images of two dates can say. Corticosteroids, clinical state, dates
further back and the confirmation of a response are not known here: nothing below is an assessment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

MEASURABLE_MM, MEASURABLE_SHORT_MM, MEASURABLE_SLICES = 10.0, 5.0, 2
"""A measurable lesion: longest diameter, the largest perpendicular to it, and on how many slices it is seen."""

THICK_MM, THICK_FACTOR = 5.0, 2.0
"""Of slices thicker than this a measurable lesion is so many times as long as they are thick."""

MOST_TARGETS = 5

SMALLER, LARGER, LARGER_MM = -30.0, 20.0, 5.0
"""Partial response and progression: percent of the sum of longest diameters; and mm in at least one lesion."""

CHANGED = 20.0
"""Percent of its volume by which a single lesion must differ to be called grown or shrunk. RANO-BM has no word for
that; two readings of one lesion agree to about 15 %."""

EDGE = 0.25
"""And by more than its outlines are unsure: so much of a voxel's edge (root mean square of its three) over the surface
of a sphere of its volume, on each date, the two taken together as independent errors."""


class Status(StrEnum):
    """What became of one lesion."""

    NEW = "new"  #: nothing was there
    GROWN = "grown"  #: its volume is larger by more than CHANGED percent and by more than its error
    STABLE = "stable"  #: neither
    SHRUNK = "shrunk"  #: smaller, likewise
    GONE = "gone"  #: nothing is left of it
    NOT_IMAGED = "not imaged"  #: the images of one of both dates do not show all of its place: nothing is compared


class Response(StrEnum):
    """All lesions together, against one earlier date, or in a timeline against baseline and nadir."""

    CR = "CR"  #: complete: all lesions are gone, none is new
    PR = "PR"  #: partial: sum of target lesions less by 30 % or more, no new lesion
    SD = "SD"  #: stable: neither
    PD = "PD"  #: progressive: sum more by 20 % or more and one lesion by 5 mm or more, or a new lesion
    NON_TARGET = "non-CR/non-PD"  #: lesions, but none was measurable, and none is new
    NONE = "no lesion"  #: on either date
    UNSAID = "not said"  #: what is seen fits none of these words: look at the lesions one by one

    @property
    def words(self) -> str:
        """As RANO-BM has it."""
        return _WORDS[self]


_WORDS = {
    Response.CR: "complete response",
    Response.PR: "partial response",
    Response.SD: "stable disease",
    Response.PD: "progressive disease",
    Response.NON_TARGET: "neither complete response nor progression of lesions that cannot be measured",
    Response.NONE: "no lesion on either date",
    Response.UNSAID: "not said, for lesions that are doubtful, outside the other images, or grew without being targets",
}


@dataclass(frozen=True, slots=True)
class Size:
    """A lesion on one date, measured as Lesion has it.

    slices:     on how many slices it is seen.
    voxel_mm:   spacing of the grid it was drawn on: slices, rows, columns.
    enhancing_volume_mm3: None where it was not measured.
    """

    volume_mm3: float
    long_axis_mm: float
    short_axis_mm: float
    slices: int
    voxel_mm: tuple[float, float, float]
    enhancing_volume_mm3: float | None = None

    @property
    def measurable(self) -> bool:
        """Whether it may be a target lesion."""
        thick_mm = self.voxel_mm[0]
        least_mm = max(MEASURABLE_MM, THICK_FACTOR * thick_mm if thick_mm > THICK_MM else 0.0)
        long_enough = self.long_axis_mm >= least_mm and self.short_axis_mm >= MEASURABLE_SHORT_MM
        return long_enough and self.slices >= MEASURABLE_SLICES

    @property
    def error_mm3(self) -> float:
        """How far its volume is unsure for the size of its voxels: see EDGE."""
        edge_mm = float(np.sqrt(np.mean(np.square(self.voxel_mm))))
        return float((36 * np.pi) ** (1 / 3) * self.volume_mm3 ** (2 / 3)) * EDGE * edge_mm


@dataclass(frozen=True, slots=True)
class Before:
    """A lesion of the earlier date: who it is, and how large it was."""

    tracking_uid: str
    label: str
    size: Size


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one lesion.

    label:          its name now; then, of one that is gone.
    tracking_uid:   the same on both dates.
    then, now:      None where it was not, or is not, there.
    merged_from:    earlier lesions that went up in it, beside its own; `then` is its own part alone.
    split_from:     tracking UID of the earlier lesion that it fell off; "" else.
    volume_percent: of all parts on both dates, as status is; None where one date has none. diameter_percent: of the
                    longest diameter, parts of a date summed up.
    target:         whether it counts in the sum of longest diameters.
    cut_then, cut_now: whether the images of that date do not show all of the lesion's place, as seen on the other:
                    status is NOT_IMAGED then, nothing is in percent, and sizes are of what is seen.
    doubtful:       new, but its place was as bright on the earlier date: outlined now only, and not counted as new in a
                    response.
    """

    tracking_uid: str
    label: str
    status: Status
    then: Size | None
    now: Size | None
    volume_percent: float | None = None
    diameter_percent: float | None = None
    merged_from: tuple[Before, ...] = ()
    split_from: str = ""
    target: bool = False
    doubtful: bool = False
    cut_then: bool = False
    cut_now: bool = False

    @property
    def enhancing_percent(self) -> float | None:
        """Change of the enhancing part's volume; None where it was not measured or imaged, or parts merged or split."""
        if not self.then or not self.now or self.merged_from or self.split_from or self.status is Status.NOT_IMAGED:
            return None
        before, after = self.then.enhancing_volume_mm3, self.now.enhancing_volume_mm3
        return None if before is None or after is None else percent(before, after)

    @property
    def tracking_uids(self) -> tuple[str, ...]:
        """Its own, and those of the lesions that it merged with or split from."""
        return (self.tracking_uid, *filter(None, (self.split_from,)), *(b.tracking_uid for b in self.merged_from))

    @property
    def cuts(self) -> str:
        """Which images do not show all of its place; "" where both do."""
        dates = [d for d, cut in (("the earlier date", self.cut_then), ("this date", self.cut_now)) if cut]
        part = "all of it" if self.then and self.now else "its place, or not all of it"
        return f"the images of {' and of '.join(dates)} do not show {part}" if dates else ""

    @property
    def words(self) -> str:
        """One line for people: status, sizes, what it merged with or split from."""
        said = [str(self.status)]
        if self.cuts:
            said.append(self.cuts)
        if self.then and self.now and self.cuts:
            said.append(f"{_ml(self.then)} ml then and {_ml(self.now)} ml now are of what is seen")
        elif self.then and self.now:
            said.append(f"volume {_ml(self.then)} to {_ml(self.now)} ml ({_signed(self.volume_percent)})")
            sizes = f"{self.then.long_axis_mm:.1f} to {self.now.long_axis_mm:.1f} mm"
            said.append(f"longest diameter {sizes} ({_signed(self.diameter_percent)})")
        elif size := self.now or self.then:
            said.append(f"{'was ' if self.now is None else ''}{_ml(size)} ml, {size.long_axis_mm:.1f} mm")
        if self.doubtful:
            said.append("doubtful: its place was as bright before, but was not outlined")
        if self.merged_from:
            said.append(f"merged with {', '.join(b.label for b in self.merged_from)} of the earlier date")
        if self.split_from:
            said.append("split from a lesion that was one")
        if self.target:
            said.append("target lesion")
        return "; ".join(said)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The lesions of a study against those of one earlier study of the patient.

    prior_date:   DA (PS3.5 6.2), "" where the study names none; days: from then to now, None where unknown.
    changes:      for each lesion now, in the order of their numbers; gone: earlier ones that nothing is left of.
    fit:          of the registration, see Registration.
    drawn_by:     who drew the earlier lesions: a sentence.
    sum_then_mm, sum_now_mm: of the longest diameters of target lesions: of the earlier measurable ones the MOST_TARGETS
                  longest.
                  longest. Of these, what either date does not show whole is left out.
    response:     of all lesions, relative to that study alone.
    of_targets:   of the target lesions alone, likewise; None without any, or where not all of them can be compared.
    """

    prior_study_instance_uid: str
    prior_series_instance_uid: str
    prior_date: str
    days: int | None
    changes: tuple[Change, ...]
    gone: tuple[Change, ...]
    fit: float
    drawn_by: str
    sum_then_mm: float
    sum_now_mm: float
    response: Response
    of_targets: Response | None = None

    @property
    def sum_percent(self) -> float | None:
        """Change of the sum of longest diameters; None without target lesions."""
        return percent(self.sum_then_mm, self.sum_now_mm)

    @property
    def words(self) -> str:
        """One sentence for people, with all that it does not know."""
        counts = {s: sum(c.status is s for c in (*self.changes, *self.gone)) for s in Status}
        found = ", ".join(f"{n} {status}" for status, n in counts.items() if n) or "no lesion on either date"
        targets = ""
        if self.sum_percent is not None:
            sums = f"{self.sum_then_mm:.1f} to {self.sum_now_mm:.1f} mm"
            targets = f"; sum of longest diameters of target lesions {sums} ({_signed(self.sum_percent)})"
        since = f" of {_dashed(self.prior_date)}" if self.prior_date else ""
        return (
            f"Against the study{since} alone: {found}{targets}; in the words of RANO-BM this would be "
            f"{self.response.words}. Steroids, clinical state and other dates are not known: no assessment."
        )


def status_of(then: Sequence[Size], now: Sequence[Size]) -> Status:
    """Of the parts of one lesion on two dates, by the sum of their volumes: see CHANGED and EDGE."""
    if not then or not now:
        return Status.NEW if now else Status.GONE
    before, after = (sum(s.volume_mm3 for s in sizes) for sizes in (then, now))
    error = float(np.sqrt(sum(s.error_mm3**2 for s in (*then, *now))))
    if abs(after - before) <= max(CHANGED / 100 * before, error):
        return Status.STABLE
    return Status.GROWN if after > before else Status.SHRUNK


def targets_of(then: Sequence[Before]) -> tuple[Before, ...]:
    """The target lesions of a date: the longest of the measurable ones."""
    measurable = [b for b in then if b.size.measurable]
    return tuple(sorted(measurable, key=lambda b: (-b.size.long_axis_mm, b.tracking_uid))[:MOST_TARGETS])


def response_of(
    of_targets: Response | None,
    *,
    left: int,
    new: int,
    before: int,
    present: int | None = None,
    unclear: bool = False,
) -> Response:
    """RANO-BM's words for all lesions.

    of_targets: what `targets_response` says. left, new: how many lesions of the baseline there still are, and how many
    came since; before: how many the baseline had. present: how many there are now, with doubtful ones. unclear:
    something that is no target grew, or lies where the other images do not reach.
    """
    present = left + new if present is None else present
    if not before and not present and not unclear:
        return Response.NONE
    if new or of_targets is Response.PD:
        return Response.PD
    if unclear or (present and not left):
        return Response.UNSAID
    if not left:
        return Response.CR
    # That all targets are gone is no complete response while other lesions are left.
    if of_targets is Response.CR:
        return Response.PR
    return of_targets or Response.NON_TARGET


def targets_response(
    sum_then_mm: float, sum_nadir_mm: float, sum_now_mm: float, largest_gain_mm: float
) -> Response | None:
    """RANO-BM's words for target lesions alone; None without any.

    Partial response is against the baseline (`sum_then_mm`), progression against the nadir. largest_gain_mm: of any one
    of them since the nadir.
    """
    shrunk = percent(sum_then_mm, sum_now_mm)
    if shrunk is None:
        return None
    if sum_now_mm >= (1 + LARGER / 100) * sum_nadir_mm and largest_gain_mm >= LARGER_MM:
        return Response.PD
    if not sum_now_mm:
        return Response.CR
    return Response.PR if shrunk <= SMALLER else Response.SD


def outgrew(then_mm: float, now_mm: float) -> bool:
    """Whether a lesion that is no target grew so much that the targets alone do not tell the course."""
    return now_mm - then_mm >= LARGER_MM and now_mm >= (1 + LARGER / 100) * then_mm


def percent(then: float, now: float) -> float | None:
    """By how much `now` is more than `then`; None where that was nothing."""
    return 100 * (now - then) / then if then > 0 else None


def _ml(size: Size) -> str:
    return f"{size.volume_mm3 / 1000:.2f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.0f} %"


def _dashed(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 and date.isdigit() else date
