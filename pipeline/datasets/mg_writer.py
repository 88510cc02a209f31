"""A picture -> a Digital Mammography X-Ray Image, as a mammograph or a film digitiser would send it (PS3.3 A.27)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from pipeline.core.errors import OurFault
from pipeline.core.uid import derive_uid
from pipeline.datasets.mg_breast import Edge, chest_wall
from pipeline.datasets.mg_habits import Display, MgHabit, Modifier, Syntax
from pipeline.datasets.mg_parts import (
    MgAcquisition,
    anatomy_and_view,
    display,
    image_and_pixels,
    patient_to_series,
    prepare,
)

__all__ = ["Display", "Edge", "MgAcquisition", "MgHabit", "Modifier", "Syntax", "mammogram", "write_mammogram"]

_BY_PYDICOM = {Syntax.JPEG_LS: JPEGLSLossless, Syntax.JPEG_2000: JPEG2000Lossless, Syntax.RLE: RLELossless}


def mammogram(picture: NDArray[Any], acquisition: MgAcquisition) -> Dataset:
    """One image with its file meta information.

    picture: (rows, columns), any number type; bright is dense. What is stored follows from it and the acquisition,
             see `mg_parts.prepare`.
    """
    content = prepare(picture, acquisition)
    ds = patient_to_series(content, acquisition)
    anatomy_and_view(ds, acquisition, acquisition.chest_wall or chest_wall(picture))
    image_and_pixels(ds, content, acquisition)
    display(ds, content, acquisition)
    ds.SOPInstanceUID = derive_uid("lantern mg image", acquisition.seed, content.name)
    ds.SOPClassUID = (
        DigitalMammographyXRayImageStorageForProcessing
        if acquisition.for_processing
        else DigitalMammographyXRayImageStorageForPresentation
    )
    for keyword, value in acquisition.more.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return _compressed(ds, content.pixels, acquisition.syntax)


def write_mammogram(picture: NDArray[Any], path: Path, acquisition: MgAcquisition) -> Dataset:
    """Write `mammogram` to a file, and give what was written."""
    ds = mammogram(picture, acquisition)
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return ds


def _compressed(ds: Dataset, pixels: NDArray[Any], syntax: Syntax) -> Dataset:
    if syntax is Syntax.NATIVE:
        ds["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    elif syntax is Syntax.JPEG_LOSSLESS:
        ds.PixelData = encapsulate([_jpeg_lossless(pixels, int(ds.BitsStored))])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.file_meta.TransferSyntaxUID = UID(JPEGLosslessSV1)
    else:
        plugin = "pydicom" if syntax is Syntax.RLE else ""  # GDCM's RLE aborts the process on odd sizes
        ds.compress(_BY_PYDICOM[syntax], arr=pixels, generate_instance_uid=False, encoding_plugin=plugin)
    return ds


def _jpeg_lossless(pixels: NDArray[Any], bits: int) -> bytes:
    """Process 14, selection value 1. GDCM encodes it; pydicom has no way to ask it to."""
    import gdcm  # noqa: PLC0415  (the library is large, and needed for nothing else here)

    rows, columns = pixels.shape
    grey = gdcm.PhotometricInterpretation.MONOCHROME2
    writer = gdcm.ImageWriter()  # an image of its own making lacks what the encoder asks for
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ImplicitVRLittleEndian))
    image.SetPixelFormat(gdcm.PixelFormat(1, pixels.itemsize * 8, bits, bits - 1, 0))
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(pixels.tobytes())
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(image)
    if not change.Change():
        raise OurFault("GDCM did not encode JPEG lossless")
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    pieces = (fragments.GetFragment(i).GetByteValue() for i in range(fragments.GetNumberOfFragments()))
    stream: bytes = b"".join(p.GetBuffer().encode("utf-8", "surrogateescape") for p in pieces)
    return stream
