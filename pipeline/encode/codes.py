"""The codes that results are written in: standard ones, and our own where there is none (PS3.16 8.2, 99LANTERN)."""

from __future__ import annotations

import re

from pydicom import Dataset
from pydicom.sr.coding import Code

from pipeline.encode.text import short
from pipeline.findings import Lesion, Sought

FINDING_CATEGORY = Code("276214006", "SCT", "Finding category")

REJECTED_CATEGORY = Code("309825002", "SCT", "Spatial and Relational Concept")
REJECTED_TYPE = Code("111102", "DCM", "Non-lesion")
"""What a rejected candidate is written as: nothing that looks for neoplasms or for abnormal structures finds it."""

LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")

SCHEME = "99LANTERN"
AGREEMENT = Code("AGREEMENT", SCHEME, "Agreement of outlines in repeated readings")
ENHANCING_VOLUME = Code("ENHANCING_VOLUME", SCHEME, "Volume of enhancing part")
"""A name of its own: a reader that looks for Volume and overlooks modifiers must not take the part for the whole."""

CALIBRATED = Code("CALIBRATED", SCHEME, "Calibrated probability of a lesion")
SURFACE_DISTANCE = Code("SURFACE_DISTANCE", SCHEME, "From surface of lesion to surface of structure")
REJECTED_CANDIDATES = Code("REJECTED_ALL", SCHEME, "Rejected candidates, not lesions")
WITHOUT_PLACE = Code("WITHOUT_PLACE", SCHEME, "Findings without a place: of views, breasts, the study")
REJECTED_CANDIDATE = Code("REJECTED_ONE", SCHEME, "Rejected candidate, not a lesion")
REASON_AGAINST = Code("REASON_AGAINST", SCHEME, "Feature that spoke against a lesion")
THRESHOLD = Code("THRESHOLD", SCHEME, "Certainty from which a candidate is kept")

BRAIN = Code("12738006", "SCT", "Brain")
ABSORBED_DOSE = Code("128513", "DCM", "Absorbed Dose")
DOSE_IMAGE = Code("121342", "DCM", "Dose Image")
LARGEST_DOSE = Code("128531", "DCM", "Maximum Absorbed Radiation Dose")
PRESCRIPTION = Code("130009", "DCM", "Prescription Radiation Dose")
FRACTIONS = Code("121386", "DCM", "Number of Fractions Planned")
FRACTION = Code("121385", "DCM", "Current Fraction Number")
LINEAR_QUADRATIC = Code("130131", "DCM", "Linear-Quadratic Model")
DOSE_LIMIT = Code("130004", "DCM", "Maximum Radiation Dose")
VOLUME_LIMIT = Code("130017", "DCM", "Maximum Absolute Volume at Radiation Dose")
AT_DOSE = Code("130019", "DCM", "Specified Radiation Dose")

DOSE_ESTIMATE = Code("DOSE_ESTIMATE", SCHEME, "Estimated dose, not for treatment")
PROPOSAL = Code("PROPOSAL", SCHEME, "Proposed treatment")
ESTIMATED = Code("ESTIMATED", SCHEME, "Estimate, not for treatment")
EXCLUDED = Code("EXCLUDED", SCHEME, "Excluded from the proposed sessions")
SESSIONS = Code("SESSIONS_ALL", SCHEME, "Proposed treatment sessions")
SESSION = Code("SESSION_ONE", SCHEME, "Proposed treatment session")
SESSION_NUMBER = Code("SESSION_NUMBER", SCHEME, "Number of proposed session")
SESSION_DAY = Code("SESSION_DAY", SCHEME, "Day of proposed session")
SESSION_LESION = Code("SESSION_LESION", SCHEME, "Lesion treated in session")
SESSION_DOSE = Code("SESSION_DOSE", SCHEME, "Prescribed dose of one session")
SESSION_TIME = Code("SESSION_TIME", SCHEME, "Expected time of session")
V12 = Code("V12", SCHEME, "Volume that gets 12 Gy or more")
BED = Code("BED", SCHEME, "Biologically effective dose of all sessions")
CURVE = Code("CURVE_ALL", SCHEME, "Numbers of sessions that were tried")
OPTION = Code("CURVE_ONE", SCHEME, "Course of so many sessions")
COMPARISON = Code("COMPARISON_ALL", SCHEME, "Other ways to group the lesions")
COMPARED = Code("COMPARISON_ONE", SCHEME, "Way to group the lesions")
WAY = Code("WAY", SCHEME, "Name of grouping")
COUNT = Code("SESSION_COUNT", SCHEME, "Number of sessions")
LARGEST_V12 = Code("V12_LARGEST", SCHEME, "Largest V12 of a session")
SQUARED = Code("DOSE_SQUARED", SCHEME, "Integral of squared session doses")
GAP = Code("GAP", SCHEME, "Largest possible distance from the optimum")
PROVEN = Code("PROVEN", SCHEME, "Proven to be the optimum")
CHOSEN = Code("CHOSEN", SCHEME, "Chosen number of sessions")
EXCEEDED = Code("EXCEEDED", SCHEME, "Limit that is not kept")
WHY = Code("WHY", SCHEME, "Why a lesion is not in a session")
ALPHA_BETA = Code("ALPHA_BETA", SCHEME, "Alpha/beta ratio of brain and organs")
LIMITS = Code("LIMITS_ALL", SCHEME, "Limits that were looked at")
LIMIT = Code("LIMIT_ONE", SCHEME, "Limit")
REMARKED_VOLUME = Code("VOLUME_REMARKED", SCHEME, "Volume from which it is remarked")
PRESCRIPTIONS = Code("PRESCRIBED_ALL", SCHEME, "Prescriptions that were assumed")
PRESCRIBED = Code("PRESCRIBED_ONE", SCHEME, "Prescription of a lesion")
SOURCE = Code("SOURCE", SCHEME, "Source of value")
DOSE_METHOD = Code("DOSE_METHOD", SCHEME, "How doses were estimated")
GRADIENT_INDEX = Code("GRADIENT_INDEX", SCHEME, "Gradient index V50/V100")

