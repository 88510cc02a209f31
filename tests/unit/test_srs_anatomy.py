"""Brain, places and distances, on heads whose anatomy is known because it was made up."""

from __future__ import annotations

from functools import cache

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from pipeline.phantom.phantom import Orientation, t1c_phantom
from pipeline.recipes.srs.anatomy import Anatomy, anatomy_of

KINDS: dict[str, tuple[Orientation, bool, tuple[int, int, int], tuple[float, float, float]]] = {
    "axial": ("axial", True, (90, 116, 116), (2.0, 2.0, 2.0)),
    "axial, stripped": ("axial", False, (90, 116, 116), (2.0, 2.0, 2.0)),
    "axial, thick": ("axial", True, (30, 120, 120), (6.0, 1.9, 1.9)),
    "coronal": ("coronal", True, (116, 90, 116), (2.0, 2.0, 2.0)),
    "sagittal": ("sagittal", True, (100, 110, 116), (2.0, 2.0, 2.0)),
    "sagittal, stripped": ("sagittal", False, (100, 110, 116), (2.0, 2.0, 2.0)),
    "oblique": ("oblique", True, (90, 116, 116), (2.0, 2.0, 2.0)),
}

PLACES: dict[tuple[float, float, float], str] = {
    (42.0, -45.0, 25.0): "L_FRONTAL",
    (-42.0, -45.0, 25.0): "R_FRONTAL",
    (35.0, 33.0, 44.0): "L_PARIETAL",
    (-35.0, 33.0, 44.0): "R_PARIETAL",
    (22.0, 74.0, 8.0): "L_OCCIPITAL",
    (-22.0, 74.0, 8.0): "R_OCCIPITAL",
    (48.0, -16.0, -24.0): "L_TEMPORAL",
    (-48.0, -16.0, -24.0): "R_TEMPORAL",
    (26.0, 44.0, -46.0): "L_CEREBELLUM",
    (-26.0, 44.0, -46.0): "R_CEREBELLUM",
    (0.0, 9.0, -34.0): "BRAINSTEM",
}
"""Places of the phantom in LPS mm, and what a physician would call them."""


@cache
def a_head(kind: str) -> tuple[hd.Volume, Anatomy]:
    orientation, skull, shape, spacing_mm = KINDS[kind]
    image = t1c_phantom(5, shape=shape, spacing_mm=spacing_mm, lesions=0, orientation=orientation, skull=skull).image
    found = anatomy_of(image, threads=1)
    assert found is not None
    return image, found


def with_balls(image: hd.Volume, radius_mm: float = 6.0) -> hd.Volume:
    """A label volume with a ball at each of PLACES."""
    labels = np.zeros(image.spatial_shape, np.uint16)
    for number, place in enumerate(PLACES, 1):
        labels[a_ball(image, place, radius_mm)] = number
    return image.with_array(labels)


def a_ball(image: hd.Volume, centre_mm: tuple[float, float, float], radius_mm: float) -> npt.NDArray[np.bool_]:
    middle = image.inverse_affine[:3, :3] @ centre_mm + image.inverse_affine[:3, 3]
    # The axes of a volume are at right angles, so that distances along them add up as squares.
    squares = [
        ((np.arange(n) - c) * s) ** 2 for n, c, s in zip(image.spatial_shape, middle, image.spacing, strict=True)
    ]
    return np.asarray(squares[0][:, None, None] + squares[1][None, :, None] + squares[2] <= radius_mm**2)


@pytest.mark.parametrize("kind", KINDS)
def test_places_are_named_with_their_side_in_every_orientation(kind: str) -> None:
    image, anatomy = a_head(kind)
    labels = with_balls(image)
    named = {place: anatomy.site(labels, number) for number, place in enumerate(PLACES, 1)}
    assert {place: site.name if site else None for place, site in named.items()} == PLACES


@pytest.mark.parametrize("kind", KINDS)
def test_the_brain_is_found_with_and_without_skull_thick_and_thin(kind: str) -> None:
    image, anatomy = a_head(kind)
    assert anatomy.brain.shape == image.spatial_shape
    assert 800 < anatomy.brain_ml < 1900
    voxel_ml = float(np.prod(image.spacing)) / 1000
    assert float(anatomy.brain.sum()) * voxel_ml == pytest.approx(anatomy.brain_ml, rel=0.1)
    assert anatomy.fit > 0.75  # under 0.72 places are not named
    signal = image.array[anatomy.brain]
    assert (signal > 100).mean() > 0.9  # white matter is painted at 400, and air at next to nothing


