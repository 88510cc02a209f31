"""In which form a destination gets the results, from what it takes and what the hospital wants; and what it loses.

Pure: nothing is asked and nothing is kept here. Every sentence is for the admin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from node.sent import ALL, CAD_SR, GSPS, KO, LABELMAP, PM, RTDOSE, RTSTRUCT, SC, SEG, SR_2D, SR_3D, Sent, taken
from pipeline.core.forms import Coordinates, Form, Holes, Segments
from pipeline.core.profile import Profile
from pipeline.core.wishes import CoordinatesWish, FramesWish, ObjectsWish, PageWish, SegmentsWish, Wishes

SHOWING = (SEG, LABELMAP, RTSTRUCT, SR_3D, SR_2D, CAD_SR, GSPS, SC)
"""What lets a person see the findings, in the order in which it is named."""

Takes = Callable[[Sent], bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """The form for one destination.

    gets: what a run makes for it in that form.
    told: a sentence for everything that it does not get, or not as it was wished; none when it gets everything.
    """

    form: Form
    gets: frozenset[Sent]
    told: tuple[str, ...] = ()


def choose(made: Collection[Sent], name: str, profile: Profile | None, wishes: Wishes) -> Choice:
    """The form in which destination `name` gets what a run makes.

    made:    the SOP Classes that the run makes in the default form (`sent.USUAL`: any run). What a run does not make
             never tells two forms apart.
    profile: what the destination takes; None, or one that is not known, leaves it at the wishes.
    """
    refused = _refused(name, profile, wishes) if profile else {}
    if profile is None or not profile.is_known:
        why = f" ({profile.error})" if profile and profile.error else ""
        said = f"{name} has not said yet what it takes{why}: it gets everything as its configuration wants it."
        choice = _Asked(made, name, wishes, lambda s: s not in refused, refused).choice()
        return replace(choice, told=(said, *choice.told))
    choice = _Asked(made, name, wishes, lambda s: s not in refused and taken(profile, s), refused).choice()
    if choice.gets:
        return choice
    said = (
        f"{name} takes NOTHING of what is made here: it is sent as the configuration wants it, and will be parked. "
        f"Is {profile.endpoint} an archive, and may this node store there?"
    )
    return replace(_Asked(made, name, wishes, lambda _: True).choice(), told=(said,))


def _refused(name: str, profile: Profile, wishes: Wishes) -> dict[Sent, str]:
    """What the destination refused by status, and what is not tried after that; and why, for the admin.

    Where binary segmentations are refused like this, its yes to label maps (DICOM 2024c) is worth nothing either: each
    guess would cost a parked job. Who knows better says so.
    """
    again = f"after `lantern destinations probe {name}` it is tried again"
    found = {
        s: f"negotiated, but refused with 0x{r.status:04X} on {r.at:%Y-%m-%d}; {again}"
        for s in ALL
        if (r := profile.refusal(s.sop_class_uid))
    }
    guessed = wishes.segments is not SegmentsWish.LABELMAP and (not profile.is_known or taken(profile, LABELMAP))
    if SEG in found and guessed:
        found[LABELMAP] = 'not tried then; segments = "labelmap" does'
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    made: Collection[Sent]
    name: str
    wishes: Wishes
    takes: Takes
    why_not: Mapping[Sent, str] = field(default_factory=dict)

    def choice(self) -> Choice:
        segments, report = self._segments(), self._report()
        gets = {s for s in (segments, report) if s} | {s for s in self._others() if self.takes(s)}
        page, paged = self._page(gets)
        gets |= {SC} if paged else set()
        made = {SEG if s is LABELMAP else SR_3D if s is SR_2D and SR_3D in self.made else s for s in gets}
        structures = RTSTRUCT in gets
        form = Form(
            segments=Segments.LABELMAP if segments is LABELMAP else Segments.BINARY,
            all_frames=segments is not None and self.wishes.frames is FramesWish.FULL,
            per_lesion=(segments is not None or structures) and self.wishes.objects is ObjectsWish.LESION,
            holes=self.wishes.holes if structures else Holes.KEYHOLE,
            coordinates=Coordinates.IMAGE if report is SR_2D and SR_3D in self.made else Coordinates.SPACE,
            left_out=frozenset(s.kind for s in self.made if s not in made),
            page=page,
        )
        return Choice(form, frozenset(gets), self._told(segments, report, gets))

    def _segments(self) -> Sent | None:
        return self._first(self._segment_classes()) if self.wishes.segments is not SegmentsWish.NONE else None

    def _segment_classes(self) -> tuple[Sent, ...]:
        """In the order in which they are wished."""
        if SEG not in self.made:
            return ()
        return (LABELMAP, SEG) if self.wishes.segments is SegmentsWish.LABELMAP else (SEG, LABELMAP)

    def _report(self) -> Sent | None:
        return self._first(self._report_classes())

    def _report_classes(self) -> tuple[Sent, ...]:
        if SR_3D not in self.made:  # of marks on single images there is only the other one
            return (SR_2D,) if SR_2D in self.made else ()
        return (SR_2D, SR_3D) if self.wishes.coordinates is CoordinatesWish.IMAGE else (SR_3D, SR_2D)

    def _first(self, classes: Iterable[Sent]) -> Sent | None:
        return next((s for s in classes if self.takes(s)), None)

    def _others(self) -> list[Sent]:
        return [s for s in (RTSTRUCT, CAD_SR, GSPS, KO, PM, RTDOSE) if s in self.made]

    def _page(self, gets: Collection[Sent]) -> tuple[bool, bool]:
        """Whether pages are to be made although the run makes none, and whether there are pages in the end."""
        if not self.takes(SC) or self.wishes.page is PageWish.NEVER:
            return False, False
        if SC in self.made:
            return False, True
        wanted = self._wants_page(gets)
        return wanted, wanted

    def _wants_page(self, gets: Collection[Sent]) -> bool:
        if self.wishes.page is not PageWish.AUTO:
            return self.wishes.page is PageWish.ALWAYS
        marks = {CAD_SR, GSPS} & set(self.made)
        no_segments = bool(self._segment_classes()) and not {SEG, LABELMAP} & set(gets)
        no_report = bool(self._report_classes()) and not {SR_3D, SR_2D} & set(gets)
        return no_segments or no_report or bool(marks and not marks & set(gets))

    def _told(self, segments: Sent | None, report: Sent | None, gets: Collection[Sent]) -> tuple[str, ...]:
        by_wish = self.wishes.segments is SegmentsWish.NONE
        instead = [
            *self._instead(() if by_wish else self._segment_classes(), segments, "segments", self.wishes.segments),
            *self._instead(self._report_classes(), report, "coordinates", self.wishes.coordinates),
        ]
        lost = [
            *(self._segment_classes() if segments is None and not by_wish else ()),
            *(self._report_classes() if report is None else ()),
            *(s for s in self._others() if s not in gets),
            *([SC] if self._lacks_page(gets) else []),
        ]
        return (*instead, *self._wished_away(), *([self._without(lost, gets)] if lost else []))

    def _instead(self, classes: tuple[Sent, ...], got: Sent | None, key: str, wish: str) -> list[str]:
        if got is None or got is classes[0]:
            return []
        although = f', although it was to get {key} = "{wish}"' if wish != "auto" else ""
        how = ", with outlines in pixels of the images," if got is SR_2D else ""
        return [f"{self.name} takes no {self._named(classes[0])}: it gets {got.name}{how} instead{although}."]

    def _wished_away(self) -> list[str]:
        """What it does not get because the configuration says so."""
        wishes = self.wishes
        none = SEG in self.made and wishes.segments is SegmentsWish.NONE
        never = SC in self.made and wishes.page is PageWish.NEVER
        return [
            *([f'{self.name} gets no segmentation: its configuration says segments = "none".'] if none else []),
            *([f'{self.name} gets no pages: its configuration says page = "never".'] if never else []),
        ]

    def _lacks_page(self, gets: Collection[Sent]) -> bool:
        """Whether it would get pages if only it took them."""
        if self.takes(SC) or self.wishes.page is PageWish.NEVER:
            return False
        return SC in self.made or self._wants_page(gets)

    def _without(self, lost: Collection[Sent], gets: Collection[Sent]) -> str:
        refused = _listed([f"no {self._named(s)}" for s in ALL if s in lost])
        shown = [s.name for s in SHOWING if s in gets]
        if not set(lost) & set(SHOWING):
            return f"{self.name} takes {refused}: it goes without."
        return f"{self.name} takes {refused}: it gets {_listed(shown) or 'nothing that shows findings'} instead."

    def _named(self, sent: Sent) -> str:
        why = f": {self.why_not[sent]}" if sent in self.why_not else ""
        return f"{sent.name} ({sent.sop_class_uid}{why})"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
