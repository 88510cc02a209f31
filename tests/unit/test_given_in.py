"""What of a study is given for a series: by frame of reference, from headers alone, and never what was made here."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from pipeline.core.errors import GeometryUnusable, HeaderUnusable, PixelsUnreadable
from pipeline.core.study import Series, Study
from pipeline.core.uid import derive_uid, instance_uid
from pipeline.imaging.header import scan
from pipeline.recipes.srs.given import DOSE, ORGANS, PLANS, given_in, read_given
from tests.support.drawn import ball, structure, structure_set
from tests.support.findings import Grid, write_classic
from tests.support.rtdose import Lattice, blob, rt_dose, rt_plan, saved

FRAME, OTHER = derive_uid("frame of reference"), "2.25.99"
BALL = ball((0, 0, 0), 10.0)


def study(folder: Path, *objects: Dataset) -> tuple[Study, Series]:
    """A study of MR images and those objects; the series is that of the images."""
    write_classic(folder / "mr", Grid(shape=(4, 16, 16)))
    (images,) = scan(folder / "mr")
    for number, ds in enumerate(objects):
        ds.StudyInstanceUID = images.study_instance_uid
        saved(ds, folder / f"{number}.dcm")
    (found,) = scan(folder)
    return found, next(s for s in found.series if s.modality == "MR")


def dose(seed: float = 20.0, frame: str = FRAME, **more: object) -> Dataset:
    return rt_dose(Lattice(shape=(8, 9, 10)), blob((0, 0, 0), seed), frame, **more)


def uids(found: Series) -> set[str]:
    return {i.sop_instance_uid for i in found.instances}


def test_doses_and_organs_of_the_same_frame_of_reference_are_found(tmp_path: Path):
    here, there = [dose(20.0), dose(18.0)], dose(16.0, OTHER)
    organs = structure_set([structure("Hirnstamm", BALL, "")], FRAME)
    margins = structure_set([structure("GTV", BALL, "GTV"), structure("PTV 1", BALL, "PTV")], FRAME)
    tumours = structure_set([structure("GTV 1", BALL, "GTV"), structure("Eye_L", BALL)], FRAME)
    elsewhere = structure_set([structure("Brainstem", BALL), structure("Eye_L", BALL)], OTHER)
    found = given_in(*study(tmp_path, *here, there, organs, margins, tumours, elsewhere))
    assert uids(found[DOSE]) == {d.SOPInstanceUID for d in here}
    assert uids(found[ORGANS]) == {organs.SOPInstanceUID, margins.SOPInstanceUID}


def test_plans_are_found_beside_doses_and_read_and_a_malformed_one_is_named(tmp_path: Path):
    plan, wrong = rt_plan("2.25.5", {1: 3}, [27.0, 27.0]), rt_plan("2.25.6", {1: 3}, [])
    del wrong.FractionGroupSequence[0].FractionGroupNumber
    reference = Dataset()
    reference.ReferencedSOPInstanceUID = "2.25.5"
    found = given_in(*study(tmp_path / "with", dose(ReferencedRTPlanSequence=[reference]), plan, wrong))
    assert uids(found[PLANS]) == {"2.25.5", "2.25.6"}
    given = read_given(found, FRAME)
    (read,) = given.plans
    assert (read.fractions, read.prescribed_gy) == ({1: 3}, 27.0)
    assert given.doses[0].plans == ("2.25.5",)
    assert given.remarks == ("A plan that was sent is not used: plan 2.25.6 does not parse (AttributeError).",)
    assert PLANS not in given_in(*study(tmp_path / "without", plan))


def test_a_study_of_images_alone_gives_nothing(tmp_path: Path):
    assert given_in(*study(tmp_path)) == {}


def test_what_was_made_here_is_not_given(tmp_path: Path):
    ours = dose()
    ours.SeriesInstanceUID = derive_uid("a dose map")
    ours.SOPInstanceUID = ours.file_meta.MediaStorageSOPInstanceUID = instance_uid(ours.SeriesInstanceUID)
    assert given_in(*study(tmp_path, ours)) == {}


def test_rois_of_another_frame_of_reference_in_the_same_set_are_left_out(tmp_path: Path):
    both = structure_set([structure("Brainstem", BALL), structure("Chiasm", BALL)], FRAME)
    both.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = OTHER
    given = read_given(given_in(*study(tmp_path, both)), FRAME)
    assert [s.name for s in given.drawn] == ["Brainstem"]


def test_the_structure_set_at_hand_is_read_once_where_it_was_sent_too(tmp_path: Path):
    organs, others = (structure_set([structure(name, BALL)], FRAME) for name in ("Brainstem", "Chiasm"))
    given = read_given(given_in(*study(tmp_path, organs, others)), FRAME, beside=organs)
    assert sorted(s.name for s in given.drawn) == ["Brainstem", "Chiasm"]


WRONG = [
    (dose(frame=OTHER), GeometryUnusable, "different frames of reference"),
    (dose(DoseUnits="RELATIVE"), HeaderUnusable, "RELATIVE"),
    (dose(PixelData=b"\0\0"), PixelsUnreadable, "do not decode"),
    (structure_set([structure("Brainstem", BALL)], OTHER), GeometryUnusable, "different frames of reference"),
]


@pytest.mark.parametrize(("wrong", "error", "said"), WRONG)
def test_what_cannot_be_used_is_refused_or_else_named_while_the_rest_is_used(
    tmp_path: Path, wrong: Dataset, error: type[Exception], said: str
):
    good = dose(15.0)
    whole, _ = study(tmp_path, wrong, good)
    role = DOSE if wrong.Modality == "RTDOSE" else ORGANS
    sent = {role: Series("1.2", tuple(i for i in whole.instances if i.modality == wrong.Modality))}
    with pytest.raises(error, match=said):
        read_given(sent, FRAME, strict=True)
    given = read_given(sent, FRAME)
    assert len(given.doses) == (1 if role == DOSE else 0)
    assert given.drawn == ()
    assert len(given.remarks) == 1
    assert said in given.remarks[0]
    assert given.remarks[0].startswith("A dose" if role == DOSE else "A structure set")
