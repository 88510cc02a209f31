"""What an object says of a lesion beside where it is drawn: name, place in the body, kind of finding, certainty."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.sr.coding import Code

from pipeline.findings import Lesion, Sought
from pipeline.templates.items import Term, term

Place = tuple[Term | None, Term | None]
"""Where in the body, and on which side."""

TRACKED = re.compile(r"Tracking UID ([0-9.]+)")
"""How texts name a lesion where there is no attribute for it."""

_PROBABLE = re.compile(r"probability ([01]\.\d{3})")


def term_of(ds: Dataset, keyword: str) -> Term | None:
    """The first item of a code sequence."""
    items = ds.get(keyword)
    return coded(items[0]) if items else None


def coded(item: Dataset) -> Term | None:
    """A code, as an item of a sequence."""
    value = next((item.get(k) for k in ("CodeValue", "LongCodeValue", "URNCodeValue") if item.get(k)), None)
    return term(str(value), str(item.get("CodingSchemeDesignator") or "")) if value else None


def meant(code: Code) -> Term:
    """A code of the findings."""
    return term(code.value, code.scheme_designator)


def is_named(said: str, label: str, length: int) -> bool:
    """Whether `said` is `label` as a value of at most `length` characters can have it.

    Spaces, accents and marks are written in many ways, so letters and digits are compared; a name that nothing in ASCII
    stands for is not.
    """
    wanted = _letters(label)
    if wanted is None:
        return True
    found = _letters(said) or ""
    return wanted.startswith(found) if len(said) >= length - 1 else wanted == found


def _letters(text: str) -> str | None:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.sub(r"[^A-Za-z0-9]", "", plain) if plain.isascii() else None


def misplaced(told: set[Place], lesion: Lesion, sought: Sought, name: str) -> Iterator[str]:
    """Site and side against those of the findings; a lesion without one of its own may have that of the pipeline."""
    site = lesion.site
    if site is not None:
        wanted: Place = meant(site.code), meant(site.laterality) if site.laterality else None
        if told != {wanted}:
            sides = {side for _, side in told} != {wanted[1]}
            yield f"{name} is told to be {'on another side' if sides else 'in another part'} of the body than found"
    elif told - {(meant(sought.site), None) if sought.site else (None, None)}:
        yield f"{name} is told to be in a part of the body that nobody found it in"


def misdescribed(text: str, lesion: Lesion, name: str) -> Iterator[str]:
    """Tracking UID and probability, where a text for people names them."""
    said, probable = TRACKED.findall(text), _PROBABLE.findall(text)
    if said and lesion.tracking_uid not in said:
        yield f"the text about {name} has the tracking UID of another"
    if probable and lesion.probability is None:
        yield f"the text about {name} tells a probability, and there is none"
    elif probable and not any(abs(float(p) - (lesion.probability or 0)) < 1e-3 for p in probable):
        yield f"the text about {name} tells another probability than was found"
