"""Pages -> Secondary Capture Image Storage (PS3.3 A.8.1), one instance each, in colour."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from copy import deepcopy

from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from pipeline.contract import Found
from pipeline.core.errors import LanternError, place_of
from pipeline.encode.common import Encoded, Part, Stamp, date_and_time, dress, local_time, said_of_all
from pipeline.encode.origin import LOSSY, Origin
from pipeline.encode.page.change import change_sheets
from pipeline.encode.page.draw import draw
from pipeline.encode.page.lesions import about, lesion_sheets
from pipeline.encode.page.markers import markers
from pipeline.encode.page.model import Page, numbered
from pipeline.encode.page.sessions import Shown, plan_sheets
from pipeline.encode.page.slices import Slice, slices_of
from pipeline.encode.proposal import colours, not_planned, remarked
from pipeline.encode.source import Source, checked
from pipeline.encode.text import plain
from pipeline.findings import RESEARCH_USE_ONLY, Findings
from pipeline.sessions.planned import Planned
from pipeline.sessions.told import ESTIMATE

log = logging.getLogger(__name__)


def drawn_pages(make: Callable[[], tuple[Dataset, ...]], source: Origin) -> tuple[tuple[Encoded, ...], tuple[str, ...]]:
    """The pages, and what the report says where they could not be drawn."""
    try:
        made = make()
    except Exception as error:  # noqa: BLE001  # a page only shows what the other objects hold: no reason to lose them
        why = error.message if isinstance(error, LanternError) else type(error).__name__
        log.error("study %s: no summary page: %s", source.study_instance_uid, place_of(error))
        return (), (f"The summary page could not be drawn ({why}); all results are in the other objects.",)
    return tuple(Encoded(Part.PAGE, ds, k) for k, ds in enumerate(made, start=1)), ()


def captures(findings: Findings, source: Source, stamp: Stamp) -> tuple[Dataset, ...]:
    """The pages of a run as DICOM objects, in their order."""
    made = pages(findings, source, stamp)
    return tuple(capture(page, k, findings, source, stamp) for k, page in enumerate(made, start=1))


def pages(findings: Findings, source: Source, stamp: Stamp) -> tuple[Page, ...]:
    """Lesions; the plan, where there is one; what changed, where there was an earlier study.

    Reads the pixels of the images that it shows. Raises PixelsUnreadable. OurFault for labels off their images.
    """
    if findings.lesions:
        checked(findings.labels, findings.lesions, source)
    slices = slices_of(findings, source)
    sheets = lesion_sheets(findings, source, slices, stamp)
    planned = findings.planned if findings.lesions else None
    if planned is not None:
        sheets += plan_sheets(_shown(findings, planned, slices))
    if findings.follow_up is not None:
        today = str(source.patient_and_study.get("StudyDate") or "")
        sheets += change_sheets(findings.follow_up, source.study_instance_uid, today)
    return numbered(sheets, RESEARCH_USE_ONLY, about(findings, stamp), ESTIMATE if planned else "")


def _shown(findings: Findings, planned: Planned, slices: Sequence[Slice]) -> Shown:
    by_number = colours(findings)
    names = [n.short_label for n in findings.lesions]
    return Shown(
        planned,
        slices,
        markers(names),
        {n.short_label: by_number[n.number] for n in findings.lesions},
        tuple(name for name in names if not planned.session_of(name)),
        not_planned(findings),
        remarked(findings),
    )


def capture(page: Page, number: int, findings: Found, source: Origin, stamp: Stamp) -> Dataset:
    """One page as a DICOM object."""
    ds = Dataset()
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.ConversionType = "WSD"
    ds.BurnedInAnnotation = "YES"
    ds.PatientOrientation = None
    ds.Laterality = None  # of General Series: type 2C, and a page has no side
    ds.ContentDate, ds.ContentTime = date_and_time(local_time(source, stamp))
    ds.ImageComments = plain(said_of_all(findings))[:10240]
    for keyword in LOSSY:
        if keyword in source.header:
            ds.add(deepcopy(source.header[keyword]))
    _pixels(ds, page)
    return dress(ds, Part.PAGE, source, findings, stamp, number)


def _pixels(ds: Dataset, page: Page) -> None:
    pixels = draw(page)
    ds.Rows, ds.Columns, ds.SamplesPerPixel = pixels.shape
    ds.PhotometricInterpretation, ds.PlanarConfiguration = "RGB", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = pixels.tobytes()