def test_a_stack_in_the_other_order_gives_the_same_names() -> None:
    image, anatomy = a_head("axial")
    turned = image.flip_spatial(0)
    assert np.allclose(turned.affine[:3, 0], -image.affine[:3, 0])
    other = anatomy_of(turned, threads=1)
    assert other is not None
    here, there = with_balls(image), with_balls(turned)
    for number in range(1, len(PLACES) + 1):
        assert other.site(there, number) == anatomy.site(here, number)
    assert np.array_equal(other.brain[::-1], anatomy.brain)


def test_a_mirrored_patient_has_the_sides_exchanged() -> None:
    image, _ = a_head("axial")
    mirrored = image.with_array(image.array[:, :, ::-1].copy())
    anatomy = anatomy_of(mirrored, threads=1)
    assert anatomy is not None
    labels = with_balls(image)
    there = labels.with_array(labels.array[:, :, ::-1].copy())
    for number, name in enumerate(PLACES.values(), 1):
        site = anatomy.site(there, number)
        swapped = {"L": "R", "R": "L"}[name[0]] + name[1:] if name[1] == "_" else name
        assert site is not None
        assert site.name == swapped


def test_the_same_images_give_the_same_answer_to_the_last_bit() -> None:
    image, first = a_head("axial, thick")
    again = anatomy_of(image, threads=1)
    assert again is not None
    assert np.array_equal(first.brain, again.brain)
    assert np.array_equal(first.placement.matrix, again.placement.matrix)
    assert first.distances_mm(with_balls(image), 3) == again.distances_mm(with_balls(image), 3)


def test_distances_are_those_of_the_geometry() -> None:
    image, anatomy = a_head("axial")
    labels = with_balls(image)
    numbers = {name: number for number, name in enumerate(PLACES.values(), 1)}
    stem = anatomy.distances_mm(labels, numbers["BRAINSTEM"])
    assert stem["brainstem"] == 0.0
    left = anatomy.distances_mm(labels, numbers["L_CEREBELLUM"])
    right = anatomy.distances_mm(labels, numbers["R_CEREBELLUM"])
    # The phantom's brainstem is a column of 14 mm radius about (0, 8 to 9): 44 mm away, less both radii.
    assert left["brainstem"] == pytest.approx(np.hypot(26, 35) - 14 - 6, abs=5)
    assert left["left cochlea"] < right["left cochlea"]
    assert right["right cochlea"] < left["right cochlea"]
    # From one ball to the same ball moved by 10 mm towards the organ the distance shrinks by about as much.
    frontal = anatomy.distances_mm(labels, numbers["L_FRONTAL"])
    assert frontal["brainstem"] > 40
    assert frontal["optic pathway"] > 20


def test_a_lesion_in_the_air_has_no_place() -> None:
    image, anatomy = a_head("axial")
    labels = np.zeros(image.spatial_shape, np.uint16)
    labels[-4:-1, 1:4, 1:4] = 1
    assert anatomy.site(image.with_array(labels), 1) is None


def test_a_label_that_is_not_there_has_no_place_and_no_distances() -> None:
    image, anatomy = a_head("axial")
    empty = image.with_array(np.zeros(image.spatial_shape, np.uint16))
    assert anatomy.site(empty, 1) is None
    assert anatomy.distances_mm(empty, 1) == {}


@pytest.mark.parametrize("signal", [60, 1400])
def test_a_large_tumour_is_named_by_where_it_is_whether_dark_or_bright(signal: int) -> None:
    image, _ = a_head("axial")
    ball = a_ball(image, (-35.0, -35.0, 25.0), 22.0)
    with_tumour = image.with_array(np.where(ball, signal, image.array).astype(image.array.dtype))
    anatomy = anatomy_of(with_tumour, threads=1)
    assert anatomy is not None
    site = anatomy.site(image.with_array(ball.astype(np.uint16)), 1)
    assert site is not None
    assert site.name == "R_FRONTAL"
    assert anatomy.brain[ball].mean() > 0.7


