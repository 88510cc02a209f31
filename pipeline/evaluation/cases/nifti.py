"""Cases that lie as NIfTI: BraTS-METS folders, pairs of image and mask, and the set brain/btp_t1c."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import highdicom as hd
import numpy as np

from pipeline.core.errors import GeometryUnusable
from pipeline.datasets.nifti import to_lps_volume
from pipeline.evaluation.cases.case import Case, Drawn, Entry, make_case

BRATS_NETC, BRATS_ET = 1, 3
"""Labels of BraTS-METS since 2023: 1 non-enhancing tumour core, 2 FLAIR hyperintensity, 3 enhancing, 4 cavity."""

BTP_SPACING_MM = (0.9375, 0.9375, 6.0)
"""(i, j, k) of brain/btp_t1c; the headers say 1 mm."""

BTP_APART_MM, BTP_IGNORED_MM3 = 8.0, 260.0
"""On 6 mm slices, parts of a mask nearer than this are one lesion, and 50 voxels or fewer are speckle."""

_MASK = re.compile(r"^(?P<stem>.*?)[-_. ]?(mask|seg|segmentation|labels?|gtv|truth|lesions?)$", re.IGNORECASE)
_IMAGE = re.compile(r"^[-_. ]?(t1c|t1ce|t1gd|t1post|t1|t1w|image|img|scan|scan_t1|mr|0000)?$", re.IGNORECASE)
_IMAGE_FOLDERS = {"imagestr": "labelstr", "imagests": "labelsts", "images": "labels", "image": "mask"}


def brats_entries(data: Path) -> list[Entry]:
    """Folders NAME/ with NAME-t1c.nii.gz and NAME-seg.nii.gz, at any depth."""
    found = []
    for image in sorted(data.rglob("*-t1c.nii*")):
        name = image.name.split("-t1c.nii")[0]
        masks = sorted(image.parent.glob(f"{name}-seg.nii*"))
        if masks:
            found.append(Entry(name, "T2", partial(_brats, name, image, masks[0])))
    return found


def _brats(name: str, image: Path, seg: Path) -> Case:
    volume, labels = _pair(name, image, seg, None)
    values = np.rint(labels.array)
    group = name.rsplit("-", 1)[0] if re.search(r"-\d{3}$", name) else name
    truth, whole = values == BRATS_ET, np.isin(values, (BRATS_NETC, BRATS_ET))
    return make_case(name, group, "T2", volume, truth, whole=whole, drawn="enhancing")


def btp_entries(data: Path) -> list[Entry]:
    """The 16 scans of brain/btp_t1c: 8 patients with glioblastoma, two dates each."""
    home = next((p for p in (data / "brain" / "btp_t1c", data / "btp_t1c", data) if _is_btp(p)), None)
    folders = sorted(p for p in home.iterdir() if p.is_dir()) if home else []
    return [
        Entry(f"btp-{folder.name}-{date}", "T2", partial(_btp, folder, date))
        for folder in folders
        for date in ("Pre", "Post")
        if (folder / f"{date}_Scan_T1.nii.gz").exists() and (folder / f"{date}_Mask.nii.gz").exists()
    ]


def _is_btp(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*/Pre_Scan_T1.nii.gz"))


def _btp(folder: Path, date: str) -> Case:
    name = f"btp-{folder.name}-{date}"
    volume, mask = _pair(name, folder / f"{date}_Scan_T1.nii.gz", folder / f"{date}_Mask.nii.gz", BTP_SPACING_MM)
    return make_case(
        name,
        f"btp-{folder.name}",
        "T2",
        volume,
        mask.array,
        drawn="enhancing",
        apart_mm=BTP_APART_MM,
        ignored_mm3=BTP_IGNORED_MM3,
        remarks=("glioblastoma on 6 mm slices, not metastases",),
    )


def pair_entries(data: Path, drawn: Drawn = "tumour") -> list[Entry]:
    """Images with a mask beside them: X.nii.gz + X_mask.nii.gz (or _seg, _label, _gtv, ...), X_t1c + X_seg,
    imagesTr/X_0000 + labelsTr/X, images/X + labels/X, or a folder that holds one image and one mask."""
    images, masks = _images_and_masks(data)
    pairs = [(image, mask) for mask in masks if (image := _image_of(mask, images, masks)) is not None]
    return [Entry(_name(i, data), "T2", partial(_load_pair, _name(i, data), i, m, data, drawn)) for i, m in pairs]


def images_alone(data: Path) -> list[str]:
    """Names of NIfTI images in a folder of pairs that have no mask, which no case is made of."""
    images, masks = _images_and_masks(data)
    taken = {_image_of(mask, images, masks) for mask in masks}
    return [_name(i, data) for i in images if i not in taken]


def _images_and_masks(data: Path) -> tuple[list[Path], list[Path]]:
    files = sorted(p for p in data.rglob("*.nii*") if p.name.endswith((".nii", ".nii.gz")))
    masks = [p for p in files if _is_mask(p)]
    return [p for p in files if p not in set(masks)], masks


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _is_mask(path: Path) -> bool:
    return path.parent.name.lower() in _IMAGE_FOLDERS.values() or _MASK.match(_stem(path)) is not None


def _image_of(mask: Path, images: list[Path], masks: list[Path]) -> Path | None:
    for image in images:
        if _IMAGE_FOLDERS.get(image.parent.name.lower()) == mask.parent.name.lower() and _begins(image, _stem(mask)):
            return image
    here = [i for i in images if i.parent == mask.parent]
    found = _MASK.match(_stem(mask))
    stem = found["stem"] if found else _stem(mask)
    named = [i for i in here if stem and _begins(i, stem)]
    if named:
        return named[0]
    alone = len(here) == 1 and sum(m.parent == mask.parent for m in masks) == 1
    return here[0] if alone else None


def _begins(image: Path, stem: str) -> bool:
    return _stem(image).startswith(stem) and _IMAGE.match(_stem(image)[len(stem) :]) is not None


def _name(image: Path, data: Path) -> str:
    return "/".join((*image.relative_to(data).parts[:-1], _stem(image)))


def _load_pair(name: str, image: Path, mask: Path, data: Path, drawn: Drawn) -> Case:
    volume, labels = _pair(name, image, mask, None)
    folders = [p for p in image.relative_to(data).parts[:-1] if p.lower() not in _IMAGE_FOLDERS]
    return make_case(name, folders[0] if folders else name, "T2", volume, labels.array, drawn=drawn)


def _pair(
    name: str, image: Path, mask: Path, spacing_mm: tuple[float, float, float] | None
) -> tuple[hd.Volume, hd.Volume]:
    """Image and mask on one grid, LPS. Raises GeometryUnusable when they are not."""
    volume, labels = to_lps_volume(image, spacing_mm), to_lps_volume(mask, spacing_mm)
    same = volume.spatial_shape == labels.spatial_shape and np.allclose(volume.affine, labels.affine, atol=1e-2)
    if not same:
        raise GeometryUnusable(
            f"{name}: image and mask do not lie on the same grid",
            "resample the mask to the image (nearest neighbour) and write both with the same affine",
        )
    return volume, labels
