"""Form: how the objects of one run are written for one destination."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.result import Kind


class Segments(StrEnum):
    """How a segmentation holds its segments (PS3.3 C.8.20.2)."""

    BINARY = "binary"  #: Segmentation Storage, one bit a voxel and segment
    LABELMAP = "labelmap"  #: Label Map Segmentation Storage, RLE


class Holes(StrEnum):
    """How a structure set leaves out what a lesion encloses (PS3.3 C.8.8.6.3)."""

    KEYHOLE = "keyhole"  #: one CLOSED_PLANAR contour with a cut to the hole
    XOR = "xor"  #: CLOSEDPLANAR_XOR, a contour each


class Coordinates(StrEnum):
    """Where a report points (PS3.3 C.18.6, C.18.9)."""

    SPACE = "3d"  #: Comprehensive 3D SR: segments, coordinates in millimetres
    IMAGE = "2d"  #: Comprehensive SR: outlines in pixels of the images


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing the objects of a run. The default is what is made when nobody says otherwise.

    all_frames: a segmentation has a frame for every image of the series, not only for those with a segment.
    per_lesion: a segmentation and a structure set for each lesion, not one of each for the study.
    left_out:   kinds of objects that are not made, and that no other object may refer to.
    page:       pages to look at, although nobody asked for them: where little else is taken.
    """

    segments: Segments = Segments.BINARY
    all_frames: bool = False
    per_lesion: bool = False
    holes: Holes = Holes.KEYHOLE
    coordinates: Coordinates = Coordinates.SPACE
    left_out: frozenset[Kind] = frozenset()
    page: bool = False

    def token(self, kind: Kind) -> str:
        """What sets an object of that kind apart from the one in the default form; "" when they are the same.

        It goes into the UIDs: an object has the same UID in two forms if and only if it has the same content.
        """
        return ",".join(sorted(self._traits(kind)))

    def _traits(self, kind: Kind) -> set[str]:
        drawn = {"per lesion"} if self.per_lesion else set()
        match kind:
            case Kind.SEG:
                more = {self.segments.value} if self.segments is not Segments.BINARY else set()
                return drawn | more | ({"all frames"} if self.all_frames else set())
            case Kind.RTSTRUCT:
                return drawn | ({"xor"} if self.holes is not Holes.KEYHOLE else set())
            case Kind.SR | Kind.KO | Kind.CAD_SR:  # they refer to all others
                own = {"2d"} if self.coordinates is not Coordinates.SPACE else set()
                return own | self._of_others({*Kind} - _REFERRING) | ({"page"} if self.page else set())
            case Kind.RTDOSE:
                return self._of_others({Kind.RTSTRUCT})
            case _:
                return set()

    def _of_others(self, kinds: set[Kind]) -> set[str]:
        changed = {f"{k.value}:{token}" for k in kinds - self.left_out if (token := self.token(k))}
        return changed | {f"without {k.value}" for k in kinds & self.left_out}


_REFERRING = {Kind.SR, Kind.KO, Kind.CAD_SR}

DEFAULT_FORM = Form()
