"""What results are sent as: their SOP Classes, and the transfer syntaxes that a destination may take them in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    MammographyCADSRStorage,
    ParametricMapStorage,
    RLELossless,
    RTDoseStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from pipeline.core.profile import Profile
from pipeline.core.result import Kind

LabelMapSegmentationStorage = UID("1.2.840.10008.5.1.4.1.1.66.7")
"""Of DICOM 2024c; the dictionary of pydicom 3.0 does not have it."""

PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


@dataclass(frozen=True, slots=True)
class Sent:
    """One SOP Class that results have.

    syntaxes: transfer syntaxes in which an object of it can leave: its own, or what `node.scu` rewrites it to. Of a
              Parametric Map estimated doses are plain, and the probability is RLE.
    """

    kind: Kind
    name: str
    sop_class_uid: str
    syntaxes: tuple[str, ...] = PLAIN

    def __str__(self) -> str:
        return f"{self.name} ({self.sop_class_uid})"


SEG = Sent(Kind.SEG, "Segmentation", str(SegmentationStorage))
LABELMAP = Sent(Kind.SEG, "Label Map Segmentation", str(LabelMapSegmentationStorage), (str(RLELossless), *PLAIN))
RTSTRUCT = Sent(Kind.RTSTRUCT, "RT Structure Set", str(RTStructureSetStorage))
SR_3D = Sent(Kind.SR, "Comprehensive 3D SR", str(Comprehensive3DSRStorage))
SR_2D = Sent(Kind.SR, "Comprehensive SR", str(ComprehensiveSRStorage))
CAD_SR = Sent(Kind.CAD_SR, "Mammography CAD SR", str(MammographyCADSRStorage))
GSPS = Sent(Kind.GSPS, "Grayscale Softcopy Presentation State", str(GrayscaleSoftcopyPresentationStateStorage))
KO = Sent(Kind.KO, "Key Object Selection", str(KeyObjectSelectionDocumentStorage))
PM = Sent(Kind.PM, "Parametric Map", str(ParametricMapStorage), (str(RLELossless), *PLAIN))
RTDOSE = Sent(Kind.RTDOSE, "RT Dose", str(RTDoseStorage))
SC = Sent(Kind.SC, "Secondary Capture", str(SecondaryCaptureImageStorage))

ALL = (SEG, LABELMAP, RTSTRUCT, SR_3D, SR_2D, CAD_SR, GSPS, KO, PM, RTDOSE, SC)
"""Everything that leaves this node, in the order in which it is told."""

USUAL = frozenset({SEG, RTSTRUCT, SR_3D, CAD_SR, GSPS, KO, PM, RTDOSE, SC})
"""What runs may make in the default form."""


def sent_as(sop_class_uids: Iterable[str]) -> frozenset[Sent]:
    """The entries of these SOP Classes; what is none of ours is left out."""
    wanted = set(sop_class_uids)
    return frozenset(s for s in ALL if s.sop_class_uid in wanted)


def taken(profile: Profile, sent: Sent) -> bool:
    """Whether a destination takes objects of that class in any transfer syntax that they can leave in."""
    return profile.takes(sent.sop_class_uid, sent.syntaxes)
