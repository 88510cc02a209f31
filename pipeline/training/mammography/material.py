"""What every training of the mammography models starts from: looks of all images, and what is true of them.

Each image is read twice: plain, and as another scanner would have shown it (`tones`). Looks lie under
`runs/mammography/looks`: a picture and a page of JSON for each image and reading, and the affine maps of its pairs.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import ConfigInvalid, LanternError
from pipeline.datasets.mammo import Case, Collection, Finding, Pathology, cases
from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.imaging.mammogram.spacing import LONG_SIDE_MM
from pipeline.marks import Kind
from pipeline.recipes.mammography.looks import FINE_UM, LEVEL_MM, Look, look_from, look_of
from pipeline.recipes.mammography.partner import Partner, register
from pipeline.training.mammography.tones import drawn

Tell = Callable[[str, int, int], None]
"""What goes on, how many are done, of how many."""

LOW, STEPS = -0.2, 180
"""Looks are kept as whole steps of 1/180 from -0.2 to 1.2: finer than the noise of any film."""
LEAST_RADIUS_MM = 2.5
"""Of a lesion: marks this near to a smaller one have found it."""
PAIRS = "pairs.json"
SAME_WOMEN = frozenset({Collection.DDSM.value, Collection.CBIS.value})
"""CBIS-DDSM is a part of DDSM under other names: together, a woman would be in two folds."""


class Reading(StrEnum):
    """How the pictures were shown before they were read."""

    PLAIN = "plain"
    CHANGED = "changed"  #: by `tones.drawn`, all images of one study alike


@dataclass(frozen=True, slots=True)
class Lesion:
    """One finding. x, y, radius: in level pixels of the look, radius at least LEAST_RADIUS_MM; 0 where not placed.

    placed: somebody said where it is.
    """

    x: float
    y: float
    radius: float
    kind: Kind | None
    malignant: bool
    placed: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One image in one reading.

    patient: with the data set in front, so that it is unique; split by it.
    role:    laterality and view: "R-MLO".
    label:   abnormal: something was found on it, benign or not.
    tissue:  the data set's word for how dense the breast is.
    partner: name of the example that shows the other breast in the same view; affine: from here to there.
    """

    name: str
    collection: str
    patient: str
    study: str
    role: str
    label: bool
    malignant: bool
    lesions: tuple[Lesion, ...]
    tissue: str
    folder: Path
    reading: Reading = Reading.PLAIN
    partner: str | None = None
    affine: Partner | None = None

    def look(self) -> Look:
        """As the models see it."""
        return _load(_file(self.folder, self.name, self.reading, "npz"))

    @property
    def somewhere(self) -> bool:
        """Something is on the image of which nobody said where: it can teach and test the image's score alone."""
        return self.label and not any(lesion.placed for lesion in self.lesions)


def looks_folder(runs: Path) -> Path:
    """Where looks are kept."""
    return runs / "mammography" / "looks"


def make_looks(sets: Sequence[tuple[str, Path]], runs: Path, tell: Tell, workers: int = 1) -> None:
    """Read every image of the sets ("mias", folder) in every reading; goes on where it was stopped.

    Raises ConfigInvalid for sets that show the same women, looks that are kept already included.
    """
    kept = (json.loads(p.read_text()).get("collection", "") for p in looks_folder(runs).glob("*.json"))
    _expect_other_women({*(str(name) for name, _ in sets), *kept})
    read_material((c for name, folder in sets for c in cases(name, folder)), runs, tell, workers)


def _expect_other_women(collections: Iterable[str]) -> None:
    if set(collections) >= SAME_WOMEN:
        raise ConfigInvalid(
            "DDSM and CBIS-DDSM are the same women under two names: one would be learnt from and tested on at once",
            "train on one of the two; for the other give another folder with --runs",
        )


def read_material(given: Iterable[Case], runs: Path, tell: Tell, workers: int = 1) -> None:
    """The same for cases at hand. Images that show no breast are left out; the page of JSON says why."""
    folder, todo = looks_folder(runs), list(given)
    folder.mkdir(parents=True, exist_ok=True)
    names = [case.name for case in todo]
    if len(set(names)) < len(names):
        raise ConfigInvalid("two images of the sets have one name", "give each set once")
    with in_processes(workers) as each:
        for done, _ in enumerate(each(partial(_read_case, folder), todo), 1):
            tell("looks", done, len(todo))
    _pair_up(folder, tell)


