"""Model 1 on phantoms it has never seen: lesions found, labels on the grid of the series, thick or thin."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
import torch
from scipy import ndimage

from pipeline.contract import Inputs, Runtime
from pipeline.findings import Findings
from pipeline.phantom import Phantom
from pipeline.recipes.srs import PIPELINE
from pipeline.recipes.srs.candidates import find_candidates, outline
from pipeline.recipes.srs.params import PARAMS
from pipeline.recipes.srs.segmentation import Networks, Reading, read_lesions
from tests.support.heads import THICK, phantom_study

THICK_FALSE_POSITIVES = 12
"""The model card says how many there are on thick slices; more than this is a broken model, not a weak one."""


class Brightness(torch.nn.Module):
    """Instead of a network: how bright the middle channel is. What comes out must lie where it was."""

    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        middle = channels.shape[1] // 2
        return (channels[:, middle : middle + 1] - 1.5) * 20


def read(made: hd.Volume, tile_scale: float = 1.0) -> Reading:
    everywhere = np.ones(made.spatial_shape, bool)
    return read_lesions(made, everywhere, Networks(Brightness(), Brightness()), PARAMS, "cpu", tile_scale)


def spot(affine: np.ndarray, shape: tuple[int, int, int], at: tuple[int, int, int]) -> hd.Volume:
    image = np.full(shape, 100.0, np.float32)
    image[tuple(slice(a - 3, a + 4) for a in at)] = 400.0
    return hd.Volume(image, affine, "PATIENT")


AXIAL = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
SAGITTAL = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
FLIPPED = np.array([[0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("affine", [AXIAL, SAGITTAL, FLIPPED], ids=["axial", "sagittal", "flipped"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.3, 1.3), (2.0, 0.8, 0.8), (5.0, 0.9, 0.9)])
def test_the_answer_lies_where_the_lesion_is_in_every_orientation_and_spacing(affine, spacing):
    made = spot(affine @ np.diag([*spacing, 1.0]), (34, 60, 52), (12, 41, 17))
    probability = read(made).probability
    assert probability.shape == made.spatial_shape
    centre = ndimage.center_of_mass(probability > 0.5)
    assert np.abs(np.array(centre) - (12, 41, 17)).max() <= 0.6


def test_fewer_slices_at_once_give_the_same_answer():
    made = spot(AXIAL, (34, 60, 52), (12, 41, 17))
    whole, tiles = (read(made, scale).probability for scale in (1.0, 0.25))
    assert np.allclose(whole, tiles, atol=1e-5)


def outlined(probability: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    reading = Reading(probability, certainty, np.s_[0:0, 0:0, 0:0])
    return outline(reading, np.ones(probability.shape, bool), (1.0, 1.0, 1.0), PARAMS)


def test_the_core_of_a_ring_belongs_to_the_lesion_and_specks_and_doubts_do_not():
    rows, columns = np.ogrid[:40, :40]
    radius = np.hypot(rows - 20, columns - 20)
    probability = np.zeros((5, 40, 40), np.float32)
    probability[1:4, (radius < 9) & (radius > 6)] = 0.95
    probability[0, 2, 2] = 0.99  # one voxel
    probability[1:4, 30:36, 30:36] = 0.9  # but nobody is sure of it
    certainty = np.where(probability > 0.92, np.float32(0.99), probability)
    mask = outlined(probability, certainty)
    assert mask[2, 20, 20]
    assert np.array_equal(mask[2], radius < 9)
    assert not mask[0].any()


def test_what_the_cut_leaves_beside_a_lesion_needs_a_peak_of_its_own():
    probability = np.zeros((5, 40, 40), np.float32)
    probability[1:4, 10:16, 4:30] = PARAMS.likely + 0.05  # one component
    certainty = probability.copy()
    for column, sure in ((4, 0.99), (14, PARAMS.candidate - 0.01), (24, PARAMS.candidate + 0.01)):
        probability[1:4, 10:16, column : column + 6] = 0.9
        certainty[1:4, 10:16, column : column + 6] = sure
    mask = outlined(probability, certainty)
    assert [bool(mask[2, 12, column]) for column in (6, 16, 26)] == [True, False, True]


def ball(shape: tuple[int, int, int], centre: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    z, y, x = np.indices(shape, np.float32)
    return np.hypot(np.hypot(z - centre[0], y - centre[1]), x - centre[2]) <= radius_mm


@pytest.mark.parametrize(
    ("what", "centre_mm", "diameter_mm", "found"),
    [
        ("inside", -20.0, 12.0, True),
        ("half sunk into the brain", 0.0, 30.0, True),
        ("a meningioma that dents the brain, and that the mask leaves out", 13.0, 30.0, True),
        ("a small one at a hole of the mask", 4.0, 6.0, True),
        ("an eyeball that touches the brain", 13.6, 26.0, False),
        ("apart from it", 14.0, 16.0, None),
    ],
)
def test_what_only_touches_the_brain_is_known_for_it(
    what: str, centre_mm: float, diameter_mm: float, found: bool | None
):
    shape = (60, 60, 90)
    brain = np.zeros(shape, bool)
    brain[..., :45] = True
    probability = np.where(ball(shape, (30, 30, 44.5 + centre_mm), diameter_mm / 2), np.float32(0.99), np.float32(0))
    image = hd.Volume(probability, AXIAL, "PATIENT")
    _, candidates = find_candidates(image, brain, Reading(probability, probability, np.s_[0:0, 0:0, 0:0]), PARAMS)
    assert [c.at_brain for c in candidates] == ([] if found is None else [found]), what


def test_what_one_network_is_sure_of_is_not_cut_away_by_a_likelier_neighbour_that_none_is_sure_of():
    probability = np.zeros((5, 40, 40), np.float32)
    probability[1:4, 10:16, 4:10] = 0.3  # the mean of .90 slice by slice, which is sure, and of .05 as a volume
    probability[1:4, 10:16, 10:20] = 0.73
    certainty = probability.copy()
    certainty[1:4, 10:16, 4:10] = PARAMS.candidate + 0.02
    certainty[1:4, 10:16, 10:20] = PARAMS.candidate - 0.01
    assert outlined(probability, certainty)[2, 12, 6]


def test_readings_that_say_the_same_agree_wholly_also_on_a_ring_and_the_surer_network_finds_it():
    shape, box = (24, 60, 60), np.s_[4:20, 10:50, 8:48]
    z, y, x = np.ogrid[:24, :60, :60]
    radius = np.sqrt((z - 12.0) ** 2 + (y - 30.0) ** 2 + (x - 28.0) ** 2)
    ring = np.where((radius < 7) & (radius > 5), np.float32(0.99), np.float32(0))
    image = hd.Volume(np.where(radius < 7, 300, 100).astype(np.float32), AXIAL, "PATIENT")
    single = ring[box].astype(np.float16)
    reading = Reading(ring, ring, box, by_slices=(single, single), by_volume=(single,))
    labels, (found,) = find_candidates(image, np.ones(shape, bool), reading, PARAMS)
    assert labels.array[12, 30, 28] == 1  # the core
    assert found.agreement == pytest.approx(1.0)
    assert found.volume_peak == found.slices_peak == pytest.approx(0.99, abs=1e-3)
    other = np.roll(single, 3, axis=2)
    _, (doubted,) = find_candidates(
        image, np.ones(shape, bool), Reading(ring, ring, box, by_slices=(single, other)), PARAMS
    )
    assert doubted.agreement is not None
    assert 0.5 < doubted.agreement < 0.95


class Sure(torch.nn.Module):
    """Says the same of everything."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.logit = float(np.log(probability / (1 - probability)))

    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        return torch.full_like(channels[:, :1], self.logit)


