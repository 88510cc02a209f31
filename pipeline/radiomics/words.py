"""A feature in human words: what it means that a candidate has more, or less, of it than lesions have."""

from __future__ import annotations

_OWN = {
    "volume_mm3": ("larger than most lesions", "smaller than most lesions"),
    "voxels": ("more voxels than most lesions", "fewer voxels than most lesions"),
    "slices": ("on more slices than most lesions", "on fewer slices than most lesions"),
    "slice_thickness_mm": ("thicker slices than with most lesions", "thinner slices than with most lesions"),
    "probability_max": ("network surer than of most lesions", "network less sure than of most lesions"),
    "probability_mean": ("network surer throughout than of most lesions", "network less sure throughout"),
    "probability_entropy": ("network less decided than on most lesions", "network more decided than on most lesions"),
    "agreement": ("readings agree more than on most lesions", "readings agree less than on most lesions"),
    "volume_peak": ("clearer as a volume than most lesions", "less clear as a volume than most lesions"),
    "slices_peak": ("clearer slice by slice than most lesions", "less clear slice by slice than most lesions"),
    "extent_mm": ("longer than most lesions", "shorter than most lesions"),
    "elongation": ("more elongated than most lesions, as vessels are", "rounder than most lesions"),
    "flatness": ("flatter than most lesions, as membranes are", "not as flat as most lesions"),
    "fill": ("fills its box more than most lesions", "fills its box less, as what bends or branches"),
    "brightness": ("brighter than most lesions, as vessels are", "enhances less than most lesions"),
    "brightness_max": ("brightest spot brighter, as in vessels", "brightest spot less bright than in most lesions"),
    "core_minus_shell": ("centre brighter against the edge than in most lesions", "centre darker than in most lesions"),
    "ring_contrast": ("stands out more than most lesions", "stands out less than most lesions"),
    "ring_sharpness": ("edge sharper than of most lesions", "edge less sharp than of most lesions"),
    "ring_deviation": ("surroundings more uneven than of most lesions", "surroundings more even than of most lesions"),
    "ring_bright_share": ("more of what surrounds it is bright", "less of what surrounds it is bright"),
    "ring_exits": ("goes on in more places than most lesions, as vessels do", "goes on in fewer places"),
    "vesselness": ("more like a tube than most lesions", "less like a tube than most lesions"),
    "vesselness_mean": ("more like a tube throughout than most lesions", "less like a tube throughout"),
    "curvature_along": ("more like a ball than most lesions", "straighter in one direction, as vessels are"),
    "curvature_across": ("more equally curved across than most lesions", "more like a sheet, as membranes are"),
    "depth_mm": ("deeper inside than most lesions", "nearer the surface than most lesions"),
    "midline_mm": ("farther from the midline than most lesions", "nearer the midline than most lesions"),
    "above_base_mm": ("higher above the skull base than most lesions", "nearer the skull base than most lesions"),
    "mark_value": ("detectors surer than of most lesions", "detectors less sure than of most lesions"),
    "mark_rank": ("less suspicious than other places of the image", "more suspicious than other places of the image"),
    "mark_of_specks": ("found as calcifications", "not found as calcifications"),
    "map_dense": ("features of its cells more like a lesion's", "features of its cells less like a lesion's"),
    "map_dense_malignant": ("cells more like a malignant lesion's", "cells less like a malignant lesion's"),
    "map_pairs": ("more suspicious beside the other breast", "less suspicious beside the other breast"),
    "map_pairs_malignant": (
        "more like a malignant lesion to the network",
        "less like a malignant lesion to the network",
    ),
    "map_specks": ("more like calcifications than most lesions", "less like calcifications than most lesions"),
    "image_abnormal": ("image more suspicious than with most lesions", "image less suspicious than with most lesions"),
    "image_malignant": ("image more like one with a cancer", "image less like one with a cancer"),
    "other_abnormal": ("other breast more suspicious", "other breast less suspicious"),
    "other_malignant": ("other breast more like one with a cancer", "other breast less like one with a cancer"),
    "mirror_contrast": ("brighter against the other side than most lesions", "more like the other side"),
}
"""Own features: words for more, words for less. All compare: where a value lies on its own they do not know."""

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
