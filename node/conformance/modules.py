"""To which module of its IOD an attribute belongs (PS3.3 annex A), as the tables that highdicom carries have it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from highdicom._standard_utils import (  # the only copy of PS3.3's tables among what is installed
    get_iod_module_map,
    get_module_attribute_map,
    get_sop_class_iod_map,
)

USAGE = {"M": "Mandatory", "C": "Conditional", "U": "User optional"}
ELSEWHERE = "Further attributes"
"""Of no module of the IOD: what makes an object one of a standard extended SOP Class (PS3.2 7.3)."""

_LETTERS = {"sop", "sr", "rt", "roi", "lut", "voi", "sc", "icc", "dvh"}


@dataclass(frozen=True, slots=True)
class ModuleOf:
    """A module of one IOD and the keywords at its top level."""

    name: str
    ie: str
    usage: str
    keywords: frozenset[str]


@cache
def modules_of(sop_class_uid: str) -> tuple[ModuleOf, ...]:
    """The modules of a SOP Class, in the order of its IOD; none where the tables do not know it."""
    iod = get_sop_class_iod_map().get(sop_class_uid)
    return tuple(
        ModuleOf(title(m["key"]), m["ie"], USAGE[m["usage"]], _keywords(m["key"]))
        for m in get_iod_module_map().get(iod, [])
    )


def module_of(sop_class_uid: str, keyword: str) -> ModuleOf:
    """The first module of the IOD that has the attribute; one called ELSEWHERE where none has."""
    found = (m for m in modules_of(sop_class_uid) if keyword in m.keywords)
    return next(found, ModuleOf(ELSEWHERE, "", "", frozenset()))


@cache
def _keywords(module: str) -> frozenset[str]:
    return frozenset(a["keyword"] for a in get_module_attribute_map().get(module, []) if not a["path"])


def title(key: str) -> str:
    """A module's name: "sop-common" is SOP Common."""
    return " ".join(w.upper() if w in _LETTERS else w.capitalize() for w in key.split("-"))
