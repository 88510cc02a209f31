"""T1, T2, FLAIR, ...: from what the scanner played out, not from what the series is called."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.core.study import Series
from pipeline.imaging.mr_words import PLAIN, SPECIAL, described, found


class Weighting(StrEnum):
    """What makes the contrast between tissues. SWI stands for all of T2*."""

    T1 = "T1"
    T2 = "T2"
    FLAIR = "FLAIR"
    PD = "PD"
    STIR = "STIR"
    DWI = "DWI"
    ADC = "ADC"
    SWI = "SWI"
    PERFUSION = "PERFUSION"
    ANGIO = "ANGIO"
    UNKNOWN = "UNKNOWN"


Found = tuple[Weighting, str]

SHORT_TE_MS = 40.0
"""Spin echo below this is T1 or PD, above it T2."""
SHORT_TR_MS = 1300.0
"""Spin echo with a short TE is T1 below this and PD above; T1 TSE at 3 T goes to about 1200 ms."""
GRADIENT_TE_MS = 10.0
"""A gradient echo below this is T1 (or angiography), above it T2*; 3D T1 sequences use 1.5 to 6 ms."""
GRADIENT_TR_MS = 100.0
"""An excitation train this fast is a gradient echo even where Scanning Sequence says RM, as GE does."""
FLAIR_TI_MS = 1200.0
"""CSF is nulled at 1650 to 2500 ms at 1.5 to 3 T, at 1400 ms at 0.064 T."""
STIR_TI_MS = 300.0
"""Fat is nulled at 80 to 230 ms."""
SMALL_FLIP_DEG = 5.0
"""A spoiled gradient echo without inversion is T1-weighted only above this."""

_ACQUISITION_CONTRAST = {
    "T1": Weighting.T1,
    "T2": Weighting.T2,
    "PROTON_DENSITY": Weighting.PD,
    "FLUID_ATTENUATED": Weighting.FLAIR,
    "DIFFUSION": Weighting.DWI,
    "PERFUSION": Weighting.PERFUSION,
    "STIR": Weighting.STIR,
    "T2_STAR": Weighting.SWI,
    "TOF": Weighting.ANGIO,
    "FLOW_ENCODED": Weighting.ANGIO,
}
"""Acquisition Contrast (0008,9209), PS3.3 C.8.13.3.3.1."""

_IMAGE_TYPE = {
    "ADC": Weighting.ADC,
    "EADC": Weighting.ADC,
    "DIFFUSION": Weighting.DWI,
    "TRACEW": Weighting.DWI,
    "FA": Weighting.DWI,
    "TENSOR": Weighting.DWI,
    "SWI": Weighting.SWI,
    "PERFUSION": Weighting.PERFUSION,
    "ASL": Weighting.PERFUSION,
    "CBF": Weighting.PERFUSION,
    "CBV": Weighting.PERFUSION,
    "RCBF": Weighting.PERFUSION,
    "RCBV": Weighting.PERFUSION,
    "MTT": Weighting.PERFUSION,
    "TTP": Weighting.PERFUSION,
    "FMRI": Weighting.PERFUSION,
    "MOCOSERIES": Weighting.PERFUSION,
    "TOF": Weighting.ANGIO,
}
"""Image Type values of Siemens, Philips and GE that name the contrast; maps come before what they are made of."""

_SIEMENS = (
    ("tfl3d", Weighting.T1),
    ("spcir", Weighting.FLAIR),
    ("ci3d", Weighting.T2),
    ("*tfi", Weighting.T2),
    ("ep_b", Weighting.DWI),
    ("re_b", Weighting.DWI),
    ("swi", Weighting.SWI),
    ("epfid", Weighting.PERFUSION),
    ("tof", Weighting.ANGIO),
    ("fl3d1r_t", Weighting.ANGIO),
    ("fl3d1r_m", Weighting.ANGIO),
)
"""Siemens sequence names (Sequence Name, since XA Pulse Sequence Name) that are made for one purpose."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What was played out; times in ms, the flip angle in degrees, None where it is not recorded."""

    scanning: frozenset[str]
    variant: frozenset[str]
    tr: float | None
    te: float | None
    ti: float | None
    flip: float | None

    @property
    def inverted(self) -> bool:
        """Whether an inversion pulse came first."""
        return "IR" in self.scanning or bool(self.ti)


def timing_of(series: Series) -> Timing:
    """The timing parameters, classic (PS3.3 C.8.3.1) or Enhanced (C.8.13.5)."""
    scanning = set(_words(series.get("ScanningSequence")))
    scanning |= {"IR"} if series.get("InversionRecovery") == "YES" else set()
    pulse = {"SPIN": "SE", "GRADIENT": "GR", "BOTH": "GR"}.get(str(series.get("EchoPulseSequence")))
    scanning |= {pulse} if pulse else set()
    scanning |= {"EP"} if series.get("EchoPlanarPulseSequence") == "YES" else set()
    te = _number(series.get("EchoTime"))
    return Timing(
        scanning=frozenset(scanning),
        variant=frozenset(_words(series.get("SequenceVariant"))),
        tr=_number(series.get("RepetitionTime")),
        te=te if te is not None else _number(series.get("EffectiveEchoTime")),
        ti=_number(series.get("InversionTime")),
        flip=_number(series.get("FlipAngle")),
    )


