"""pyradiomics, and nothing else of it anywhere else: one patch in, its features by name out."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import radiomics
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor

from pipeline.radiomics.derivatives import laplacian
from pipeline.radiomics.params import RadiomicsParams
from pipeline.radiomics.patch import Patch

TEXTURE = ("glcm", "glrlm", "glszm", "gldm", "ngtdm")

_UNMEASURABLE = (ValueError, RuntimeError, ArithmeticError, LookupError)


@dataclass(frozen=True, slots=True)
class _Extractors:
    """full: all features; coarse: without texture, for the smallest; names: of all features, in their order."""

    full: RadiomicsFeatureExtractor
    coarse: RadiomicsFeatureExtractor
    names: tuple[str, ...]


def names(params: RadiomicsParams) -> tuple[str, ...]:
    """The features of pyradiomics under these settings, in the order of `extract`."""
    return _extractors(params).names


def extract(patch: Patch, params: RadiomicsParams) -> tuple[dict[str, float], dict[str, str]]:
    """Features of a patch by name, and diagnostics: what exactly pyradiomics was given, and how it went.

    Texture is left out below params.texture_voxels voxels. What pyradiomics cannot measure (a single voxel, an image
    of one plane) gives no feature at all, and the diagnostics say why.
    """
    return _extract(patch, params, _extractors(params))


def _extract(patch: Patch, params: RadiomicsParams, extractors: _Extractors) -> tuple[dict[str, float], dict[str, str]]:
    small = int(patch.mask.sum()) < params.texture_voxels
    said = _diagnostics(patch)
    try:
        with np.errstate(all="ignore"), _one_thread():
            found = _execute(patch, params, extractors.coarse if small else extractors.full)
    except _UNMEASURABLE as error:
        return {}, {**said, "unmeasurable": str(error)}
    # The maximal correlation coefficient (MCC) is an eigenvalue, and comes out complex now and then.
    return {k: float(np.real(v)) for k, v in found.items()}, said


def _execute(patch: Patch, params: RadiomicsParams, extractor: RadiomicsFeatureExtractor) -> dict[str, Any]:
    """What `extractor.execute` does, with our own LoG: ITK's is recursive and feels the edge of a cut."""
    settings, box = extractor.settings, patch.box
    mask = _as_image(patch.mask[box].astype(np.uint8), params)
    image = _as_image(patch.image[box], params)
    bounds, _ = imageoperations.checkMask(image, mask, **settings)
    found: dict[str, Any] = dict(extractor.computeShape(image, mask, bounds, **settings))
    found.update(extractor.computeFeatures(image, mask, "original", **settings))
    for sigma_mm in extractor.enabledImagetypes["LoG"]["sigma"]:
        filtered = laplacian(patch, box, params.dimensions, sigma_mm / params.spacing_mm)
        name = f"log-sigma-{str(sigma_mm).replace('.', '-')}-mm-{params.dimensions}D"
        found.update(extractor.computeFeatures(_as_image(filtered, params), mask, name, **settings))
    return found


def _diagnostics(patch: Patch) -> dict[str, str]:
    """pyradiomics' own (`additionalInfo`) say the same and take longer than all its first-order features."""
    return {
        "image_sha256": hashlib.sha256(patch.image.tobytes()).hexdigest(),
        "image_size": "x".join(str(n) for n in patch.image.shape),
        "mask_sha256": hashlib.sha256(np.packbits(patch.mask).tobytes()).hexdigest(),
        "mask_voxels": str(int(patch.mask.sum())),
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """ITK shares out even the smallest image among all cores; on these the waiting takes longer than the work."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _as_image(values: NDArray[Any], params: RadiomicsParams) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((params.spacing_mm,) * 3)
    return image


@cache
def _extractors(params: RadiomicsParams) -> _Extractors:
    # pyradiomics tells each candidate's small troubles to stderr; they are answered with NaN here.
    logging.getLogger(radiomics.__name__).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"radiomics\.")
    full, coarse = (RadiomicsFeatureExtractor(str(params.settings_file)) for _ in range(2))
    coarse.enabledFeatures = {k: v for k, v in coarse.enabledFeatures.items() if k not in TEXTURE}
    probe, _ = _extract(_probe(params), params, _Extractors(full, coarse, ()))
    return _Extractors(full, coarse, tuple(probe))


def _probe(params: RadiomicsParams) -> Patch:
    """Any patch that has all features: it tells their names."""
    count = int(np.ceil(8 / min(1.0, params.spacing_mm)))
    shape = (count if params.dimensions == 3 else 1, count, count)
    image = np.random.default_rng(0).normal(params.offset, params.scale, shape)
    mask = np.zeros(shape, bool)
    mask[shape[0] // 4 : shape[0] // 4 + 4, 2:6, 2:6] = True
    first, second, third = (np.arange(n, dtype=np.float64) for n in shape)
    return Patch(image, mask, (first, second, third))
