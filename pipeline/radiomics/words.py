"""A feature in human words: what it means that a candidate has more, or less, of it than lesions have."""

from __future__ import annotations

_OWN = {
    "volume_mm3": ("larger than lesions are", "smaller than lesions are"),
    "voxels": ("larger than lesions are", "only a few voxels"),
    "slices": ("runs through many slices", "seen on too few slices"),
    "slice_thickness_mm": ("thick slices", "thin slices"),
    "probability_max": ("network surer than of lesions", "network unsure"),
    "probability_mean": ("network surer than of lesions", "network unsure throughout"),
    "probability_entropy": ("network undecided", "network more decided than on lesions"),
    "agreement": ("readings agree more than on lesions", "readings of the network disagree"),
    "volume_peak": ("seen clearly in the volume", "hardly seen in the volume"),
    "slices_peak": ("seen clearly slice by slice", "hardly seen slice by slice"),
    "extent_mm": ("long", "short"),
    "elongation": ("elongated like a vessel", "rounder than lesions are"),
    "flatness": ("flat like a membrane", "not as flat as lesions are"),
    "fill": ("fills its box, like a block", "bent or branching"),
    "brightness": ("brighter than lesions, as vessels are", "hardly enhancing"),
    "brightness_max": ("very bright spot, as in vessels", "no bright spot"),
    "core_minus_shell": ("bright centre with fading edge", "dark centre"),
    "ring_contrast": ("stands out more than lesions do", "hardly brighter than its surroundings"),
    "ring_sharpness": ("stands out more sharply than lesions do", "no clear edge"),
    "ring_deviation": ("uneven surroundings", "even surroundings"),
    "ring_bright_share": ("goes on into bright surroundings", "surroundings darker all around than lesions'"),
    "ring_exits": ("goes on in several places, like a vessel", "ends on all sides"),
    "vesselness": ("tube-like, as a vessel", "not tube-like"),
    "vesselness_mean": ("tube-like throughout, as a vessel", "nowhere tube-like"),
    "curvature_along": ("ball-like curvature", "straight in one direction, like a vessel"),
    "curvature_across": ("equally curved across", "sheet-like, as dura is"),
    "depth_mm": ("deeper inside than lesions are", "at or beyond the surface of the organ"),
    "midline_mm": ("far from the midline", "in the midline, where sinuses and plexus lie"),
    "above_base_mm": ("high above the skull base", "at the skull base"),
    "mirror_contrast": ("far brighter than the other side", "looks the same on the other side"),
}
"""Own features: words for more, words for less."""

_CLASSES = {
    "shape": "shape", "shape2D": "shape", "firstorder": "grey values", "glcm": "texture", "glrlm": "texture",
    "glszm": "texture", "gldm": "texture", "ngtdm": "texture",
}  # fmt: skip