def weighting_of(series: Series) -> Found:
    """The weighting and the sentence it rests on.

    In this order: what the object states (diffusion, Acquisition Contrast, Image Type), sequences made for one
    purpose, words for what timing cannot tell (angiography, perfusion), timing, and at last words alone.
    """
    text = described(series)
    for ask in (_stated, _purpose, _angio_flag):
        said = ask(series)
        if said is not None:
            return said
    for name, pattern in SPECIAL:
        word = found(pattern, text)
        if word:
            return Weighting(name), f'the description says "{word}"'
    said = from_timing(timing_of(series))
    if said is not None:
        return said
    for name, pattern in PLAIN:
        word = found(pattern, text)
        if word:
            return Weighting(name), f'the timing does not say, the description says "{word}"'
    return Weighting.UNKNOWN, "neither timing parameters nor description say how it is weighted"


def _stated(series: Series) -> Found | None:
    types = _words(series.get("ImageType")) + _words(series.get("FrameType"))
    for word, weighting in _IMAGE_TYPE.items():
        if word in types:
            return weighting, f"ImageType has {word}"
    b_value = _number(series.get("DiffusionBValue"))
    if b_value:
        return Weighting.DWI, f"DiffusionBValue is {b_value:g}"
    contrast = str(series.get("AcquisitionContrast"))
    if contrast in _ACQUISITION_CONTRAST:
        return _ACQUISITION_CONTRAST[contrast], f"AcquisitionContrast is {contrast}"
    return None


def _purpose(series: Series) -> Found | None:
    for keyword in ("SequenceName", "PulseSequenceName"):
        name = str(series.get(keyword) or "").lower()
        for part, weighting in _SIEMENS:
            if part in name:
                return weighting, f"{keyword} is {name}"
    return None


def _angio_flag(series: Series) -> Found | None:
    return (Weighting.ANGIO, "AngioFlag is Y") if series.get("AngioFlag") == "Y" else None


def from_timing(t: Timing) -> Found | None:
    """The weighting that timing parameters alone give; None when they are absent or fit several."""
    if t.te is None or t.tr is None:
        return None
    shown = f"TR {t.tr:g}, TE {t.te:g}" + (f", TI {t.ti:g}" if t.ti else "") + " ms"
    fast = t.tr < GRADIENT_TR_MS and (t.flip is None or t.flip < 60)
    if "EP" in t.scanning and "SE" not in t.scanning and t.te >= GRADIENT_TE_MS:
        return Weighting.PERFUSION, f"gradient echo-planar, {shown}"
    gradient = "GR" in t.scanning or (fast and "SE" not in t.scanning)
    kind = _gradient(t) if gradient else _inversion(t) if t.inverted else _spin(t)
    named = "gradient echo" if gradient else "inversion recovery" if t.inverted else "spin echo"
    return (kind, f"{named}, {shown}") if kind is not None else None


def _gradient(t: Timing) -> Weighting | None:
    if t.te is None or t.te >= GRADIENT_TE_MS:
        return Weighting.SWI
    if t.inverted or "MP" in t.variant:
        return Weighting.T1
    if "SS" in t.variant and "SP" not in t.variant:
        return None  # balanced steady state (TrueFISP, FIESTA) shows T2/T1
    return Weighting.T1 if t.flip is None or t.flip > SMALL_FLIP_DEG else None


def _inversion(t: Timing) -> Weighting | None:
    if t.te is None:
        return None
    if t.ti is not None and t.ti < STIR_TI_MS:
        return Weighting.STIR
    if t.te >= SHORT_TE_MS and (t.ti is None or t.ti >= FLAIR_TI_MS):
        return Weighting.FLAIR
    return Weighting.T1 if t.te < SHORT_TE_MS else None


def _spin(t: Timing) -> Weighting | None:
    if t.te is None or t.tr is None:
        return None
    if t.te < SHORT_TE_MS:
        return Weighting.T1 if t.tr <= SHORT_TR_MS else Weighting.PD
    return Weighting.T2 if t.tr > SHORT_TR_MS or t.te >= 2 * SHORT_TE_MS else None


def _words(value: Any) -> list[str]:
    many = value if isinstance(value, tuple) else (value,)
    return [str(v).strip().upper() for v in many if v]


def _number(value: Any) -> float | None:
    first = value[0] if isinstance(value, tuple) and value else value
    return float(first) if isinstance(first, int | float) else None