@contextmanager
def in_processes(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map`, in `workers` processes where that is more than one."""
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool.map


def _file(folder: Path, name: str, reading: Reading, kind: str) -> Path:
    return folder / f"{name}.{reading.value}.{kind}"


def _read_case(folder: Path, case: Case) -> None:
    for reading in Reading:
        page = _file(folder, case.name, reading, "json")
        if not page.exists():
            write_whole(page, json.dumps(_read(folder, case, reading), indent=1).encode())


def write_whole(path: Path, content: bytes) -> None:
    """The file is there whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_bytes(content)
    part.replace(path)


def _read(folder: Path, case: Case, reading: Reading) -> dict[str, Any]:
    """Writes the look, and gives what there is to say of it; {"why": …} where there is no look."""
    try:
        picture = case.picture()
    except LanternError as error:
        return {"why": error.message}
    spacing = case.spacing_mm or (LONG_SIDE_MM / max(picture.shape),) * 2
    shape = picture.shape
    if reading is Reading.CHANGED:
        tones = drawn(np.random.default_rng(zlib.crc32(f"{case.collection}/{case.study}".encode())))
        picture, spacing = tones.applied(picture, spacing, zlib.crc32(case.name.encode()))
    pixels = prepare(picture, spacing, case.laterality, case.view, FINE_UM)
    if isinstance(pixels, str):
        return {"why": pixels}
    _keep(_file(folder, case.name, reading, "npz"), look_of(pixels))
    scale = picture.shape[1] / shape[1], picture.shape[0] / shape[0]
    findings = case.findings()
    return {
        "name": case.name,
        "collection": case.collection.value,
        "patient": f"{case.collection.value}-{case.patient}",
        "study": f"{case.collection.value}-{case.study}",
        "role": case.role,
        "label": bool(findings) or case.pathology in (Pathology.BENIGN, Pathology.MALIGNANT),
        "malignant": case.pathology is Pathology.MALIGNANT,
        "tissue": case.density_words or (case.density.value if case.density else ""),
        "lesions": [asdict(_lesion(f, pixels, scale)) for f in findings],
    }


def _lesion(finding: Finding, pixels: MammogramPixels, scale: tuple[float, float]) -> Lesion:
    """scale: (across, down) from pixels of the case to those of the picture that was read."""
    malignant = finding.pathology is Pathology.MALIGNANT
    if not finding.outline_px:
        return Lesion(0.0, 0.0, 0.0, finding.kind, malignant, False)
    per_level = LEVEL_MM * 1000 / pixels.canonical.spacing_um
    at = pixels.canonical.from_image(np.asarray(finding.outline_px) * scale) / per_level
    low, high = at.min(axis=0), at.max(axis=0)
    x, y = ((low + high) / 2).tolist()
    radius = max(float((high - low).mean()) / 2, LEAST_RADIUS_MM / LEVEL_MM)
    return Lesion(x, y, radius, finding.kind, malignant, True)


def _keep(path: Path, look: Look) -> None:
    steps = np.rint((look.fine - LOW) * STEPS).clip(0, 255).astype(np.uint8)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, fine=steps, breast=look.breast, muscle=look.muscle)
    part.replace(path)


def _load(path: Path) -> Look:
    with np.load(path) as kept:
        steps, breast, muscle = kept["fine"], kept["breast"], kept["muscle"]
    return look_from((np.arange(256, dtype=np.float32) / STEPS + np.float32(LOW))[steps], breast, muscle)


def examples(runs: Path, reading: Reading = Reading.PLAIN) -> tuple[Example, ...]:
    """All images that were read, in the order of their names.

    Raises ConfigInvalid when there are none, or of sets that show the same women.
    """
    folder = looks_folder(runs)
    pages = [json.loads(p.read_text()) for p in sorted(folder.glob(f"*.{reading.value}.json"))]
    pairs = json.loads((folder / PAIRS).read_text()) if (folder / PAIRS).exists() else {}
    if not any("name" in page for page in pages):
        raise ConfigInvalid(f"no looks are in {folder}", "run the stage looks first")
    _expect_other_women(str(page.get("collection", "")) for page in pages)
    return tuple(_example(page, folder, reading, pairs) for page in pages if "name" in page)


def _example(page: dict[str, Any], folder: Path, reading: Reading, pairs: dict[str, Any]) -> Example:
    lesions = tuple(Lesion(**{**row, "kind": row["kind"] and Kind(row["kind"])}) for row in page.pop("lesions"))
    made = Example(**page, lesions=lesions, folder=folder, reading=reading)
    found = pairs.get(f"{made.name}.{reading.value}")
    return _paired(made, found) if found else made


def _paired(example: Example, found: dict[str, Any]) -> Example:
    (a, b), (c, d) = found["matrix"]
    return replace(example, partner=found["partner"], affine=Partner(((a, b), (c, d)), tuple(found["offset"])))


def _pair_up(folder: Path, tell: Tell) -> None:
    """Both breasts of one study in one view, laid over each other, in each reading."""
    path = folder / PAIRS
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for reading in Reading:
        pairs = _pairs([json.loads(p.read_text()) for p in sorted(folder.glob(f"*.{reading.value}.json"))])
        for done, (one, other) in enumerate(pairs, 1):
            if f"{one}.{reading.value}" not in known:
                here, there = (_load(_file(folder, name, reading, "npz")) for name in (one, other))
                onto = register(here, there)
                known[f"{one}.{reading.value}"] = {"partner": other, **asdict(onto)}
                known[f"{other}.{reading.value}"] = {"partner": one, **asdict(onto.inverse)}
            tell(f"pairs, {reading.value}", done, len(pairs))
    write_whole(path, json.dumps(known).encode())


def _pairs(pages: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Names (right, left), in their order where a study has several images of one view."""
    by_role: dict[tuple[str, str], list[str]] = {}
    for page in pages:
        if "name" in page:
            by_role.setdefault((page["study"], page["role"]), []).append(page["name"])
    rights = [(key, names) for key, names in by_role.items() if key[1].startswith("R-")]
    lefts = [(names, by_role.get((study, "L-" + role[2:]), [])) for (study, role), names in rights]
    return [pair for ours, theirs in lefts for pair in zip(ours, theirs, strict=False)]


def folds(
    given: Sequence[Example], seed: int = 0, count: int = 5, known: Mapping[str, int] | None = None
) -> dict[str, int]:
    """By patient, 0…count - 1, alike in women with a malignant, with a benign and with no finding.

    known: women dealt before. They stay where they are, and the others are dealt in.
    """
    rng, which = np.random.default_rng(seed), dict(known or {})
    dealt = len(which)
    worst = {e.patient: 0 for e in given if e.patient not in which}
    for example in given:
        if example.patient in worst:
            worst[example.patient] = max(worst[example.patient], 2 * example.malignant + example.label)
    for stratum in sorted(set(worst.values()), reverse=True):
        patients = sorted(p for p in worst if worst[p] == stratum)
        rng.shuffle(patients)
        for patient in patients:
            which[patient] = dealt % count
            dealt += 1
    return which