def test_moving_a_lesion_by_a_voxel_never_crashes_and_keeps_its_name() -> None:
    image, anatomy = a_head("axial")
    labels = with_balls(image)
    for axis in range(3):
        for step in (-1, 1):
            moved = image.with_array(np.roll(labels.array, step, axis))
            for number, name in enumerate(PLACES.values(), 1):
                site = anatomy.site(moved, number)
                assert site is not None
                assert site.name == name
                assert anatomy.distances_mm(moved, number).keys() == {
                    "brainstem",
                    "optic pathway",
                    "left cochlea",
                    "right cochlea",
                }


def test_names_fit_into_the_labels_of_planning_systems() -> None:
    from pipeline.recipes.srs.anatomy.sites import PLACES as WORDS
    from pipeline.recipes.srs.anatomy.sites import site_of

    sites = [site_of(place, left=left) for place in WORDS for left in (True, False)]
    assert all(len(s.short_name) <= 11 for s in sites)
    assert len({s.short_name for s in sites}) == len({s.name for s in sites})
    assert all(s.code.scheme_designator == "SCT" and len(s.name) <= 64 for s in sites)
    left = site_of("CEREBELLUM", left=True)
    assert (left.name, left.short_name, left.words) == ("L_CEREBELLUM", "L_CEREB", "left cerebellum")
    assert left.laterality is not None
    assert left.laterality.value == "7771000"


def test_a_tilted_and_shifted_patient_has_the_midline_where_it_is() -> None:
    _, anatomy = a_head("oblique")
    points = np.array([[0.0, -60.0, 30.0], [0.0, 60.0, 30.0], [40.0, 0.0, 20.0], [-40.0, 0.0, 20.0]])
    x = anatomy.atlas_mm(points)[:, 0]
    assert np.abs(x[:2]).max() < 6
    assert 28 < x[2] < 56
    assert -56 < x[3] < -28


@pytest.mark.parametrize(
    ("left_share", "from_midline_mm", "expected"),
    [
        (1.0, 20.0, True),
        (0.0, -20.0, False),
        (0.7, 12.0, True),
        (1.0, 5.0, True),  # wholly in structures of that side
        (0.8, 5.0, None),
        (1.0, 2.0, None),
        (0.1, 20.0, None),  # the atlas and the patient's own structures disagree
        (0.9, -1.0, None),
    ],
)
def test_a_side_is_named_only_where_nothing_doubts_it(left_share: float, from_midline_mm: float, expected: bool | None):
    from pipeline.recipes.srs.anatomy.head import _side
    from pipeline.recipes.srs.anatomy.network import Structure

    pair = (Structure.L_CEREBRUM, Structure.R_CEREBRUM)
    votes = np.zeros(len(Structure))
    votes[list(pair)] = left_share, 1 - left_share
    assert _side(votes, pair, from_midline_mm) is expected
    assert _side(votes, (Structure.VENTRICLE,), 12.0) is True
    assert _side(votes, (Structure.VENTRICLE,), -5.0) is None


@pytest.mark.parametrize("seed", [43, 45])
def test_no_lesion_of_a_tilted_head_gets_the_wrong_side(seed: int):
    made = t1c_phantom(
        seed,
        shape=(34, 128, 128),
        spacing_mm=(5.0, 1.8, 1.8),
        orientation="oblique",
        lesions=6,
        diameters_mm=(9.0, 20.0),
    )
    head = anatomy_of(made.image.with_array(np.asarray(made.image.array, np.float32)))
    assert head is not None
    named = 0
    for lesion in made.lesions:
        site = head.site(made.truth, lesion.number)
        if site and site.laterality:
            named += 1
            assert site.laterality.meaning == ("Left" if lesion.centre_mm[0] > 0 else "Right"), lesion
    assert named > 0


def test_near_the_midline_a_place_is_named_without_a_side():
    from pipeline.recipes.srs.anatomy.sites import PLACES, site_of

    site = site_of("FRONTAL", left=None)
    assert (site.laterality, site.name, site.words) == (None, "M_FRONTAL", "frontal lobe, near the midline")
    assert all(len(site_of(place, left=None).short_name) <= 11 for place in PLACES)
