"""Views of the breast and what is special about them, as codes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom import Dataset
from pydicom.sr.coding import Code

from pipeline.datasets.mg_habits import Modifier

VIEW_CODES: Mapping[str, Code] = MappingProxyType(
    {
        "CC": Code("399162004", "SCT", "cranio-caudal"),
        "MLO": Code("399368009", "SCT", "medio-lateral oblique"),
        "ML": Code("399260004", "SCT", "medio-lateral"),
        "LM": Code("399352003", "SCT", "latero-medial"),
        "LMO": Code("399099002", "SCT", "latero-medial oblique"),
        "FB": Code("399196006", "SCT", "caudo-cranial (from below)"),
        "SIO": Code("399188001", "SCT", "superolateral to inferomedial oblique"),
        "ISO": Code("441555000", "SCT", "inferomedial to superolateral oblique"),
        "XCCL": Code("399192008", "SCT", "cranio-caudal exaggerated laterally"),
        "XCCM": Code("399101009", "SCT", "cranio-caudal exaggerated medially"),
    }
)
"""View Position as mammographs write it -> View Code Sequence (PS3.16 CID 4014)."""

MODIFIER_CODES: Mapping[Modifier, Code] = MappingProxyType(
    {
        Modifier.IMPLANT_DISPLACED: Code("399209000", "SCT", "Implant Displaced"),
        Modifier.MAGNIFICATION: Code("399163009", "SCT", "Magnification"),
        Modifier.SPOT: Code("399055006", "SCT", "Spot Compression"),
        Modifier.ROLLED_LATERAL: Code("399197002", "SCT", "Rolled Lateral"),
        Modifier.ROLLED_MEDIAL: Code("399226006", "SCT", "Rolled Medial"),
        Modifier.AXILLARY_TAIL: Code("399011000", "SCT", "Axillary Tail"),
        Modifier.CLEAVAGE: Code("399161006", "SCT", "Cleavage"),
        Modifier.TANGENTIAL: Code("399110001", "SCT", "tangential"),
    }
)
"""PS3.16 CID 4015."""


def coded(code: Code) -> Dataset:
    """One item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
