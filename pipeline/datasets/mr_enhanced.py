"""A volume -> one Enhanced MR Image object (PS3.3 A.36), frames in functional groups."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import EnhancedMRImageStorage

from pipeline.core.uid import derive_uid
from pipeline.datasets.mr_parts import Acquisition, Content, decimal, finish, orientation, position, series_level

_GADOLINIUM = codes.cid13.Gadolinium
_INTRAVENOUS = Code("47625008", "SCT", "Intravenous route")
_CLASSIC_ONLY = (
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "SequenceName",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "FlipAngle",
    "ImagingFrequency",
)
"""Attributes of the classic MR Image module, that an Enhanced object says in functional groups instead."""


def enhanced_object(content: Content, acquisition: Acquisition) -> Dataset:
    """The whole volume in one object: stack 1, frames in slice order."""
    ds = series_level(content, acquisition)
    classic = {k: ds[k].value for k in _CLASSIC_ONLY if k in ds}
    for keyword in classic:
        del ds[keyword]
    uid = derive_uid("lantern mr image", acquisition.seed, content.name, "enhanced")
    ds.update(_image_level(content, acquisition, uid))
    ds.SharedFunctionalGroupsSequence = [_shared(content, classic, bool(acquisition.contrast_agent))]
    ds.PerFrameFunctionalGroupsSequence = [_frame(content, i, acquisition) for i in range(len(content.pixels))]
    if acquisition.contrast_agent:
        ds.ContrastBolusAgentSequence = [_agent(acquisition.contrast_agent)]
    ds.PixelData = content.pixels.tobytes()
    return finish(ds, EnhancedMRImageStorage, uid, acquisition.more)


def _image_level(content: Content, acquisition: Acquisition, uid: str) -> Dataset:
    """Enhanced MR Image, MR Pulse Sequence and Multi-frame Dimension modules (C.8.13.1, C.8.13.4, C.7.6.17)."""
    planar = content.is_planar
    ds = _set(
        Dataset(),
        InstanceNumber=1,
        NumberOfFrames=len(content.pixels),
        ImageType=["ORIGINAL", "PRIMARY", "T1", "NONE"],
        AcquisitionDateTime=acquisition.date + acquisition.time,
        AcquisitionDuration=300.0,
        ContentQualification="RESEARCH",
        ResonantNucleus="1H",
        KSpaceFiltering="NONE",
        ApplicableSafetyStandardAgency="IEC",
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent="MAGNITUDE",
        AcquisitionContrast="T1",
        PresentationLUTShape="IDENTITY",
        BurnedInAnnotation="NO",
        LossyImageCompression="00",
        PulseSequenceName="T1SE" if planar else "T1TFE",
        MRAcquisitionType="2D" if planar else "3D",
        EchoPulseSequence="SPIN" if planar else "GRADIENT",
        MultiPlanarExcitation="NO",
        PhaseContrast="NO",
        TimeOfFlightContrast="NO",
        SteadyStatePulseSequence="NONE",
        EchoPlanarPulseSequence="NO",
        SaturationRecovery="NO",
        SpectrallySelectedSuppression="NONE",
        GeometryOfKSpaceTraversal="RECTILINEAR",
        SegmentedKSpaceTraversal="SINGLE",
        RectilinearPhaseEncodeReordering="LINEAR",
        NumberOfKSpaceTrajectories=1,
        OversamplingPhase="NONE",
        AcquisitionContextSequence=[],
    )
    _set(ds, **({"MultipleSpinEcho": "NO"} if planar else {"CoverageOfKSpace": "FULL"}))
    organization = derive_uid("lantern mr dimensions", uid)
    ds.DimensionOrganizationSequence = [_set(Dataset(), DimensionOrganizationUID=organization)]
    ds.DimensionIndexSequence = [
        _set(
            Dataset(),
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=0x00209111,
            DimensionDescriptionLabel=label,
        )
        for pointer, label in ((0x00209056, "Stack ID"), (0x00209057, "In-Stack Position Number"))
    ]
    return ds


def _shared(content: Content, classic: dict[str, Any], with_contrast: bool) -> Dataset:
    spacing = content.geometry.spacing
    rows, columns = content.pixels.shape[1:]
    inverted = bool(classic.get("InversionTime"))
    groups: dict[str, dict[str, Any]] = {
        "PixelMeasuresSequence": {
            "PixelSpacing": [decimal(v) for v in spacing[1:]],
            "SliceThickness": decimal(spacing[0]),
            "SpacingBetweenSlices": decimal(spacing[0]),
        },
        "PlaneOrientationSequence": {"ImageOrientationPatient": orientation(content.geometry)},
        "PixelValueTransformationSequence": {
            "RescaleIntercept": "0",
            "RescaleSlope": decimal(content.slope),
            "RescaleType": "US",
        },
        "FrameVOILUTSequence": {
            "WindowCenter": decimal(content.window[0]),
            "WindowWidth": decimal(content.window[1]),
        },
        "FrameAnatomySequence": {"AnatomicRegionSequence": [_code(codes.SCT.Brain)], "FrameLaterality": "U"},
        "MRImageFrameTypeSequence": {
            "FrameType": ["ORIGINAL", "PRIMARY", "T1", "NONE"],
            "PixelPresentation": "MONOCHROME",
            "VolumetricProperties": "VOLUME",
            "VolumeBasedCalculationTechnique": "NONE",
            "ComplexImageComponent": "MAGNITUDE",
            "AcquisitionContrast": "T1",
        },
        "MRTimingAndRelatedParametersSequence": {
            "RepetitionTime": decimal(classic["RepetitionTime"]),
            "FlipAngle": decimal(classic["FlipAngle"]),
            "EchoTrainLength": 1,
            "RFEchoTrainLength": 1,
            "GradientEchoTrainLength": 1,
            "OperatingModeSequence": [_set(Dataset(), OperatingModeType="STATIC FIELD", OperatingMode="IEC_NORMAL")],
            "SpecificAbsorptionRateSequence": [
                _set(
                    Dataset(),
                    SpecificAbsorptionRateDefinition="IEC_HEAD",
                    SpecificAbsorptionRateValue=0.1,
                )
            ],
            "GradientOutputType": "DB_DT",
            "GradientOutput": 50.0,
        },
        "MREchoSequence": {"EffectiveEchoTime": float(classic["EchoTime"])},
        "MRModifierSequence": {
            "InversionRecovery": "YES" if inverted else "NO",
            "FlowCompensation": "NONE",
            "Spoiling": "RF",
            "T2Preparation": "NO",
            "SpectrallySelectedExcitation": "NONE",
            "SpatialPresaturation": "NONE",
            "PartialFourier": "NO",
            "ParallelAcquisition": "NO",
            **({"InversionTimes": [float(classic["InversionTime"])]} if inverted else {}),
        },
        "MRImagingModifierSequence": {
            "MagnetizationTransfer": "NONE",
            "BloodSignalNulling": "NO",
            "Tagging": "NONE",
            "TransmitterFrequency": float(classic["ImagingFrequency"]),
            "PixelBandwidth": "200",
        },
        "MRFOVGeometrySequence": {
            "InPlanePhaseEncodingDirection": "ROW",
            "MRAcquisitionFrequencyEncodingSteps": rows,
            "MRAcquisitionPhaseEncodingStepsInPlane": columns,
            "MRAcquisitionPhaseEncodingStepsOutOfPlane": len(content.pixels),
            "PercentSampling": "100",
            "PercentPhaseFieldOfView": "100",
        },
        "MRAveragesSequence": {"NumberOfAverages": "1"},
        "MRReceiveCoilSequence": {
            "ReceiveCoilName": "HEAD",
            "ReceiveCoilManufacturerName": "",
            "ReceiveCoilType": "VOLUME",
            "QuadratureReceiveCoil": "YES",
        },
        "MRTransmitCoilSequence": {
            "TransmitCoilName": "BODY",
            "TransmitCoilManufacturerName": "",
            "TransmitCoilType": "BODY",
        },
    }
    if with_contrast:
        groups["ContrastBolusUsageSequence"] = {
            "ContrastBolusAgentNumber": 1,
            "ContrastBolusAgentAdministered": "YES",
            "ContrastBolusAgentDetected": "YES",
        }
    return _set(Dataset(), **{name: [_set(Dataset(), **values)] for name, values in groups.items()})


def _frame(content: Content, index: int, acquisition: Acquisition) -> Dataset:
    taken = acquisition.date + acquisition.time
    frame = _set(
        Dataset(),
        StackID="1",
        InStackPositionNumber=index + 1,
        DimensionIndexValues=[1, index + 1],
        FrameAcquisitionNumber=1,
        FrameAcquisitionDateTime=taken,
        FrameReferenceDateTime=taken,
        FrameAcquisitionDuration=300000.0,
    )
    plane = _set(Dataset(), ImagePositionPatient=position(content.geometry, index))
    return _set(Dataset(), FrameContentSequence=[frame], PlanePositionSequence=[plane])


def _agent(name: str) -> Dataset:
    """Enhanced Contrast/Bolus (C.7.6.4b): the agent as a code whose meaning is the name given."""
    return _set(
        _code(Code("LANTERN-AGENT", "99LANTERN", name)),
        ContrastBolusAgentNumber=1,
        ContrastBolusAdministrationRouteSequence=[_code(_INTRAVENOUS)],
        ContrastBolusIngredientCodeSequence=[_code(_GADOLINIUM)],
        ContrastBolusVolume="7.5",
        ContrastBolusIngredientConcentration="1",
    )


def _code(code: Code) -> Dataset:
    return _set(
        Dataset(), CodeValue=code.value, CodingSchemeDesignator=code.scheme_designator, CodeMeaning=code.meaning
    )


def _set(ds: Dataset, **values: Any) -> Dataset:
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds
