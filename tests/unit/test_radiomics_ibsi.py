"""The shipped settings on the IBSI digital phantom, against the reference values of the IBSI manual (1612.07003 v11).

Grey levels are multiplied by 10 because the shipped bins are 10 wide; texture does not see that.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.radiomics.extractor import extract
from pipeline.radiomics.params import RadiomicsParams
from pipeline.radiomics.patch import Patch
from pipeline.radiomics.words import ibsi_code

_ = 0
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [_, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, _, _], [1, 1, 1, 1, 1], [1, 1, _, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, _, _], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    float,
)
"""(z, y, x), 2 mm; 0 lies outside the region."""

SCALED = {"Mean", "Median", "Minimum", "Maximum", "10Percentile", "90Percentile", "InterquartileRange", "Range",
          "MeanAbsoluteDeviation", "RobustMeanAbsoluteDeviation", "RootMeanSquared"}  # fmt: skip
SQUARED = {"Energy", "Variance"}

REFERENCE = """
shape: MeshVolume 556, VoxelVolume 592, SurfaceArea 388, SurfaceVolumeRatio 0.698, Sphericity 0.843,
 Maximum3DDiameter 13.1, Elongation 0.816, Flatness 0.749
firstorder: Mean 2.15, Variance 3.05, Skewness 1.08, Median 1, Minimum 1, 10Percentile 1, 90Percentile 4, Maximum 6,
 InterquartileRange 3, Range 5, MeanAbsoluteDeviation 1.55, RobustMeanAbsoluteDeviation 1.11, Energy 567,
 RootMeanSquared 2.77, Entropy 1.27, Uniformity 0.512
glcm: MaximumProbability 0.503, JointAverage 2.14, SumSquares 3.10, JointEntropy 2.40, DifferenceAverage 1.43,
 DifferenceVariance 3.06, DifferenceEntropy 1.56, SumAverage 4.29, SumEntropy 1.92, JointEnergy 0.303, Contrast 5.32,
 Id 0.677, Idn 0.851, Idm 0.618, Idmn 0.898, InverseVariance 0.0604, Correlation 0.157, Autocorrelation 5.06,
 ClusterTendency 7.07, ClusterShade 16.6, ClusterProminence 145, Imc1 -0.157, Imc2 0.520
glrlm: ShortRunEmphasis 0.705, LongRunEmphasis 3.06, LowGrayLevelRunEmphasis 0.603, HighGrayLevelRunEmphasis 9.70,
 ShortRunLowGrayLevelEmphasis 0.352, ShortRunHighGrayLevelEmphasis 8.54, LongRunLowGrayLevelEmphasis 2.39,
 LongRunHighGrayLevelEmphasis 17.6, GrayLevelNonUniformity 21.8, GrayLevelNonUniformityNormalized 0.430,
 RunLengthNonUniformity 26.9, RunLengthNonUniformityNormalized 0.513, RunPercentage 0.680, GrayLevelVariance 3.46,
 RunVariance 0.574, RunEntropy 2.43
glszm: SmallAreaEmphasis 0.255, LargeAreaEmphasis 550, LowGrayLevelZoneEmphasis 0.253, HighGrayLevelZoneEmphasis 15.6,
 SmallAreaLowGrayLevelEmphasis 0.0256, SmallAreaHighGrayLevelEmphasis 2.76, LargeAreaLowGrayLevelEmphasis 503,
 LargeAreaHighGrayLevelEmphasis 1490, GrayLevelNonUniformity 1.40, GrayLevelNonUniformityNormalized 0.280,
 SizeZoneNonUniformity 1.00, SizeZoneNonUniformityNormalized 0.200, ZonePercentage 0.0676, GrayLevelVariance 2.64,
 ZoneVariance 331, ZoneEntropy 2.32
gldm: SmallDependenceEmphasis 0.0450, LargeDependenceEmphasis 109, LowGrayLevelEmphasis 0.693,
 HighGrayLevelEmphasis 7.66, SmallDependenceLowGrayLevelEmphasis 0.00963, SmallDependenceHighGrayLevelEmphasis 0.736,
 LargeDependenceLowGrayLevelEmphasis 102, LargeDependenceHighGrayLevelEmphasis 235, GrayLevelNonUniformity 37.9,
 DependenceNonUniformity 4.86, DependenceNonUniformityNormalized 0.0657, GrayLevelVariance 3.05,
 DependenceVariance 22.1, DependenceEntropy 4.40
ngtdm: Coarseness 0.0296, Contrast 0.584, Busyness 6.54, Complexity 13.5, Strength 0.763
"""
"""3D; of the co-occurrence and run length matrices the values averaged over 13 directions, as pyradiomics does."""


def references():
    for line in REFERENCE.replace("\n ", " ").strip().splitlines():
        kind, _, pairs = line.partition(": ")
        for pair in pairs.split(","):
            name, value = pair.split()
            yield pytest.param(kind, name, float(value), id=f"{kind}-{name}")


@pytest.fixture(scope="module")
def found():
    index = tuple(np.arange(n, dtype=float) for n in PHANTOM.shape)
    values, _ = extract(Patch(PHANTOM * 10, PHANTOM > 0, index), RadiomicsParams(spacing_mm=2.0))
    return values


@pytest.mark.parametrize(("kind", "name", "reference"), references())
def test_a_feature_has_the_reference_value_of_the_digital_phantom(found, kind, name, reference):
    factor = 10 if kind == "firstorder" and name in SCALED else 100 if kind == "firstorder" and name in SQUARED else 1
    value = found[f"original_{kind}_{name}"] / factor
    half_of_the_third_digit = 0.51 * 10 ** (math.floor(math.log10(abs(reference))) - 2)
    assert value == pytest.approx(reference, abs=half_of_the_third_digit)
    assert ibsi_code(f"original_{kind}_{name}") is not None


def test_the_known_deviations_from_ibsi_are_as_the_readme_says(found):
    assert found["original_firstorder_Kurtosis"] - 3 == pytest.approx(-0.355, abs=5e-4)
    # Covariance over n instead of n - 1: IBSI has 11.4, 9.31 and 8.54.
    n = int((PHANTOM > 0).sum())
    for name, reference in (("MajorAxisLength", 11.4), ("MinorAxisLength", 9.31), ("LeastAxisLength", 8.54)):
        assert found[f"original_shape_{name}"] * math.sqrt(n / (n - 1)) == pytest.approx(reference, rel=5e-3)
