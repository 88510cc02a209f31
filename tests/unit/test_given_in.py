"""What of a study is given for a series: by frame of reference, from headers alone, and never what was made here."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from pipeline.core.errors import HeaderUnusable
from pipeline.core.patient import Patient
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
    (dose(frame=OTHER), "different frames of reference"),
    (dose(DoseUnits="RELATIVE"), "RELATIVE"),
    (dose(PixelData=b"\0\0"), "do not decode"),
    (structure_set([structure("Brainstem", BALL)], OTHER), "different frames of reference"),
]


def sent_of(folder: Path, role: str, *objects: Dataset) -> dict[str, Series]:
    """The objects themselves, as files 0.dcm, 1.dcm, ..., by one role."""
    whole, _ = study(folder, *objects)
    wanted = {str(ds.SOPInstanceUID) for ds in objects}
    return {role: Series("1.2", tuple(i for i in whole.instances if i.sop_instance_uid in wanted))}


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_what_cannot_be_used_is_remarked_on_while_the_rest_is_used(tmp_path: Path, wrong: Dataset, said: str):
    role = DOSE if wrong.Modality == "RTDOSE" else ORGANS
    good = dose(15.0) if role == DOSE else structure_set([structure("Chiasm", BALL)], FRAME)
    sent = sent_of(tmp_path, role, wrong, good)
    for strict, named in ((False, ""), (True, " (0.dcm)")):
        given = read_given(sent, FRAME, strict=strict)
        assert len(given.doses) + len(given.drawn) == 1
        (remark,) = given.remarks
        assert said in remark
        assert remark.startswith(f"A {'dose' if role == DOSE else 'structure set'} that was sent is not used{named}: ")


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_where_nothing_can_be_used_whoever_sits_there_is_told_the_file(tmp_path: Path, wrong: Dataset, said: str):
    sent = sent_of(tmp_path, DOSE if wrong.Modality == "RTDOSE" else ORGANS, wrong)
    with pytest.raises(HeaderUnusable, match=said) as raised:
        read_given(sent, FRAME, strict=True)
    assert raised.value.message.startswith(f"{tmp_path / '0.dcm'}: ")
    assert raised.value.hint
    assert len(read_given(sent, FRAME).remarks) == 1


def test_what_names_another_patient_is_not_used(tmp_path: Path):
    of = Patient("P1", "", "19500101", "F", "", "", "")
    theirs, unnamed = dose(PatientID="P2"), dose(PatientID="")
    given = read_given(sent_of(tmp_path, DOSE, theirs, unnamed), FRAME, of=of)
    assert [d.sop_instance_uid for d in given.doses] == [unnamed.SOPInstanceUID]
    assert given.remarks == (
        "A dose that was sent is not used: it is of another patient than the images (Patient ID).",
    )


def test_a_dose_that_was_cut_off_is_said_to_be_and_no_path_of_the_archive_is_told(tmp_path: Path):
    sent = sent_of(tmp_path, DOSE, dose())
    file = tmp_path / "0.dcm"
    file.write_bytes(file.read_bytes()[:-400])
    assert read_given(sent, FRAME).remarks == (
        "A dose that was sent is not used: the file is damaged: its end is missing.",
    )