_IBSI = {
    "shape": (
        "Elongation Q3CK, Flatness N17B, LeastAxisLength 7J51, MajorAxisLength TDIC, Maximum3DDiameter L0JK, "
        "MeshVolume RNU0, MinorAxisLength P9VJ, Sphericity QCFX, SurfaceArea C0JK, SurfaceVolumeRatio 2PR5, "
        "VoxelVolume YEKZ"
    ),
    "firstorder": (
        "10Percentile QG58, 90Percentile 8DWT, Energy N8CA, Entropy TLU2, InterquartileRange SALO, Kurtosis IPH6, "
        "Maximum 84IY, Mean Q4LE, MeanAbsoluteDeviation 4FUA, Median Y12H, Minimum 1GSF, Range 2OJQ, "
        "RobustMeanAbsoluteDeviation 1128, RootMeanSquared 5ZWQ, Skewness KE2A, Uniformity BJ5W, Variance ECT3"
    ),
    "glcm": (
        "Autocorrelation QWB0, ClusterProminence AE86, ClusterShade 7NFM, ClusterTendency DG8W, Contrast ACUI, "
        "Correlation NI2N, DifferenceAverage TF7R, DifferenceEntropy NTRS, DifferenceVariance D3YU, Id IB1Z, Idm WF0Z, "
        "Idmn 1QCO, Idn NDRX, Imc1 R8DG, Imc2 JN9H, InverseVariance E8JP, JointAverage 60VM, JointEnergy 8ZQL, "
        "JointEntropy TU9B, MaximumProbability GYBY, SumAverage ZGXS, SumEntropy P6QZ, SumSquares UR99"
    ),
    "glrlm": (
        "GrayLevelNonUniformity R5YN, GrayLevelNonUniformityNormalized OVBL, GrayLevelVariance 8CE5, "
        "HighGrayLevelRunEmphasis G3QZ, LongRunEmphasis W4KF, LongRunHighGrayLevelEmphasis 3KUM, "
        "LongRunLowGrayLevelEmphasis IVPO, LowGrayLevelRunEmphasis V3SW, RunEntropy HJ9O, RunLengthNonUniformity W92Y, "
        "RunLengthNonUniformityNormalized IC23, RunPercentage 9ZK5, RunVariance SXLW, ShortRunEmphasis 22OV, "
        "ShortRunHighGrayLevelEmphasis GD3A, ShortRunLowGrayLevelEmphasis HTZT"
    ),
    "glszm": (
        "GrayLevelNonUniformity JNSA, GrayLevelNonUniformityNormalized Y1RO, GrayLevelVariance BYLV, "
        "HighGrayLevelZoneEmphasis 5GN9, LargeAreaEmphasis 48P8, LargeAreaHighGrayLevelEmphasis J17V, "
        "LargeAreaLowGrayLevelEmphasis YH51, LowGrayLevelZoneEmphasis XMSY, SizeZoneNonUniformity 4JP3, "
        "SizeZoneNonUniformityNormalized VB3A, SmallAreaEmphasis P001, SmallAreaHighGrayLevelEmphasis HW1V, "
        "SmallAreaLowGrayLevelEmphasis 5RAI, ZoneEntropy GU8N, ZonePercentage P30P, ZoneVariance 3NSA"
    ),
    "gldm": (
        "DependenceEntropy FCBV, DependenceNonUniformity Z87G, DependenceNonUniformityNormalized OKJI, "
        "DependenceVariance DNX2, GrayLevelNonUniformity FP8K, GrayLevelVariance 1PFV, HighGrayLevelEmphasis OAE7, "
        "LargeDependenceEmphasis IMOQ, LargeDependenceHighGrayLevelEmphasis 9QMG, "
        "LargeDependenceLowGrayLevelEmphasis NBZI, LowGrayLevelEmphasis TL9H, SmallDependenceEmphasis SODN, "
        "SmallDependenceHighGrayLevelEmphasis JA6D, SmallDependenceLowGrayLevelEmphasis EQ3F"
    ),
    "ngtdm": "Busyness NQ30, Coarseness QCDE, Complexity HDEZ, Contrast 65HE, Strength 1X9X",
}
"""Codes of the IBSI reference manual (arXiv 1612.07003) by class and pyradiomics' name, where the two are one thing."""


def ibsi_code(feature: str) -> str | None:
    """The code of a pyradiomics feature ("original_glcm_JointEntropy" -> "TU9B"); None for what IBSI does not know."""
    kind, _, name = feature.partition("_")[2].partition("_")
    pairs = (pair.split() for pair in _IBSI.get(kind, "").split(", ") if pair)
    return next((code for known, code in pairs if known == name), None)


def words(feature: str, value: float, typical: float) -> str:
    """What a reader is told of a feature that is not as in lesions. typical: its median over true lesions."""
    more = bool(value > typical)
    if feature in _OWN:
        return _OWN[feature][0 if more else 1]
    image, _, rest = feature.partition("_")
    kind, _, name = rest.partition("_")
    code = ibsi_code(feature)
    known = f"{name}, IBSI {code}" if code else name
    seen = f"{known}, LoG {image.split('-')[2]} mm" if image.startswith("log-sigma-") else known
    return f"{_CLASSES.get(kind, 'feature')} unlike lesions': {'more' if more else 'less'} {kind} {seen}"
