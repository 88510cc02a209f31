"""What a destination takes of everything that is made here, and what it does not get, for people to read."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import UID

from node.choose import choose
from node.sent import ALL, USUAL, Sent, taken
from pipeline.core.profile import Profile
from pipeline.core.route import Destination


@dataclass(frozen=True, slots=True)
class Taken:
    """One kind of object at one destination.

    taken:    "yes", "no", "refused" (by status, whatever is negotiated), "assumed" (STOW-RS negotiates nothing), or
              "not known".
    gets:     whether the destination gets such objects, when a run makes them.
    syntaxes: in which transfer syntaxes it takes them.
    """

    kind: str
    name: str
    sop_class_uid: str
    taken: str
    gets: bool
    syntaxes: tuple[str, ...]


def kinds(destination: Destination, profile: Profile | None) -> list[Taken]:
    """Every SOP Class of results, in a fixed order."""
    gets = choose(USUAL, destination.name, profile, destination.wishes).gets
    known = profile if profile and profile.is_known else None

    def answer(sent: Sent) -> str:
        if profile and profile.refusal(sent.sop_class_uid):
            return "refused"
        if known is None:
            return "not known"
        return "assumed" if known.is_assumed else "yes" if taken(known, sent) else "no"

    return [
        Taken(
            s.kind.value,
            s.name,
            s.sop_class_uid,
            answer(s),
            s in gets,
            tuple(UID(u).name for u in known.syntaxes(s.sop_class_uid)) if known else (),
        )
        for s in ALL
    ]


def losses(destination: Destination, profile: Profile | None) -> tuple[str, ...]:
    """A sentence for everything that a destination does not get of what runs make here.

    Where nothing is known of it, that is what the configuration takes away.
    """
    told = choose(USUAL, destination.name, profile, destination.wishes).told
    return told if profile and profile.is_known else told[1:]  # the first says that nothing is known


def refused(destination: Destination, profile: Profile | None) -> tuple[str, ...]:
    """Those of `losses` that come of what the destination takes, and not of the configuration alone."""
    wished_away = losses(destination, None)
    return tuple(said for said in losses(destination, profile) if said not in wished_away)
