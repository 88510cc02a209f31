"""Marks -> Grayscale Softcopy Presentation State (PS3.3 A.33.1): outlines and labels to lay over one view."""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.uid import BreastTomosynthesisImageStorage

from pipeline.encode.common import Part, Stamp, date_and_time, dress, local_time
from pipeline.encode.document import stub
from pipeline.encode.mammo.source import FUNCTIONAL_GROUPS, Image, MarkedSource, drawn_px
from pipeline.encode.mammo.voi import displayed
from pipeline.encode.mammo.words import KINDS, suspicion
from pipeline.encode.text import plain
from pipeline.findings import RESEARCH_USE_ONLY
from pipeline.imaging.mammogram.values import is_dark_dense, is_rising
from pipeline.marks import Mark, MarkedStudy

_CIELAB = (56000, 40000, 58000)
"""Amber: seen on grey, and no colour of a vendor's own CAD marks."""

_LINE = 0.02
"""Height of a line of text, of the image's height, as viewers may draw it: they choose the font."""
_LETTER = 0.6
"""Width of a letter, of the height of its line."""

_TAKEN_OVER = (
    "Rows",
    "Columns",
    "PixelSpacing",
    "PixelAspectRatio",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
)


def overlays(study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> tuple[Dataset, ...]:
    """One for each view with a mark, in the order of the views."""
    by_image = [(one, [m for m in study.marks if m.role == one.view.role]) for one in source.images]
    shown = [(one, marks) for one, marks in by_image if marks]
    return tuple(_overlay(one, marks, k, study, source, stamp) for k, (one, marks) in enumerate(shown, start=1))


def _overlay(one: Image, marks: list[Mark], k: int, study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> Dataset:
    image = _standin(one, source)
    layer = hd.pr.GraphicLayer("MARKS", 1, RESEARCH_USE_ONLY, hd.color.CIELabColor(*_lab(_CIELAB)))
    made = hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        series_instance_uid=stamp.uid(Part.OVERLAY, "series"),
        series_number=1,  # `dress` has the last word on series, equipment and patient
        sop_instance_uid=stamp.instance(Part.OVERLAY, k),
        instance_number=k,
        manufacturer="Lantern",
        manufacturer_model_name="Lantern",
        software_versions="1",
        device_serial_number="1",
        content_label=f"MARKS_{one.view.role}".replace("-", "_")[:16],
        content_description=plain(f"Marks on {one.view.role}. {RESEARCH_USE_ONLY}")[:64],
        graphic_layers=[layer],
        graphic_annotations=[_annotation(image, layer, one, marks)],
        voi_lut_transformations=displayed(one.header),
        presentation_lut_transformation=_polarity(one),
    )
    for area in made.DisplayedAreaSelectionSequence:
        area.pop("PixelOriginInterpretation", None)  # speaks of tiled images alone (PS3.3 C.10.4)
    made.Laterality = None  # of General Series: type 2C, and the series holds both sides
    made.PresentationCreationDate, made.PresentationCreationTime = date_and_time(local_time(source, stamp))
    return dress(made, Part.OVERLAY, source, study, stamp, k)


def _lab(values: tuple[int, int, int]) -> tuple[float, float, float]:
    """PS3.3 C.10.7.1.1 the other way round."""
    return values[0] * 100 / 65535, values[1] * 255 / 65535 - 128, values[2] * 255 / 65535 - 128


def _standin(one: Image, source: MarkedSource) -> Any:
    """What highdicom is shown in place of the image: only what ends in the object, and nothing malformed."""
    ds = stub(source, one.view.sop_class_uid, one.view.sop_instance_uid, one.series_instance_uid)
    ds.ReferringPhysicianName = ""
    ds.Modality, ds.SamplesPerPixel, ds.PhotometricInterpretation = "MG", 1, "MONOCHROME2"
    for keyword in _TAKEN_OVER:
        if one.header.get(keyword) not in (None, ""):
            ds.add(one.header[keyword])
    if one.view.sop_class_uid == BreastTomosynthesisImageStorage:  # a synthetic view as its single frame
        ds.NumberOfFrames = 1
        for keyword in FUNCTIONAL_GROUPS:
            setattr(ds, keyword, [_without_voi(item) for item in one.header.get(keyword) or [Dataset()]])
    return ds


def _without_voi(groups: Dataset) -> Dataset:
    """Functional groups less the windows, of which highdicom would hand on all."""
    made = Dataset()
    made.update({e.tag: e for e in groups if e.keyword != "FrameVOILUTSequence"})
    return made


def _polarity(one: Image) -> Any:
    """A presentation state overrides the image's own: MONOCHROME1 has to be said again (PS3.4 N.2.1). Raw values that
    grow with the dose are shown the other way round, as radiologists see them."""
    dark = is_rising(one.header) if one.raw else is_dark_dense(one.header)
    return hd.PresentationLUTTransformation(presentation_lut_shape="INVERSE" if dark else "IDENTITY")


def _annotation(image: Any, layer: Any, one: Image, marks: list[Mark]) -> Any:
    return hd.pr.GraphicAnnotation(
        referenced_images=[image],
        graphic_layer=layer,
        graphic_objects=[_outline(mark, one) for mark in marks],
        text_objects=[_warning(), *(_label(mark, one) for mark in marks)],
    )


def _outline(mark: Mark, one: Image) -> Any:
    return hd.pr.GraphicObject(
        graphic_type=hd.pr.GraphicTypeValues.POLYLINE,
        graphic_data=np.array(drawn_px(mark, one.view)),
        units=hd.pr.AnnotationUnitsValues.PIXEL,
        tracking_id=plain(mark.label),
        tracking_uid=mark.tracking_uid,
    )


def _label(mark: Mark, one: Image) -> Any:
    """Right of the outline; left of it where it would leave the image, as near the chest wall of a right breast."""
    words = plain(f"{mark.label} {KINDS[mark.kind]} {suspicion(mark.score):.0f}")
    outline = drawn_px(mark, one.view)
    line = _LINE * one.view.rows
    width, room = _LETTER * line * len(words), one.view.columns - max(outline)[0]
    to_the_left = room < width and room < min(outline)[0]
    return hd.pr.TextObject(
        words,
        units=hd.pr.AnnotationUnitsValues.PIXEL,
        anchor_point=min(outline) if to_the_left else max(outline),
        anchor_point_visible=False,
        bounding_box=_box_left_of(min(outline), width, line) if to_the_left else None,
        text_justification=hd.pr.TextJustificationValues.RIGHT,
        tracking_id=plain(mark.label),
        tracking_uid=mark.tracking_uid,
    )


def _box_left_of(point: tuple[float, float], width: float, line: float) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of a line of text that ends at a point, as far as there is room in the image."""
    x, y = point
    top = max(0.0, y - line / 2)
    return max(0.0, x - width), top, x, top + line


def _warning() -> Any:
    return hd.pr.TextObject(
        RESEARCH_USE_ONLY, units=hd.pr.AnnotationUnitsValues.DISPLAY, bounding_box=(0.02, 0.95, 0.6, 0.99)
    )
