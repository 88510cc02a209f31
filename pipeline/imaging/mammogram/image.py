"""What one image of a study says it is: a mammogram that can be read, or why not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pydicom.uid import (
    UID,
    BreastProjectionXRayImageStorageForPresentation,
    BreastProjectionXRayImageStorageForProcessing,
    BreastTomosynthesisImageStorage,
    ComputedRadiographyImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    SecondaryCaptureImageStorage,
)

from pipeline.core.breast import Laterality
from pipeline.core.study import Instance
from pipeline.imaging.mammogram.spacing import MAGNIFIED, Spacing, magnification_of, spacing_of
from pipeline.imaging.mammogram.views import (
    READ,
    Modifier,
    is_bilateral,
    laterality_of,
    modifiers_of,
    said_by_words,
    view_of,
)

MAMMOGRAMS = (DigitalMammographyXRayImageStorageForPresentation, DigitalMammographyXRayImageStorageForProcessing)
PROJECTIONS = (BreastProjectionXRayImageStorageForPresentation, BreastProjectionXRayImageStorageForProcessing)
RADIOGRAPHS = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)
FOR_PROCESSING = (DigitalMammographyXRayImageStorageForProcessing, DigitalXRayImageStorageForProcessing)

COARSEST_MM = 0.45
"""Coarser pixels show no calcification and few masses; mini-MIAS has 0.2 mm."""
FEW_PIXELS = 600
"""With fewer along the long side, an image that covers little is a thumbnail and no spot view."""
LEAST_LONG_MM, LEAST_SHORT_MM = 90.0, 45.0
"""An image of a smaller field shows a part of a breast: a spot view, a biopsy, a specimen."""

_SYNTHETIC = re.compile(
    r"\b(C-?VIEW|S-?VIEW|V-?PREVIEW|G-?VIEW|INSIGHT ?2D|INTELLIGENT ?2D|I2D|SYNTHETIC|SYN ?2D|GENERATED ?2D)\b"
)
_PIECE = re.compile(r"\b(CROPPED IMAGES?|ROI MASK)")
"""As in CBIS-DDSM."""
_BIOPSY = frozenset({"STEREO", "TOMO_SCOUT", "PREFIRE", "POSTFIRE", "POSTBIOPSY", "POSTMARKER"})
_NO_IMAGES = frozenset({"SR", "PR", "KO", "SEG", "DOC", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE", "AU", "PLAN", "FID"})
_OTHER_MODALITIES = {
    "US": "an ultrasound image",
    "MR": "a magnetic resonance image",
    "CT": "a computed tomogram",
    "PT": "a PET image",
    "NM": "a nuclear medicine image",
    "RF": "a fluoroscopic image",
    "XA": "an angiogram",
    "SM": "a microscopic image",
    "BMD": "a bone densitogram",
}
_SCANNED = frozenset({"DF", "SI"})
"""Conversion Type (0008,0064): digitised film, scanned image."""
_UNSUITED = {
    Modifier.MAGNIFICATION: "a magnification view",
    Modifier.SPOT: "a spot compression view",
    Modifier.CLEAVAGE: "a cleavage view of both breasts",
    Modifier.AXILLARY_TAIL: "a view of the axillary tail",
    Modifier.AXILLARY_TISSUE: "a view of the axilla",
    Modifier.INFRAMAMMARY_FOLD: "a view of the infra-mammary fold",
    Modifier.TANGENTIAL: "a tangential view",
}


_LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless)


class Origin(StrEnum):
    """How the image came to be."""

    ACQUIRED = "acquired"  #: by a digital mammograph or a phosphor plate
    SYNTHETIC = "synthetic"  #: calculated from a tomosynthesis: C-View, Intelligent 2D, S-View, Insight 2D, V-Preview
    FILM = "film"  #: a digitised film


@dataclass(frozen=True, slots=True)
class MgImage:
    """A mammogram that can be read, by its header.

    view:           View Position: "CC", "MLO", …
    for_processing: raw detector values, which need a presentation of our own.
    partial:        a part of the breast, beside others that show the rest.
    remarks:        sentences on what is special, for the reader of the results.
    """

    instance: Instance
    laterality: Laterality
    view: str
    modifiers: tuple[Modifier, ...]
    origin: Origin
    for_processing: bool
    partial: bool
    spacing: Spacing
    remarks: tuple[str, ...] = ()

    @property
    def side_and_view(self) -> str:
        """ "R-MLO"."""
        return f"{self.laterality.value}-{self.view}"

    @property
    def why(self) -> str:
        """One sentence on how the image was recognised."""
        kind = "raw values" if self.for_processing else "for presentation"
        made = {Origin.FILM: "digitised film", Origin.SYNTHETIC: "synthetic 2D view", Origin.ACQUIRED: "mammogram"}
        special = f", {', '.join(m.value for m in self.modifiers)}" if self.modifiers else ""
        return f"{made[self.origin]}, {kind}: {self.laterality.word} breast, view {self.view}{special}"

    @property
    def implant(self) -> bool:
        """There is an implant, and it was pushed out of the view."""
        return Modifier.IMPLANT_DISPLACED in self.modifiers


def describe(image: Instance) -> MgImage | str | None:
    """What an image is; a reason why it is not read; or None for what is no image (reports, markings)."""
    if image.modality in _NO_IMAGES or image.get("Rows") is None:
        return None if image.modality in _NO_IMAGES else "it has no pixels"
    shape = _shape(image)
    why = _not_a_mammogram(image) or _no_single_picture(image) or _unsuited(image)
    if why:
        return why
    spacing = spacing_of(image, shape)
    why = _wrong_size(spacing.working, shape)
    laterality, view = laterality_of(image), view_of(image)
    if why or laterality is None or view not in READ:
        return why or _unnamed(image, laterality, view)
    return MgImage(
        instance=image,
        laterality=laterality,
        view=view,
        modifiers=modifiers_of(image),
        origin=_origin(image),
        for_processing=_is_raw(image),
        partial=image.get("PartialView") == "YES",
        spacing=spacing,
        remarks=tuple(_remarks(image)),
    )


def _shape(image: Instance) -> tuple[int, int]:
    rows, columns = image.get("Rows"), image.get("Columns")
    return (rows, columns) if isinstance(rows, int) and isinstance(columns, int) and min(rows, columns) > 0 else (1, 1)


def _types(image: Instance) -> set[str]:
    value = image.get("ImageType", ())
    return {str(v).upper() for v in (value if isinstance(value, tuple) else (value,))}


def _frames(image: Instance) -> int:
    value = image.get("NumberOfFrames", 1)
    return int(value) if isinstance(value, int | float) else 1


def _is_of_the_breast(image: Instance) -> bool:
    words = f"{image.get('BodyPartExamined', '')} {image.get('AnatomicRegionSequence', '')}".upper()
    return image.modality == "MG" or "BREAST" in words or "MAMMA" in words


def _not_a_mammogram(image: Instance) -> str:
    uid = image.sop_class_uid
    if uid in (*MAMMOGRAMS, *PROJECTIONS, BreastTomosynthesisImageStorage):
        return ""
    if image.modality in _OTHER_MODALITIES:
        return f"it is {_OTHER_MODALITIES[image.modality]}; only mammograms are read"
    if uid in (*RADIOGRAPHS, SecondaryCaptureImageStorage):
        return "" if _is_of_the_breast(image) else "nothing in its header says that it shows a breast"
    return f"it is no mammogram ({UID(uid).name})"


def _no_single_picture(image: Instance) -> str:
    """Tomosynthesis, projections, colour, screen copies."""
    types, tomo = _types(image), image.sop_class_uid == BreastTomosynthesisImageStorage
    if image.sop_class_uid in PROJECTIONS or ("TOMO_PROJ" in types and "GENERATED_2D" not in types):
        return "it holds projections of a tomosynthesis; this version reads its synthetic 2D view, if there is one"
    if _frames(image) > 1 or _is_slice(image, types):
        kind = "slices of a tomosynthesis" if tomo or image.modality == "MG" else "several frames"
        return f"it holds {kind}; this version reads its synthetic 2D view, if there is one, and no slices"
    if image.get("SamplesPerPixel", 1) != 1:
        return "it is a colour picture, a screen copy or a report, and not the mammogram itself"
    return "it is a screen copy of 8 bits, not the mammogram itself" if _is_screen_copy(image) else ""


def _is_slice(image: Instance, types: set[str]) -> bool:
    """A single slice of a volume; a synthetic view of it is called otherwise, or nothing."""
    return "TOMOSYNTHESIS" in types and "GENERATED_2D" not in types and not _is_named_synthetic(image)


def _is_screen_copy(image: Instance) -> bool:
    if _bits(image) > 8 or _is_film(image):
        return False
    captured = image.sop_class_uid == SecondaryCaptureImageStorage or "SECONDARY" in _types(image)
    return captured or image.get("BurnedInAnnotation") == "YES"


def _bits(image: Instance) -> int:
    value = image.get("BitsStored", image.get("BitsAllocated", 16))
    return int(value) if isinstance(value, int | float) else 16


def _is_film(image: Instance) -> bool:
    return image.get("DetectorType") == "FILM" or image.get("ConversionType") in _SCANNED


def _is_named_synthetic(image: Instance) -> bool:
    keywords = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription", "ImageComments")
    return bool(_SYNTHETIC.search(" ".join(str(image.get(k, "")) for k in keywords).upper()))


def _origin(image: Instance) -> Origin:
    if _is_film(image):
        return Origin.FILM
    synthetic = "GENERATED_2D" in _types(image) or _is_named_synthetic(image)
    return Origin.SYNTHETIC if synthetic or image.sop_class_uid == BreastTomosynthesisImageStorage else Origin.ACQUIRED


def _is_raw(image: Instance) -> bool:
    return is_raw(str(image.get("PresentationIntentType", "")), image.sop_class_uid)


def is_raw(intent: str, sop_class_uid: str) -> bool:
    """By Presentation Intent Type (0008,0068), and by the SOP class where that says neither."""
    intent = intent.upper()
    return intent == "FOR PROCESSING" or (intent != "FOR PRESENTATION" and sop_class_uid in FOR_PROCESSING)


def _unsuited(image: Instance) -> str:
    """Views and images of other purpose."""
    types, modifiers = _types(image), modifiers_of(image)
    special = next((_UNSUITED[m] for m in modifiers if m in _UNSUITED), "")
    if special:
        return f"it is {special}; only views of a whole breast are read"
    factor = magnification_of(image)
    if factor and factor >= MAGNIFIED:
        return f"it is a magnification view ({factor:.2g} times); only contact views of a whole breast are read"
    if any(t in _BIOPSY or t.startswith(("STEREO_", "PREFIRE", "POSTFIRE", "POSTBIOPSY")) for t in types):
        return "it was taken during a biopsy or a localisation; only views of a whole breast are read"
    if types & {"SUBTRACTION", "HIGH_ENERGY", "RECOMBINED"}:
        return "it is a recombined or high-energy image of a contrast mammogram; only its low-energy image is read"
    return _unsuited_object(image, modifiers)


def _unsuited_object(image: Instance, modifiers: tuple[Modifier, ...]) -> str:
    if image.get("QualityControlImage") == "YES" or image.get("CalibrationImage") == "YES":
        return "it is a quality control or calibration image"
    if _PIECE.search(str(image.get("SeriesDescription", "")).upper()):
        return "it is a mask or a piece cut out of a mammogram, not the mammogram itself"
    if image.get("PatientSex") == "M":
        return "its header says that the patient is a man; only breasts of women are read"
    if view_of(image) == "SPECIMEN":
        return "it shows a specimen, not a breast in a patient"
    if image.get("BreastImplantPresent") == "YES" and Modifier.IMPLANT_DISPLACED not in modifiers:
        return "an implant is in view; of breasts with implants only implant-displaced views are read"
    return ""


def too_small(spacing_mm: tuple[float, float], shape: tuple[int, int]) -> str:
    """Why an image of `shape` (rows, columns) is a thumbnail and no mammogram; "" where it may be one."""
    if max(spacing_mm) > COARSEST_MM:
        return (
            f"it is too small: {shape[1]} x {shape[0]} pixels, {max(spacing_mm):.2g} mm each; "
            f"{COARSEST_MM} mm is the coarsest that can be read"
        )
    short, long = sorted(n * mm for n, mm in zip(shape, spacing_mm, strict=True))
    if (long < LEAST_LONG_MM or short < LEAST_SHORT_MM) and max(shape) < FEW_PIXELS:
        return f"it is too small: {shape[1]} x {shape[0]} pixels, {long:.0f} x {short:.0f} mm of a breast"
    return ""


def _wrong_size(spacing_mm: tuple[float, float], shape: tuple[int, int]) -> str:
    why = too_small(spacing_mm, shape)
    if why:
        return why
    short, long = sorted(n * mm for n, mm in zip(shape, spacing_mm, strict=True))
    if long < LEAST_LONG_MM or short < LEAST_SHORT_MM:
        return f"it covers only {long:.0f} x {short:.0f} mm, a part of a breast; only views of a whole breast are read"
    return ""


def _unnamed(image: Instance, laterality: Laterality | None, view: str) -> str:
    if is_bilateral(image):
        return "it shows both breasts; only views of one breast are read"
    missing = [w for w, absent in (("the side", laterality is None), ("the view", not view)) if absent]
    if missing:
        return f"its header does not say {' and '.join(missing)}"
    return f"its view ({view}) is none that is read"


def _is_lossy(image: Instance) -> bool:
    """Lossy Image Compression (0028,2110), which stays "01" for good; or stored so now (PS3.3 C.7.6.1.1.5)."""
    return image.get("LossyImageCompression") == "01" or image.transfer_syntax_uid in _LOSSY


def _remarks(image: Instance) -> list[str]:
    said, modifiers = [], modifiers_of(image)
    others = [m.value for m in modifiers if m not in (*_UNSUITED, Modifier.IMPLANT_DISPLACED)]
    if Modifier.IMPLANT_DISPLACED in modifiers:
        said.append("The breast has an implant that was pushed out of the view; the tissue at the wall is not shown.")
    if others:
        said.append(f"A special view was read like a plain one: {', '.join(others)}.")
    if _origin(image) is Origin.SYNTHETIC:
        said.append("A synthetic 2D view was read; the models were not trained on such.")
    words = said_by_words(image)
    if words:
        said.append(f"Its {' and '.join(words)} stand in its description alone, and were taken from there.")
    if "LOW_ENERGY" in _types(image):
        said.append("The low-energy image of a contrast mammogram was read.")
    if image.get("PartialView") == "YES":
        said.append("A partial view was read: other images show the rest of this breast.")
    if _is_lossy(image):
        said.append("An image went through lossy compression: small calcifications may be lost or made up by it.")
    return said
