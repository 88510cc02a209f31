"""Organs, brain and target volumes that a person drew, in the place of the atlas' and the network's."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest

from pipeline.recipes.srs.organs import brain_of, is_ptv, organ_named, organs_of, targets_of, tumours
from tests.support.drawn import ball, structure

NAMES = {
    "brain": ["Brain", "BRAIN", "Gehirn", "Encéphale", "Whole Brain"],
    "brainstem": ["Brainstem", "BrainStem", "Brain Stem", "Hirnstamm", "Tronc cérébral"],
    "optic chiasm": ["OpticChiasm", "Chiasm", "CHIASMA OPTICUM", "Chiasma", "Chiasma optique", "Optic-Chiasm"],
    "left optic nerve": ["OpticNrv_L", "Optic Nerve L", "LtOpticNerve", "N. opticus li", "Nerf optique G"],
    "right optic nerve": ["OpticNrv_R", "OPTICNERVE_R", "Opt Nerve Right", "N.opticus_re", "Nerf optique droit"],
    "right optic tract": ["OpticTract_R", "Optic Tract Rt"],
    "optic pathway": ["Optic pathway", "OpticApparatus", "Voies optiques", "Sehbahn"],
    "left cochlea": ["Cochlea_L", "L Cochlea", "Cochlée gauche", "Schnecke li", "cochlea left"],
    None: [
        "Brain-PTV", "Brain~", "Brain minus GTV", "zBrain", "Brain_L", "Brainstem_PRV", "Chiasm_PRV03",
        "BrainStem_Core", "Cerebellum", "Eye_L", "GTV brain", "BM02_L_FRONT", "PTV", "",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("organ", "name"), [(organ, name) for organ, called in NAMES.items() for name in called])
def test_organs_are_known_by_their_usual_names_and_margins_are_not(organ: str | None, name: str):
    assert organ_named(name) == organ


@pytest.mark.parametrize(
    ("name", "kind", "is_one"),
    [("PTV_1", "PTV", True), ("plan", "PTV", True), ("ptv met", "", True), ("PTV", "ORGAN", False), ("GTV", "", False)],
)
def test_a_ptv_is_one_by_its_type_or_else_by_its_name(name: str, kind: str, is_one: bool):
    assert is_ptv(name, kind) is is_one


ATLAS = {
    "brainstem": np.array([[0, 0, 0.0]]),
    "optic pathway": np.array([[0, -40, 0.0]]),
    "left cochlea": np.array([[40, 0, 0.0]]),
    "right cochlea": np.array([[-40, 0, 0.0]]),
}


def drawn(*names: str):
    return [structure(name, ball((10.0 * k, 5.0, 5.0), 6.0), number=k) for k, name in enumerate(names, start=1)]


def test_a_drawn_organ_takes_the_place_of_the_atlas_and_that_is_said():
    organs, remarks = organs_of(drawn("Hirnstamm", "Cochlea_L"), ATLAS)
    assert organs.keys() == ATLAS.keys()
    assert organs["brainstem"].mean(axis=0) == pytest.approx((10, 5, 5), abs=0.3)
    assert organs["left cochlea"].mean(axis=0) == pytest.approx((20, 5, 5), abs=0.3)
    assert organs["right cochlea"] is ATLAS["right cochlea"]
    assert remarks == (
        "The brainstem is the one that was drawn (Hirnstamm).",
        "The left cochlea is the one that was drawn (Cochlea_L).",
    )


@pytest.mark.parametrize("names", [("Chiasm", "OpticNrv_L", "OpticNrv_R"), ("OpticApparatus",)])
def test_the_whole_optic_pathway_replaces_the_atlas(names: tuple[str, ...]):
    organs, (remark,) = organs_of(drawn(*names), ATLAS)
    assert np.abs(organs["optic pathway"] - ATLAS["optic pathway"]).max(axis=1).min() > 10
    assert f"is the one that was drawn ({', '.join(names)})" in remark


def test_a_part_of_the_optic_pathway_is_added_to_the_atlas_that_nothing_be_lost():
    organs, (remark,) = organs_of(drawn("OpticNrv_L"), ATLAS)
    assert (organs["optic pathway"] == ATLAS["optic pathway"][0]).all(axis=1).any()
    assert len(organs["optic pathway"]) > 100
    assert "the atlas' with what was drawn of it (OpticNrv_L)" in remark


def test_where_the_atlas_misfits_a_drawn_organ_is_there_all_the_same():
    organs, _ = organs_of(drawn("Brainstem"), {})
    assert organs.keys() == {"brainstem"}


def test_an_organ_that_cannot_be_filled_is_named_and_the_atlas_stays():
    crossed = structure("Brainstem", (*ball((0, 0, 0), 9.0), *ball((0, 0, 0), 9.0, axes=np.eye(3))))
    organs, (remark,) = organs_of([crossed], ATLAS)
    assert organs == ATLAS
    assert remark.startswith("Brainstem is not used: the contours")


IMAGE = hd.Volume(np.zeros((40, 50, 60), np.uint16), np.diag([2.0, 2.0, 2.0, 1.0]), "PATIENT")
NETWORK = np.zeros(IMAGE.spatial_shape, bool)
NETWORK[10:30, 15:35, 20:40] = True  # 40 mm about (39, 49, 59)


def test_a_drawn_brain_replaces_the_networks_where_both_are():
    found, remarks = brain_of([structure("Brain", ball((39.0, 49.0, 59.3), 46.0))], NETWORK, IMAGE)
    assert found.sum() * 8 == pytest.approx(np.pi / 6 * 46**3, rel=0.03)
    assert np.argwhere(found).mean(axis=0) * 2 == pytest.approx((39, 49, 59.3), abs=0.5)
    assert remarks == ("The brain is the one that was drawn (Brain).",)


def test_a_brain_that_was_drawn_elsewhere_is_not_used_and_named():
    found, (remark,) = brain_of([structure("Brain", ball((39.0, 49.0, 95.0), 46.0))], NETWORK, IMAGE)
    assert found is NETWORK
    assert "not where the brain is seen" in remark


def points(centre: tuple[float, float, float]) -> np.ndarray:
    return np.array(centre) + np.random.default_rng(0).uniform(-3, 3, (200, 3))


def test_the_ptv_that_holds_a_lesion_is_its_target_and_one_of_several_is_none():
    lesions = [points((0, 0, 0)), points((30, 0, 0)), points((60, 0, 0))]
    found = [
        structure("PTV_A", ball((0.5, 0, 0), 14.0), "PTV"),
        structure("PTV_A wide", ball((0, 0, 0), 18.0), "PTV"),
        structure("PTV_all", ball((30, 0, 0), 80.0, 2.0), "PTV"),
        structure("CTV", ball((60, 0, 0), 14.0), "CTV"),
    ]
    targets, remarks = targets_of(found, ["BM01", "BM02", "BM03"], lesions)
    assert targets.keys() == {0}
    assert targets[0].volume_mm3 == pytest.approx(np.pi / 6 * 14**3, rel=0.04)
    assert targets[0].centre_mm == pytest.approx((0.5, 0, 0), abs=0.2)
    outside = np.array([[0.5, 12.0, 0], [0.5, 0, 5.0]], np.float32)
    assert targets[0].beyond_mm(outside) == pytest.approx([5.0, -2.0], abs=0.5)
    assert any("PTV_all holds BM01, BM02, BM03" in r for r in remarks)
    assert any("PTV_A of BM01" in r and "diameters" in r for r in remarks)


def test_tumours_are_no_organs_and_no_margins_where_no_type_says_what_is_what():
    from dataclasses import replace

    found = [replace(s, kind="", is_target=True) for s in drawn("Brainstem", "met 1", "PTV_met 1")]
    assert [s.name for s in tumours(found)] == ["met 1"]
    assert [s.name for s in tumours([found[0], found[2]])] == ["PTV_met 1"]
