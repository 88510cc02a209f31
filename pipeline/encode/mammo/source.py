"""The mammograms that marks lie on: headers only, every file opened once."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset

from pipeline.core.errors import HeaderUnusable, OurFault
from pipeline.encode.origin import Origin, origin_of, part_of, read_image_header
from pipeline.imaging.mammogram.image import is_raw
from pipeline.marks import Kind, Mark, MarkedStudy, Outcome, View

_OF_THE_IMAGE = (
    "ImageLaterality",
    "PatientOrientation",
    "StudyDate",
    "StudyTime",
    "ContentDate",
    "ContentTime",
    "ImagerPixelSpacing",
    "PixelSpacing",
    "PixelAspectRatio",
    "Rows",
    "Columns",
    "PhotometricInterpretation",
    "PresentationIntentType",
    "PixelIntensityRelationshipSign",
    "PresentationLUTShape",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
)
FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_SEQUENCES = ("ViewCodeSequence", "VOILUTSequence", "ModalityLUTSequence", *FUNCTIONAL_GROUPS)
_BESIDE = 1.0
"""So many pixels an outline may reach beyond the image, and is cut back: it was drawn on a coarser grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One view and its header. number: 1...n, its place in the Image Library."""

    view: View
    number: int
    series_instance_uid: str
    header: Dataset

    @property
    def raw(self) -> bool:
        """It is For Processing: its values are those of the detector."""
        return is_raw(str(self.header.get("PresentationIntentType") or ""), self.view.sop_class_uid)


@dataclass(frozen=True, slots=True, eq=False)
class MarkedSource(Origin):
    """What results take over from the first image, and the images that were looked at, in the order of the views."""

    images: tuple[Image, ...]

    def of(self, role: str) -> Image:
        """The image of a view. Raises OurFault where no view has that role."""
        for image in self.images:
            if image.view.role == role:
                return image
        raise OurFault(f"a mark or an attempt speaks of {role}, and no view has that role")


def read_marked_source(study: MarkedStudy) -> MarkedSource:
    """The headers of the views. Raises NotFound, HeaderUnusable, or OurFault where marks and images contradict."""
    if not study.views:
        raise OurFault("marks without views: there is no image they could be about")
    images = tuple(_image(view, k) for k, view in enumerate(study.views, start=1))
    first = read_image_header(study.views[0].path, study.views[0].sop_instance_uid, ())
    made = MarkedSource(**origin_of(first), images=images)
    for mark in (*study.marks, *study.rejected):
        _check_mark(mark, made.of(mark.role).view)
    _check_whole(study, made)
    return made


def drawn_px(mark: Mark, view: View) -> tuple[tuple[float, float], ...]:
    """The outline of a mark within its image, closed."""
    inside = [(min(max(x, 0.0), float(view.columns)), min(max(y, 0.0), float(view.rows))) for x, y in mark.outline_px]
    return (*inside, inside[0])


def _image(view: View, number: int) -> Image:
    ds = read_image_header(view.path, view.sop_instance_uid, (*_OF_THE_IMAGE, *_SEQUENCES))
    if ds.SOPInstanceUID != view.sop_instance_uid:
        raise OurFault(f"the file of {view.sop_instance_uid} holds another image")
    if (ds.get("Rows"), ds.get("Columns")) != (view.rows, view.columns):
        raise HeaderUnusable(f"image {view.sop_instance_uid} is not of {view.rows} x {view.columns} pixels")
    header = part_of(ds, _OF_THE_IMAGE)
    for keyword in _SEQUENCES:
        if ds.get(keyword):
            header.add(ds[keyword])
    header.SOPClassUID, header.SOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    return Image(view, number, str(ds.SeriesInstanceUID), header)


def _check_whole(study: MarkedStudy, source: MarkedSource) -> None:
    """Numbers, what found the marks, and what they are put together to."""
    if [m.number for m in study.marks] != list(range(1, len(study.marks) + 1)):
        raise OurFault("the numbers of the marks have gaps")
    found = any(isinstance(a.what, Kind) and a.outcome is Outcome.SUCCEEDED for a in study.attempts)
    if study.marks and not found:
        raise OurFault("there are marks, and no detection succeeded")
    sides = {m.number: source.of(m.role).view.laterality for m in study.marks}
    taken = [n for c in study.composites for n in c.marks]
    if len(set(taken)) != len(taken) or not set(taken) <= sides.keys():
        raise OurFault("composites share marks, or name marks that are not there")
    for composite in study.composites:
        if len(composite.marks) < 2 or {sides[n] for n in composite.marks} != {composite.laterality}:
            raise OurFault(f"{composite.label} is not of two marks or more of its breast")


def _check_mark(mark: Mark, view: View) -> None:
    x, y = mark.center_px
    if not (0 <= x <= view.columns and 0 <= y <= view.rows):
        raise OurFault(f"the centre of {mark.label} lies outside of {mark.role}")
    if len(mark.outline_px) < 3:
        raise OurFault(f"the outline of {mark.label} has {len(mark.outline_px)} corners")
    if any(
        not (-_BESIDE <= x <= view.columns + _BESIDE and -_BESIDE <= y <= view.rows + _BESIDE)
        for x, y in mark.outline_px
    ):
        raise OurFault(f"the outline of {mark.label} lies outside of {mark.role}")
