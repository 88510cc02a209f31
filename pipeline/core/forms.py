"""Form: how the objects of one run are written for one destination."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
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

        It goes into the UIDs, so that objects of two forms which differ in content differ in UID too.
        """
        return ",".join(sorted(self._traits(kind)))

    def without(self, never: Collection[Kind]) -> Form:
        """The same but for what is said of kinds that a run never makes: then its objects are not told apart by them.

        A destination without RT Dose gets the very objects of one with it, where no dose is made for either.
        """
        form = replace(self, left_out=self.left_out - frozenset(never))
        if Kind.SEG in never:
            form = replace(form, segments=Segments.BINARY, all_frames=False)
        if Kind.RTSTRUCT in never:
            form = replace(form, holes=Holes.KEYHOLE)
        return replace(form, per_lesion=False) if {Kind.SEG, Kind.RTSTRUCT} <= {*never} else form

    def _traits(self, kind: Kind) -> set[str]:
        traits: set[str] = set()
        match kind:
            case Kind.SEG:
                traits = self._segmented()
            case Kind.RTSTRUCT:
                traits = self._drawn() | ({"xor"} if self.holes is not Holes.KEYHOLE else set())
            case Kind.RTDOSE:
                traits = self._of_others({Kind.RTSTRUCT})
            case Kind.CAD_SR:  # it refers to images alone, and says what is not made
                traits = self._missing({*Kind} - {kind}) | self._paged()
            case Kind.KO:
                traits = self._written() | self._of_others({*Kind} - {Kind.SR, kind}) | self._missing({Kind.SR})
            case Kind.SR:  # the root: it refers to all others
                traits = self._written() | self._of_others({*Kind} - {kind})
        return traits

    def _drawn(self) -> set[str]:
        return {"per lesion"} if self.per_lesion else set()

    def _segmented(self) -> set[str]:
        stored = {self.segments.value} if self.segments is not Segments.BINARY else set()
        return self._drawn() | stored | ({"all frames"} if self.all_frames else set())

    def _written(self) -> set[str]:
        return self._paged() | ({"2d"} if self.coordinates is not Coordinates.SPACE else set())

    def _paged(self) -> set[str]:
        return {"page"} if self.page else set()

    def _of_others(self, kinds: set[Kind]) -> set[str]:
        changed = {f"{k.value}({token})" for k in kinds - self.left_out if (token := self.token(k))}
        return changed | self._missing(kinds)

    def _missing(self, kinds: set[Kind]) -> set[str]:
        return {f"without {k.value}" for k in kinds & self.left_out}


DEFAULT_FORM = Form()
