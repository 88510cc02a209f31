"""What objects say of a lesion beside where it is: outlines in reports, rows, codes, names, key images."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset

from pipeline.core.forms import Coordinates, Form
from pipeline.core.result import Kind
from pipeline.core.uid import derive_uid
from pipeline.encode import encode, to_bytes
from pipeline.findings import Extra, Findings
from pipeline.proof import prove
from pipeline.sessions.case import Wishes
from tests.support import planted as p
from tests.support.findings import STAMP, Grid, findings_on, planned, sited, spheres, with_rejected, write_classic

GRID = Grid((14, 48, 48), (3.0, 0.9, 0.7), "oblique")
DEFAULT, IN_PIXELS, IN_SPACE = "default", "in pixels", "in space"
FORMS = {
    DEFAULT: Form(),
    IN_PIXELS: Form(coordinates=Coordinates.IMAGE),
    IN_SPACE: Form(left_out=frozenset({Kind.SEG})),
}


def labels() -> np.ndarray:
    """Two lesions, the first of which is like itself in no mirror."""
    made = spheres(GRID, ((4, 14, 12), 12.0), ((9, 34, 30), 9.0))
    made[4:7, 8:14, 4:9] = 1
    made[4, 13:16, 11:14] = 0
    return made


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    refs = write_classic(tmp_path_factory.mktemp("images"), GRID)
    told = sited(findings_on(refs, GRID, labels()))
    rejected = with_rejected(told, GRID, spheres(GRID, ((11, 12, 36), 6.0)), drawn=True)
    return planned(rejected, Wishes(sessions=2), extras=(Extra.DOSE_MAP,))


@pytest.fixture(scope="module")
def sets(found: Findings) -> dict[str, dict[str, bytes]]:
    return {
        which: {e.name: to_bytes(e.dataset) for e in encode(found, replace(STAMP, form=form))}
        for which, form in FORMS.items()
    }


@pytest.mark.parametrize("which", FORMS)
def test_nothing_is_wrong_with_what_was_encoded(sets: dict[str, dict[str, bytes]], found: Findings, which: str) -> None:
    assert prove(list(sets[which].values()), found) == ()


def _outlines(group: Dataset) -> list[Dataset]:
    return [i for i in group.ContentSequence if i.get("ValueType") in ("SCOORD", "SCOORD3D")]


def _groups(ds: Dataset) -> list[list[Dataset]]:
    return [_outlines(group) for group in p.named(ds, "125007")]


def _reference(outline: Dataset) -> Dataset:
    return outline.ContentSequence[0].ReferencedSOPSequence[0]


def _redrawn(change: Callable[[np.ndarray], np.ndarray]) -> p.Spoil:
    """Corners (n, 2) of every outline in pixels."""

    def spoil(ds: Dataset) -> None:
        for outline in (o for group in _groups(ds) for o in group):
            outline.GraphicData = change(np.array(outline.GraphicData, float).reshape(-1, 2)).ravel().tolist()

    return spoil


def _mirror(corners: np.ndarray) -> np.ndarray:
    return np.stack([corners[:, 0].min() + corners[:, 0].max() - corners[:, 0], corners[:, 1]], axis=1)


def _strip(corners: np.ndarray) -> np.ndarray:
    """Twice as broad and half as high, about the same centre: the area stays."""
    x, y = corners.T
    cross = x[:-1] * y[1:] - x[1:] * y[:-1]
    centre = ((corners[:-1] + corners[1:]) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    return np.asarray(centre + (corners - centre) * (2, 0.5))


def _shuffled(ds: Dataset) -> None:
    for group in _groups(ds):
        uids = [str(_reference(o).ReferencedSOPInstanceUID) for o in group]
        for outline, uid in zip(group, [*uids[1:], uids[0]], strict=True):
            _reference(outline).ReferencedSOPInstanceUID = uid


def _smallest_elsewhere(ds: Dataset) -> None:
    group = sorted(_groups(ds)[1], key=lambda o: len(o.GraphicData))
    _reference(group[0]).ReferencedSOPInstanceUID = _reference(group[-1]).ReferencedSOPInstanceUID


def _one_lost(ds: Dataset) -> None:
    group = p.named(ds, "125007")[1]
    smallest = min(_outlines(group), key=lambda o: len(o.GraphicData))
    group.ContentSequence = [i for i in group.ContentSequence if i is not smallest]


def _flattened(ds: Dataset) -> None:
    """All polygons of a lesion on the plane of the middle one."""
    normal = GRID.affine[:3, 0] / np.linalg.norm(GRID.affine[:3, 0])
    for group in _groups(ds):
        points = [np.array(o.GraphicData, float).reshape(-1, 3) for o in group]
        middle = float(np.median([corners[0] @ normal for corners in points]))
        for outline, corners in zip(group, points, strict=True):
            outline.GraphicData = (corners + np.outer(middle - corners @ normal, normal)).ravel().tolist()


def _tilted(ds: Dataset) -> None:
    outline = _groups(ds)[0][0]
    points = np.array(outline.GraphicData, float).reshape(-1, 3)
    points[1] += GRID.affine[:3, 0] / 10
    outline.GraphicData = points.ravel().tolist()


def _without(code: str) -> p.Spoil:
    def spoil(ds: Dataset) -> None:
        for item in [ds, *p.below(ds)]:
            if item.get("ContentSequence"):
                item.ContentSequence = [c for c in item.ContentSequence if not _is(c, code)]

    return spoil


def _is(item: Dataset, code: str) -> bool:
    names = item.get("ConceptNameCodeSequence")
    return bool(names and names[0].CodeValue == code)


def _number(code: str, value: str, at: int = 0) -> p.Spoil:
    return lambda ds: setattr(p.named(ds, code)[at].MeasuredValueSequence[0], "NumericValue", value)


def _sides(ds: Dataset) -> None:
    other = {"7771000": "24028007", "24028007": "7771000"}
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                _sides(item)
        elif element.keyword == "CodeValue":
            element.value = other.get(element.value, element.value)


def _names(ds: Dataset) -> None:
    first, second = p.named(ds, "112039")[:2]
    first.TextValue, second.TextValue = second.TextValue, first.TextValue


def _other_series(ds: Dataset) -> None:
    for item in p.named(ds, "121232"):
        item.UID = "1.2.3"


def _other_map(ds: Dataset) -> None:
    first, second = (i.ReferencedSOPSequence[0] for box in p.named(ds, "SESSION_ONE") for i in p.named(box, "121342"))
    first.ReferencedSOPInstanceUID = second.ReferencedSOPInstanceUID


def _treated_elsewhere(ds: Dataset) -> None:
    first, second = p.named(ds, "SESSION_ONE")
    first.ContentSequence, second.ContentSequence = (
        [*(i for i in one.ContentSequence if not _is(i, "SESSION_LESION")), *p.named(other, "SESSION_LESION")]
        for one, other in ((first, second), (second, first))
    )


def _texts(ds: Dataset) -> None:
    first, second = ds.SegmentSequence
    first.SegmentDescription, second.SegmentDescription = second.SegmentDescription, first.SegmentDescription


def _improbable(ds: Dataset) -> None:
    item = ds.SegmentSequence[0]
    item.SegmentDescription = re.sub(r"probability [\d.]+", "probability 0.001", item.SegmentDescription)


def _coded(value: str) -> p.Spoil:
    return p.each(lambda ds: [s.SegmentedPropertyTypeCodeSequence[0] for s in ds.SegmentSequence], CodeValue=value)


def _key_images(ds: Dataset) -> list[Dataset]:
    return [i.ReferencedSOPSequence[0] for i in p.named(ds, "121080")]


def _no_lesion_there(ds: Dataset) -> None:
    _key_images(ds)[0].ReferencedSOPInstanceUID = _images(ds)[0]


def _images(ds: Dataset) -> list[str]:
    return [derive_uid("image", str(i)) for i in range(GRID.shape[0])]


def _one_key_image(ds: Dataset) -> None:
    first, second = _key_images(ds)
    second.ReferencedSOPInstanceUID = first.ReferencedSOPInstanceUID


def _map_twice(ds: Dataset) -> None:
    values = np.frombuffer(ds.FloatPixelData, "<f4").reshape(-1, ds.Rows, ds.Columns)
    wrong = np.full_like(values[:1], 50.0)
    ds.FloatPixelData = np.concatenate([wrong, values]).tobytes()
    _frame_more(ds, len(values) // 2)


def _segment_twice(ds: Dataset) -> None:
    """An empty frame before the right one."""
    array = ds.pixel_array
    p.pixels(lambda a: np.concatenate([np.zeros_like(a[:1]), a]))(ds)
    _frame_more(ds, len(array) // 2)


def _frame_more(ds: Dataset, at: int) -> None:
    ds.PerFrameFunctionalGroupsSequence = [deepcopy(p.frames(ds)[at]), *p.frames(ds)]
    ds.NumberOfFrames = len(ds.PerFrameFunctionalGroupsSequence)


def _undescribed(ds: Dataset) -> None:
    for item in ds.StructureSetROISequence:
        del item.ROIDescription


PLANTED = [
    (IN_PIXELS, "SR", "mirrored in place", _redrawn(_mirror), "not the mask of lesion 1"),
    (IN_PIXELS, "SR", "strips", _redrawn(_strip), "not the mask of lesion 2"),
    (IN_PIXELS, "SR", "images shuffled", _shuffled, "not the mask of lesion 1"),
    (IN_PIXELS, "SR", "the smallest on another image", _smallest_elsewhere, "lesion 2"),
    (IN_PIXELS, "SR", "the smallest lost", _one_lost, "of its voxels are missing"),
    (IN_SPACE, "SR", "flattened", _flattened, "not the mask of lesion 1"),
    (IN_SPACE, "SR", "tilted", _tilted, "outline 1 of lesion 1 lies up to 0.30 mm from the nearest image"),
    (IN_SPACE, "SR", "no outlines", _without("121231"), "lesion 1 has no place"),
    (DEFAULT, "SR", "no segments", _without("121191"), "lesion 1 has no place in the report"),
    (DEFAULT, "SR", "no volumes", _without("118565006"), "gives lesion 1 no volume"),
    (DEFAULT, "SR", "no certainty", _without("111012"), "gives rejected candidate 1 no certainty"),
    (DEFAULT, "SR", "certainty", _number("111012", "0.1"), "gives lesion 1 a certainty of 0.1 %, and 90.0 were"),
    (DEFAULT, "SR", "agreement", _number("AGREEMENT", "99"), "gives lesion 1 a agreement of 99.0"),
    (DEFAULT, "SR", "distance", _number("121206", "1"), "other distances to organs at risk"),
    (DEFAULT, "SR", "prescription", _number("130009", "60"), "gives lesion 1 other sessions or doses"),
    (DEFAULT, "SR", "session", _number("SESSION_NUMBER", "7"), "gives lesion 1 other sessions or doses"),
    (DEFAULT, "SR", "V12", _number("V12", "0.5"), "session 1 another day, or other volumes and doses"),
    (DEFAULT, "SR", "session dose", _number("SESSION_DOSE", "1"), "another dose in session 1"),
    (DEFAULT, "SR", "lesions of sessions", _treated_elsewhere, "treats other lesions in session 1"),
    (DEFAULT, "SR", "dose of a session", _other_map, "session 1 points at the dose of another session"),
    (DEFAULT, "SR", "sides", _sides, "lesion 1 is told to be on another side"),
    (DEFAULT, "SR", "no sites", _without("363698007"), "lesion 1 is told to be"),
    (DEFAULT, "SR", "names", _names, "names lesion 1 as something else"),
    (DEFAULT, "SR", "source series", _other_series, "drawn on another series"),
    (DEFAULT, "SR", "no rejected", _without("REJECTED_ONE"), "rejected candidate 1 is not in the report"),
    (DEFAULT, "SEG", "sides", _sides, "lesion 1 is told to be on another side"),
    (DEFAULT, "SEG", "kind", _coded("4147007"), "coded as another finding"),
    (DEFAULT, "SEG_REJECTED", "kind", _coded("14799000"), "coded as another finding"),
    (DEFAULT, "SEG", "texts", _texts, "text about lesion 1 has the tracking UID of another"),
    (DEFAULT, "SEG", "probability", _improbable, "text about lesion 1 tells another probability"),
    (DEFAULT, "SEG", "a place twice", _segment_twice, "frame .* lies where another of its segment does"),
    (DEFAULT, "PM_1", "a place twice", _map_twice, "two frames of the dose of session 1 lie at the same place"),
    (DEFAULT, "RTSTRUCT", "volume", p.each(lambda ds: ds.StructureSetROISequence, ROIVolume="99"), "99.000 cm3"),
    (DEFAULT, "RTSTRUCT", "type",
     p.each(lambda ds: ds.RTROIObservationsSequence, RTROIInterpretedType="ORGAN"), "is said to be ORGAN"),
    (DEFAULT, "RTSTRUCT", "no tracking UIDs", _undescribed, "does not tell its tracking UID"),
    (DEFAULT, "RTSTRUCT", "names", p.each(lambda ds: ds.StructureSetROISequence[:1], ROIName="BM99"), "not named as"),
    (DEFAULT, "KO", "no lesion", _no_lesion_there, "key image 1 shows no lesion"),
    (DEFAULT, "KO", "one for two", _one_key_image, "no key image shows lesion 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("which", "name", "spoil", "words"),
    [(f, n, s, w) for f, n, _, s, w in PLANTED],
    ids=[f"{n} {f}: {what}" for f, n, what, _, _ in PLANTED],
)
def test_a_planted_fault_is_caught_and_told(
    sets: dict[str, dict[str, bytes]], found: Findings, which: str, name: str, spoil: p.Spoil, words: str
) -> None:
    among = sets[which] if name in ("SR", "KO") else {}
    made = {n: data for n, data in among.items() if n != name}
    said = prove([*made.values(), p.spoiled(sets[which][name], spoil)], found)
    assert any(re.search(words, fault.words, re.IGNORECASE) for fault in said), said
    assert len({fault.sop_instance_uid for fault in said}) == 1
    assert not any("cannot be decoded" in fault.words for fault in said)


TYPED = ("GTV  1", "GTV\\1", "GTV\t1", " GTV ", "x" * 80, "word " * 20, "Métastase", "GTV\x7f", "転移", "")


@pytest.mark.parametrize("typed", TYPED, ids=[repr(typed[:12]) for typed in TYPED])
def test_names_that_people_type_are_no_fault(found: Findings, typed: str) -> None:
    first, second = found.lesions
    named = replace(first, name=typed), replace(second, label=typed or "BM02", site=None, name=typed)
    plain = replace(found, lesions=named, planned=None, extras=frozenset(), rejected=(), rejected_labels=None)
    assert prove([to_bytes(e.dataset) for e in encode(plain, STAMP)], plain) == ()


def test_a_segment_of_a_nameless_lesion_is_no_fault(found: Findings) -> None:
    first, second = found.lesions
    plain = replace(found, lesions=(replace(first, label="", site=None), second), planned=None, extras=frozenset())
    assert prove([to_bytes(e.dataset) for e in encode(plain, STAMP)], plain) == ()
