"""Marks on mammograms: every outline and centre is read again on its image, and what is planted there is caught."""

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from pipeline.encode import encode, to_bytes
from pipeline.marks import MarkedStudy
from pipeline.proof import prove
from tests.support import planted as p
from tests.support.findings import STAMP
from tests.support.mammograms import COLUMNS, marked, unmarked, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> MarkedStudy:
    return marked(write_study(tmp_path_factory.mktemp("views")))


@pytest.fixture(scope="module")
def files(study: MarkedStudy) -> dict[str, bytes]:
    return {e.name: to_bytes(e.dataset) for e in encode(study, STAMP)}


def test_nothing_is_wrong_with_what_was_encoded(files: dict[str, bytes], study: MarkedStudy) -> None:
    assert prove(list(files.values()), study) == ()


def test_nothing_is_wrong_with_a_study_without_marks(tmp_path: Path) -> None:
    study = unmarked(write_study(tmp_path))
    assert prove([to_bytes(e.dataset) for e in encode(study, STAMP)], study) == ()


def _scoords(ds: Dataset) -> list[Dataset]:
    return [item for item in p.below(ds) if item.get("ValueType") == "SCOORD"]


def _mirrored(item: Dataset) -> None:
    item.GraphicData = [COLUMNS - v if k % 2 == 0 else v for k, v in enumerate(item.GraphicData)]


def _mirror(ds: Dataset) -> None:
    for item in _scoords(ds):
        _mirrored(item)


def _two_pixels(ds: Dataset) -> None:
    _scoords(ds)[0].GraphicData = [v + 2 for v in _scoords(ds)[0].GraphicData]


def _exchanged(ds: Dataset) -> None:
    """Columns for rows."""
    for item in _scoords(ds):
        values = list(item.GraphicData)
        item.GraphicData = [values[k ^ 1] for k in range(len(values))]


def _other_image(ds: Dataset) -> None:
    image = next(i for i in _scoords(ds)[0].ContentSequence if i.get("ValueType") == "IMAGE")
    other = next(i for i in _scoords(ds)[1].ContentSequence if i.get("ValueType") == "IMAGE")
    image.ReferencedSOPSequence = other.ReferencedSOPSequence


def _other_entry(ds: Dataset) -> None:
    pointer = _scoords(ds)[0].ContentSequence[0]
    position = list(pointer.ReferencedContentItemIdentifier)
    pointer.ReferencedContentItemIdentifier = [*position[:-1], position[-1] % 4 + 1]


def _other_breast(ds: Dataset) -> None:
    site = next(i for i in p.named(ds, "363698007") if "ContentSequence" in i)
    code = site.ContentSequence[0].ConceptCodeSequence[0]
    code.CodeValue = "7771000" if code.CodeValue == "24028007" else "24028007"


def _sides(ds: Dataset) -> None:
    for item in p.named(ds, "111027"):
        code = item.ConceptCodeSequence[0]
        code.CodeValue = "80248007" if code.CodeValue == "73056007" else "73056007"


def _lost(ds: Dataset) -> None:
    (box,) = p.named(ds, "126010")
    box.ContentSequence = box.ContentSequence[1:]


def _drawn(ds: Dataset) -> Dataset:
    return ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0]


def _area(ds: Dataset) -> None:
    ds.DisplayedAreaSelectionSequence[0].DisplayedAreaTopLeftHandCorner = [20, 1]


def _not_drawn(ds: Dataset) -> None:
    ds.GraphicAnnotationSequence[0].GraphicObjectSequence = []


def _in_display(ds: Dataset) -> None:
    _drawn(ds).GraphicAnnotationUnits = "DISPLAY"


PLANTED = [
    ("SR", "mirrored", _mirror, "as if left and right of the image were exchanged"),
    ("SR", "two pixels off", _two_pixels, r"the outline of mark 1 is \+2\.0 pixels across and \+2\.0 down off"),
    ("SR", "rows for columns", _exchanged, "the outline of mark 1 is .* off"),
    ("SR", "on another image", _other_image, "mark 1 was found on R-CC and is drawn on R-MLO"),
    ("SR", "the other breast", _other_breast, "is told to be in the other breast"),
    ("SR", "image of the other breast", _sides, "an image of the left breast is listed as one of the other"),
    ("SR", "a mark left out", _lost, "mark 1 has 0 measurement groups"),
    ("CADSR", "mirrored", _mirror, "the centre of mark 2 is .*as if left and right of the image were exchanged"),
    ("CADSR", "on another image", _other_entry, "was found on R-CC and is drawn on L-CC"),
    ("CADSR", "sides", _sides, "an image of the right breast is listed as one of the other"),
    ("GSPS_2", "mirrored", lambda ds: _mirrored(_drawn(ds)), "as if left and right of the image were exchanged"),
    ("GSPS_1", "not all displayed", _area, "it does not display the whole of R-CC"),
    ("GSPS_1", "not drawn", _not_drawn, "mark 1 is not drawn on its image"),
    ("GSPS_1", "units", _in_display, "the outline of mark 1 is not in pixels"),
]


@pytest.mark.parametrize(
    ("name", "spoil", "words"), [(n, s, w) for n, _, s, w in PLANTED], ids=[f"{n} {what}" for n, what, _, _ in PLANTED]
)
def test_a_planted_fault_is_caught_and_told(
    files: dict[str, bytes], study: MarkedStudy, name: str, spoil: p.Spoil, words: str
) -> None:
    wrong = files | {name: p.spoiled(files[name], spoil)}
    said = prove(list(wrong.values()), study)
    assert {f.sop_instance_uid for f in said} == {str(dcmread(BytesIO(files[name])).SOPInstanceUID)}
    assert any(re.search(words, f.words, re.IGNORECASE) for f in said), said
    assert not any("cannot be decoded" in f.words for f in said)


def test_a_view_that_is_gone_is_told_of_every_object(files: dict[str, bytes], study: MarkedStudy) -> None:
    gone = replace(study.views[0], path=study.views[0].path.with_name("gone.dcm"))
    said = prove(list(files.values()), replace(study, views=(gone, *study.views[1:])))
    assert len(said) == len(files)
    assert all("is no longer there" in f.words for f in said)


def test_key_images_without_a_mark_and_marks_without_a_key_image_are_told(
    files: dict[str, bytes], study: MarkedStudy
) -> None:
    unmarked_views = [v for v in study.views if v.role not in {m.role for m in study.marks}]

    def elsewhere(ds: Dataset) -> None:
        image = next(i for i in p.below(ds) if i.get("ValueType") == "IMAGE").ReferencedSOPSequence[0]
        image.ReferencedSOPInstanceUID = unmarked_views[0].sop_instance_uid

    wrong = files | {"KO": p.spoiled(files["KO"], elsewhere)}
    said = [fault.words for fault in prove(list(wrong.values()), study)]
    assert f"{unmarked_views[0].role} is a key image, and has no mark." in said
    assert any("has a mark, and is no key image" in words for words in said)
