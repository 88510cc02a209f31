"""Registration of two dates: known motions are found, other heads are refused, equal input gives equal output."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.core.errors import GeometryUnusable
from pipeline.followup.register import Registration, register
from pipeline.phantom import t1c_phantom

FRAMES = ("1.2.3", "1.2.4")


def head(seed: int, frame: str = FRAMES[0]) -> hd.Volume:
    made = t1c_phantom(seed, shape=(75, 96, 80), spacing_mm=(2.5, 2.5, 2.5)).image
    return hd.Volume(made.array.astype(np.float32), made.affine, "PATIENT", frame_of_reference_uid=frame)


@pytest.fixture(scope="module")
def later() -> hd.Volume:
    return head(3)


def moved(
    volume: hd.Volume, turn: sitk.Euler3DTransform, spacing_mm: tuple[float, float, float], axes: str
) -> hd.Volume:
    """The same head as an earlier scan saw it: elsewhere, in other voxels, in noise; `turn` is earlier to later."""
    image = sitk.GetImageFromArray(np.asarray(volume.array, np.float32))
    image.SetSpacing([float(s) for s in volume.spacing[::-1]])
    image.SetOrigin([float(v) for v in volume.position])
    image.SetDirection((volume.affine[:3, :3] / np.array(volume.spacing))[:, ::-1].ravel().tolist())
    low = np.array(volume.affine[:3, 3])
    high = (volume.affine @ [*(np.array(volume.spatial_shape) - 1), 1])[:3]
    first, extent = np.minimum(low, high) - 10, np.abs(high - low) + 20
    like = sitk.Image([int(e / s) for e, s in zip(extent, spacing_mm, strict=True)], sitk.sitkFloat32)
    like.SetSpacing(spacing_mm)
    like.SetOrigin(first.tolist())
    seen = sitk.GetArrayFromImage(sitk.Resample(image, like, turn, sitk.sitkLinear, 0.0))
    noise = np.random.default_rng(0).normal(0, 8, seen.shape)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing_mm)[:, ::-1]
    affine[:3, 3] = first
    made = hd.Volume(np.clip(1.3 * seen + noise, 0, None).astype(np.float32), affine, "PATIENT",
                     frame_of_reference_uid=FRAMES[1])  # fmt: skip
    return made.to_patient_orientation(axes)


def motion(about_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> sitk.Euler3DTransform:
    made = sitk.Euler3DTransform()
    made.SetRotation(*(float(np.radians(d)) for d in about_deg))
    made.SetTranslation(shift_mm)
    return made


def errors_mm(found: Registration, turn: sitk.Euler3DTransform) -> np.ndarray:
    points = np.random.default_rng(1).uniform(-60, 60, (40, 3))
    wanted = np.array([turn.TransformPoint(p.tolist()) for p in points])
    assert np.allclose(found.to_earlier(found.to_later(points)), points)
    return np.linalg.norm(found.to_later(points) - wanted, axis=1)


@pytest.mark.parametrize(
    ("about_deg", "shift_mm", "spacing_mm", "axes"),
    [
        ((0, 0, 0), (0, 0, 0), (2.5, 2.5, 2.5), "HPL"),
        ((9, -6, 11), (18, -12, 25), (2.0, 2.0, 2.0), "HPL"),
        ((-8, 5, 4), (-10, 15, -20), (1.2, 1.2, 6.0), "HPL"),
        ((5, 5, -9), (8, 8, 8), (4.0, 1.5, 1.5), "RFP"),
        ((-4, 7, 6), (0, -15, 10), (1.5, 5.0, 1.5), "PFL"),
    ],
    ids=["as it lies", "turned and moved", "slices of 6 mm", "sagittal", "coronal"],
)
def test_a_known_motion_is_found_to_a_millimetre_and_a_half(later, about_deg, shift_mm, spacing_mm, axes) -> None:
    turn = motion(about_deg, shift_mm)
    found = register(moved(later, turn, spacing_mm, axes), later)
    assert errors_mm(found, turn).max() < 1.5
    assert np.allclose(found.matrix @ found.matrix.T, np.eye(3))
    assert np.linalg.det(found.matrix) == pytest.approx(1)
    assert found.fit > 0.75


def test_a_slab_of_the_head_finds_its_place(later) -> None:
    turn = motion((3, 0, 5), (4, -6, 30))
    whole = moved(later, turn, (2.5, 2.5, 2.5), "HPL")
    slab = whole[int(whole.spatial_shape[0] * 0.3) : int(whole.spatial_shape[0] * 0.75)]
    assert errors_mm(register(slab, later), turn).max() < 2.5


def test_equal_volumes_give_equal_motions(later) -> None:
    earlier = moved(later, motion((4, 2, -3), (5, 5, 5)), (2.0, 2.0, 3.0), "HPL")
    first, second = register(earlier, later), register(earlier, later)
    assert np.array_equal(first.matrix, second.matrix)
    assert np.array_equal(first.offset_mm, second.offset_mm)


def test_what_is_no_head_of_this_patient_is_refused(later) -> None:
    other = np.random.default_rng(2).normal(100, 30, later.spatial_shape).astype(np.float32)
    with pytest.raises(GeometryUnusable, match="do not lie on"):
        register(later.with_array(other), later)
    with pytest.raises(GeometryUnusable, match="contrast"):
        register(later.with_array(np.full_like(other, 7)), later)
