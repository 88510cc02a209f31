"""What the models were trained on, said from the examples themselves: in DICOM, in weights.toml, to the evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.mammo import Collection
from pipeline.recipes.mammography.weights import WOMEN
from pipeline.training.mammography.material import Example, write_whole
from pipeline.weights import DataEntry


@dataclass(frozen=True, slots=True)
class _About:
    """A data set. people: "British women about 1990"; note: how its lesions are drawn, "" where it is not said."""

    origin: str
    licence: str
    digital: bool = False
    people: str = "women"
    note: str = ""
    binds: str = ""


LICENCE = "Apache-2.0"
_TERMS = "terms of the data set: see its makers; they may bind what was learnt from it"
_ABOUT = {
    Collection.MIAS: _About(
        "J. Suckling et al. 1994, The Mammographic Image Analysis Society digital mammogram database",
        "as bundled: for research purposes only; release 1.21 at Cambridge Apollo: CC BY 2.0 UK, to be confirmed",
        people="British women about 1990",
        note="lesions drawn as circles",
        binds="mini-MIAS films, which are for research purposes only",
    ),
    Collection.DDSM: _About("M. Heath et al. 2001, The Digital Database for Screening Mammography", _TERMS),
    Collection.CBIS: _About("R. S. Lee et al. 2017, CBIS-DDSM, The Cancer Imaging Archive", _TERMS),
    Collection.INBREAST: _About("I. C. Moreira et al. 2012, INbreast", _TERMS, digital=True),
    Collection.VINDR: _About("H. T. Nguyen et al. 2023, VinDr-Mammo, PhysioNet", _TERMS, digital=True),
    Collection.RSNA: _About("RSNA Screening Mammography Breast Cancer Detection, 2023", _TERMS, digital=True),
    Collection.FILM: _About("film scans of whoever trained", "their owner's"),
}
_VIEWS = {"MLO": "oblique", "CC": "craniocaudal"}


def training(given: Sequence[Example]) -> str:
    """One sentence on all that was learnt from, made-up women included, for every result."""
    end = "" if _digital(given) else "; no digital mammogram"
    sets = "; ".join(_set(one, _of(given, one)) for one in _collections(given))
    return f"{sets}; and breasts and lesions that were made up{end}"


def entries(given: Sequence[Example]) -> tuple[DataEntry, ...]:
    """Each data set, for weights.toml."""
    return tuple(
        DataEntry(f"{one.words}, {_women(_of(given, one))} women", _ABOUT[one].origin, _ABOUT[one].licence)
        for one in _collections(given)
    )


def licence(given: Sequence[Example]) -> str:
    """Of a model, for weights.toml: this project's, and what the data sets that it was learnt from may add to it."""
    bound = [_ABOUT[one].binds or f"{one.words}, whose terms may bind" for one in _collections(given)]
    return "; ".join([LICENCE, *(f"learnt from {words}" for words in bound)])


def material(given: Sequence[Example]) -> str:
    """ "258 old films (oblique views) of 129 women", for the evidence tier."""
    digital = len(_digital(given))
    films = len(given) - digital
    kinds = [f"{films} old films"] * (films > 0) + [f"{digital} digital mammograms"] * (digital > 0)
    return f"{' and '.join(kinds)} ({_views(given)} views) of {_women(given)} women"


def untried(given: Sequence[Example]) -> str:
    """What the figures say nothing of, to end the evidence tier; "" where there is nothing of the sort."""
    return "" if _digital(given) else "; not tried on digital mammograms with known truth"


def keep_women(folder: Path, model: str, given: Sequence[Example]) -> None:
    """Beside the weights: the women that a model has seen, by the words of the public data sets.

    Women of one's own film scans are left out: their names are nobody else's business, and no truth is known of them.
    """
    path = folder / WOMEN
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    known[model] = sorted({e.patient for e in given if e.collection != Collection.FILM})
    write_whole(path, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())


def _set(one: Collection, its: Sequence[Example]) -> str:
    about, what = _ABOUT[one], "digital mammograms" if _ABOUT[one].digital else "films"
    alone = " alone" if len({_view(e) for e in its}) == 1 else ""
    note = f", {about.note}" if about.note else ""
    return f"{one.words}: {len(its)} {what} of {_women(its)} {about.people}, {_views(its)} views{alone}{note}"


def _collections(given: Sequence[Example]) -> list[Collection]:
    return [one for one in Collection if _of(given, one)]


def _of(given: Sequence[Example], one: Collection) -> list[Example]:
    return [e for e in given if e.collection == one.value]


def _digital(given: Sequence[Example]) -> list[Example]:
    return [e for e in given if _ABOUT[Collection(e.collection)].digital]


def _women(given: Sequence[Example]) -> int:
    return len({e.patient for e in given})


def _view(example: Example) -> str:
    return example.role.partition("-")[2]


def _views(given: Sequence[Example]) -> str:
    return " and ".join(_VIEWS.get(v, v) for v in sorted({_view(e) for e in given}, reverse=True))
