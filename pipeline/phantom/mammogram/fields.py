"""Random textures whose power falls with a power of the frequency, as that of breast tissue does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.float32]


def power_law(
    shape: tuple[int, int],
    spacing_mm: float,
    beta: float,
    rng: np.random.Generator,
    common: np.random.Generator | None = None,
    shared_mm: float = 25.0,
) -> Floats:
    """(rows, columns), mean 0, variance 1, power 1/f^beta (breasts: about 3; Burgess 2001).

    common: a second source; structures larger than about `shared_mm` come from it, so that two fields with equal
    `common` and different `rng` are alike in what is large and differ in what is small, as two breasts do.
    """
    rows, columns = (fft.next_fast_len(n, real=True) for n in shape)
    down, across = fft.fftfreq(rows, spacing_mm)[:, None], fft.rfftfreq(columns, spacing_mm)[None]
    f = np.hypot(down, across).astype(np.float32)
    spectrum = _white(rng, (rows, columns))
    if common is not None:
        share = np.exp(-((f * shared_mm / 2) ** 2))
        spectrum = share * _white(common, (rows, columns)) + np.sqrt(1 - share**2) * spectrum
    f[0, 0] = np.inf
    field = fft.irfft2(spectrum * f ** np.float32(-beta / 2), (rows, columns))[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-9), np.float32)


def _white(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.complex64]:
    return np.asarray(fft.rfft2(rng.standard_normal(shape, dtype=np.float32)))
