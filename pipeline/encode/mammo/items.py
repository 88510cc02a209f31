"""Content items (PS3.3 C.17.3) as plain data sets, by value and by reference: highdicom knows none by reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode.codes import code_item
from pipeline.encode.common import reference
from pipeline.encode.text import plain

CONTAINS, MODIFIED, PROPERTY = "CONTAINS", "HAS CONCEPT MOD", "HAS PROPERTIES"
ACQUIRED, INFERRED, SELECTED = "HAS ACQ CONTEXT", "INFERRED FROM", "SELECTED FROM"


def _item(relationship: str, value_type: str, name: Code | None, below: Iterable[Dataset]) -> Dataset:
    ds = Dataset()
    if relationship:
        ds.RelationshipType = relationship
    ds.ValueType = value_type
    if name is not None:
        ds.ConceptNameCodeSequence = [code_item(name)]
    children = list(below)
    if children:
        ds.ContentSequence = children
    return ds


def container(relationship: str, name: Code, below: Iterable[Dataset]) -> Dataset:
    """A CONTAINER; its parts are separate."""
    ds = _item(relationship, "CONTAINER", name, below)
    ds.ContinuityOfContent = "SEPARATE"
    return ds


def coded(relationship: str, name: Code, value: Code, below: Iterable[Dataset] = ()) -> Dataset:
    """A CODE."""
    ds = _item(relationship, "CODE", name, below)
    ds.ConceptCodeSequence = [code_item(value)]
    return ds


def text(relationship: str, name: Code, value: str) -> Dataset:
    """A TEXT in ASCII."""
    ds = _item(relationship, "TEXT", name, ())
    ds.TextValue = plain(value)
    return ds


def moment(relationship: str, name: Code, value: str, *, of_day: bool) -> Dataset:
    """A TIME, or a DATE."""
    ds = _item(relationship, "TIME" if of_day else "DATE", name, ())
    setattr(ds, "Time" if of_day else "Date", value)
    return ds


def number(relationship: str, name: Code, value: float, unit: Code = codes.UCUM.Percent) -> Dataset:
    """A NUM, to a tenth of a micrometre or a tenth of a percent."""
    measured = Dataset()
    measured.NumericValue = f"{value:.4f}".rstrip("0").rstrip(".")
    measured.MeasurementUnitsCodeSequence = [code_item(unit)]
    ds = _item(relationship, "NUM", name, ())
    ds.MeasuredValueSequence = [measured]
    return ds


def image(relationship: str, sop_class_uid: str, sop_instance_uid: str, below: Iterable[Dataset] = ()) -> Dataset:
    """An IMAGE."""
    ds = _item(relationship, "IMAGE", None, below)
    ds.ReferencedSOPSequence = [reference(sop_class_uid, sop_instance_uid)]
    return ds


def pointer(relationship: str, position: Sequence[int]) -> Dataset:
    """A content item by reference: the one at that position, the root being 1 (PS3.3 C.17.3.2.5)."""
    ds = Dataset()
    ds.RelationshipType = relationship
    ds.ReferencedContentItemIdentifier = list(position)
    return ds


def coordinates(
    relationship: str, name: Code, kind: str, points: Iterable[tuple[float, float]], below: Iterable[Dataset]
) -> Dataset:
    """An SCOORD: (column, row); the top left corner of the top left pixel is (0, 0)."""
    ds = _item(relationship, "SCOORD", name, below)
    ds.GraphicType = kind
    ds.GraphicData = [float(v) for point in points for v in point]
    return ds