@pytest.mark.parametrize(
    ("slices", "volume", "thin", "thick"),
    [(0.5, 0.95, True, False), (0.9, 0.1, True, True), (0.7, 0.7, False, True), (0.6, 0.9, False, False)],
)
def test_either_network_can_be_sure_enough_and_on_thick_slices_the_one(slices, volume, thin, thick):
    for spacing, sure in ((1.0, thin), (5.0, thick)):
        made = hd.Volume(np.ones((20, 40, 40), np.float32), AXIAL @ np.diag([spacing, 1, 1, 1]), "PATIENT")
        networks = Networks(Sure(slices), Sure(volume))
        reading = read_lesions(made, np.ones(made.spatial_shape, bool), networks, PARAMS, "cpu")
        assert bool((reading.certainty > PARAMS.candidate).all()) is sure
        assert bool((reading.certainty > PARAMS.candidate).any()) is sure


def run(made_study) -> tuple[Phantom, Findings]:
    made, study = made_study
    inputs = PIPELINE.select(study, {})
    assert isinstance(inputs, Inputs), inputs
    findings = PIPELINE.run(inputs, Runtime())
    assert isinstance(findings, Findings), findings
    return made, findings


def hits(made: Phantom, findings: Findings) -> tuple[int, int]:
    """Lesions of the phantom that are touched, and segments that touch none."""
    if findings.labels is None:
        return 0, 0
    labels, truth = findings.labels.array, made.truth.array
    assert np.allclose(findings.labels.affine, made.image.affine, atol=1e-3)
    found = sum(bool(labels[truth == lesion.number].any()) for lesion in made.lesions)
    return found, sum(not truth[labels == lesion.number].any() for lesion in findings.lesions)


def test_most_lesions_of_thick_slices_are_found(tmp_path: Path):
    made, findings = run(phantom_study(tmp_path, 101, lesions=3, diameters_mm=(12.0, 25.0), **THICK))
    found, wrong = hits(made, findings)
    assert len(made.lesions) == 3
    assert found >= 2
    assert wrong <= THICK_FALSE_POSITIVES


def test_a_head_without_lesions_gives_few_or_no_findings_and_no_empty_labels(tmp_path: Path):
    _, findings = run(phantom_study(tmp_path, 102, lesions=0, **THICK))
    assert len(findings.lesions) <= THICK_FALSE_POSITIVES
    assert (findings.labels is None) == (not findings.lesions)


@pytest.mark.slow
def test_lesions_of_a_thin_oblique_series_are_found(tmp_path: Path):
    made, findings = run(
        phantom_study(tmp_path, 103, orientation="oblique", shape=(170, 220, 220), diameters_mm=(6.0, 20.0))
    )
    found, wrong = hits(made, findings)
    assert found >= len(made.lesions) - 1
    assert wrong <= 4
    assert findings.timings_s["segment"] > 0