YES = Code("373066001", "SCT", "Yes")
NO = Code("373067005", "SCT", "No")
GRAY = Code("Gy", "UCUM", "Gray")
GRAY2_ML = Code("Gy2.ml", "UCUM", "square gray milliliter")
ML = Code("cm3", "UCUM", "cubic centimeter")

RESULTS = Code("RESULTS_ALL", SCHEME, "Other objects of this run")
REJECTED_SEGMENTATION = Code("REJECTED_SEG", SCHEME, "Segmentation of rejected candidates")
PROBABILITY_MAP = Code("PROBABILITY_MAP", SCHEME, "Map of probability, voxel by voxel")
SUMMARY_PAGE = Code("SUMMARY_PAGE", SCHEME, "Summary to look at")

MISSED_ALL = Code("MISSED_ALL", SCHEME, "Not analysed")
MISSED = Code("MISSED_ONE", SCHEME, "What was not analysed")
IMAGE_UID = Code("IMAGE_UID", SCHEME, "SOP Instance UID of an image")

SUPERSEDED = Code("SUPERSEDED", SCHEME, "Series that this one supersedes")
CORRECTIONS = Code("CORRECTIONS_ALL", SCHEME, "Outlines that were sent")
CORRECTION = Code("CORRECTION_ONE", SCHEME, "Correction of an outline")
CORRECTED_BY = Code("CORRECTED_BY", SCHEME, "Sent by, as their object says")
EDITED_OBJECT = Code("EDITED_OBJECT", SCHEME, "Object with the corrections")
EDIT = Code("EDIT", SCHEME, "What was done to the outline")
EDITS = {
    "unchanged": Code("EDIT_UNCHANGED", SCHEME, "Outline unchanged"),
    "changed": Code("EDIT_CHANGED", SCHEME, "Outline changed"),
    "renamed": Code("EDIT_RENAMED", SCHEME, "Outline renamed"),
    "added": Code("EDIT_ADDED", SCHEME, "Outline added"),
    "deleted": Code("EDIT_DELETED", SCHEME, "Outline deleted"),
    "left out": Code("EDIT_LEFT_OUT", SCHEME, "Outline left out"),
}

_ORGANS = {
    "brainstem": (Code("119238007", "SCT", "Brain Stem"),),
    "cochlea": (Code("80169004", "SCT", "Cochlea"),),
    "optic chiasm": (Code("244453006", "SCT", "Optic chiasm"),),
    "optic nerve": (Code("18234004", "SCT", "Optic nerve"),),
    "optic tract": (Code("53238003", "SCT", "Optic tract"),),
}
_ORGANS["optic pathway"] = tuple(_ORGANS[part][0] for part in ("optic nerve", "optic chiasm", "optic tract"))
_SIDES = {"left": LEFT, "right": RIGHT}


def site_of(lesion: Lesion, sought: Sought) -> tuple[Code, Code | None] | None:
    """Finding site and laterality; that of the pipeline where no atlas said more; None where nobody knows."""
    if not lesion.site:
        return (sought.site, None) if sought.site else None
    code = lesion.site.code
    return Code(code.value, code.scheme_designator, short(code.meaning, 64)), lesion.site.laterality


def organ(name: str) -> tuple[tuple[Code, ...], Code | None]:
    """The codes of an organ at risk ("left cochlea") and its side.

    Several codes where none covers the whole (PS3.16 TID 300: Finding Site may be multiple); one of our own for an
    organ that has none here.
    """
    first, _, rest = name.strip().lower().partition(" ")
    side = _SIDES.get(first)
    bare = rest if side else name.strip().lower()
    own = Code(re.sub(r"[^A-Z0-9]+", "_", bare.upper())[:16], SCHEME, bare[:64])
    return _ORGANS.get(bare, (own,)), side


def code_item(code: Code) -> Dataset:
    """One item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = short(code.meaning, 64)  # dictionaries have characters of no width in some
    return item


def scheme_item() -> Dataset:
    """Who is responsible for 99LANTERN: an item of Coding Scheme Identification (PS3.3 C.12.1)."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeName = "Lantern private codes"
    item.CodingSchemeResponsibleOrganization = "Lantern"
    return item
