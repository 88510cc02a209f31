"""Small data sets of mammograms in the layouts that their makers documented, with findings at known places."""

from __future__ import annotations

import plistlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from pipeline.datasets.mg_writer import MgAcquisition, MgHabit, write_mammogram
from pipeline.marks import Laterality

Picture = NDArray[Any]


FILM = (600, 400)
"""Rows and columns of a film scan that is just large enough to be taken for one."""


def breast(shape: tuple[int, int] = (120, 80), wall: str = "left", top: int = 3000, pectoral: bool = False) -> Picture:
    """Half an ellipse at one edge on black, uint16; every row differs. pectoral: a bright triangle above."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    depth = 1 - ((y - shape[0] / 2) / (0.45 * shape[0])) ** 2 - (x / (0.8 * shape[1])) ** 2
    values = np.where(depth > 0, top * (0.3 + 0.5 * depth) + y, 0)
    if pectoral:
        values = np.where(x / (0.4 * shape[1]) + y / (0.5 * shape[0]) < 1, top, values)
    return (values if wall == "left" else values[:, ::-1]).astype(np.uint16)


def circle(shape: tuple[int, int], row: float, column: float, radius: float) -> NDArray[np.bool_]:
    """Pixels whose centre is within a circle about the centre of pixel (row, column)."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return np.asarray((y - row) ** 2 + (x - column) ** 2 <= radius**2)


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Dice."""
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


# mini-MIAS ---------------------------------------------------------------------------------------------------------

MIAS_INFO = """MAMMOGRAPHIC IMAGE ANALYSIS SOCIETY

1st column: MIAS database reference number.
mdb001 is only a word in this sentence

mdb001 G CIRC B 535 425 197
mdb002 G NORM
mdb003 D CALC M 300 900 20
mdb003 D CALC M 310 100 30
mdb004 F CALC B *NOTE 3*
mdb005 F ARCH M 477 133 30
"""


def mias(folder: Path) -> Path:
    """Five images as PGM of 1024 x 1024, and Info.txt; mdb005's image is missing."""
    folder.mkdir(parents=True)
    (folder / "Info.txt").write_text(MIAS_INFO)
    for n in range(1, 5):
        pixels = (breast((1024, 1024), "right" if n % 2 else "left") // 16).astype(np.uint8)
        pixels[0, 0] = n
        Image.fromarray(pixels).save(folder / f"mdb{n:03d}.pgm")
    return folder


# DDSM --------------------------------------------------------------------------------------------------------------

_CODES = {(0, -1): 0, (1, -1): 1, (1, 0): 2, (1, 1): 3, (0, 1): 4, (-1, 1): 5, (-1, 0): 6, (-1, -1): 7}


def chain(points: list[tuple[int, int]]) -> str:
    """A closed path through (x, y) corners, all steps straight or diagonal, as DDSM writes it."""
    steps = []
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        count = max(abs(x1 - x0), abs(y1 - y0))
        steps += [_CODES[(x1 - x0) // count, (y1 - y0) // count]] * count
    x, y = points[0]
    return f"{x} {y} {' '.join(map(str, steps))} #"


DDSM_OVERLAY = """TOTAL_ABNORMALITIES 2
ABNORMALITY 1
LESION_TYPE MASS SHAPE IRREGULAR MARGINS SPICULATED
ASSESSMENT 5
SUBTLETY 3
PATHOLOGY MALIGNANT
TOTAL_OUTLINES 2
BOUNDARY
{first}
\tCORE
{core}
ABNORMALITY 2
LESION_TYPE CALCIFICATION TYPE PLEOMORPHIC DISTRIBUTION CLUSTERED
ASSESSMENT 4
SUBTLETY 5
PATHOLOGY BENIGN_WITHOUT_CALLBACK
TOTAL_OUTLINES 1
BOUNDARY
{second}
"""
DDSM_BOX = (30, 50, 44, 60)
"""left, top, right, bottom: pixels that the first boundary passes through."""
DDSM_DIAMOND = [(60, 20), (65, 25), (60, 30), (55, 25)]


def ddsm(folder: Path, streams: dict[str, bytes], shape: tuple[int, int], digitiser: str = "LUMISYS LASER") -> Path:
    """One case, C-0029-1, with the LJPEG streams given by view; findings on LEFT_CC."""
    case = folder / "cancers" / "cancer_01" / "case0029"
    case.mkdir(parents=True)
    lines = [
        f"{view} LINES {shape[0]} PIXELS_PER_LINE {shape[1]} BITS_PER_PIXEL 12 RESOLUTION 50 "
        f"{'OVERLAY' if view == 'LEFT_CC' else 'NON_OVERLAY'}"
        for view in streams
    ]
    head = ["ics_version 1.0", "filename C-0029-1", "DATE_OF_STUDY 2 7 1995", "PATIENT_AGE 42", "FILM ", "DENSITY 3"]
    sheet = ["", *head, f"DIGITIZER {digitiser}", "SELECTED", *lines]
    (case / "C-0029-1.ics").write_text("\n".join(sheet) + "\n")
    for view, stream in streams.items():
        (case / f"C_0029_1.{view}.LJPEG").write_bytes(stream)
    left, top, right, bottom = DDSM_BOX
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    inner = [(left + 4, top + 4), (left + 6, top + 4), (left + 6, top + 6), (left + 4, top + 6)]
    text = DDSM_OVERLAY.format(first=chain(corners), core=chain(inner), second=chain(DDSM_DIAMOND))
    (case / "C_0029_1.LEFT_CC.OVERLAY").write_text(text)
    return folder


# CBIS-DDSM ---------------------------------------------------------------------------------------------------------

CBIS_SHAPE = (200, 120)


def cbis(folder: Path, *, swapped: bool = False, mask_scale: int = 1) -> Path:
    """One mass in two tables' worth of columns. swapped: the CSV calls the crop the mask; mask_scale: its size."""
    image = "Mass-Training_P_00001_LEFT_CC"
    roi = f"{image}_1"
    shape = (CBIS_SHAPE[0] * mask_scale, CBIS_SHAPE[1] * mask_scale)
    mask = circle(shape, 80 * mask_scale, 40 * mask_scale, 12 * mask_scale).astype(np.uint8) * 255
    crop = breast((30, 26)).astype(np.uint16)
    names = ("000000.dcm", "000001.dcm") if swapped else ("000001.dcm", "000000.dcm")
    secondary(folder / "CBIS-DDSM" / image / "1.2.3" / "1.2.4" / "000000.dcm", breast(CBIS_SHAPE))
    secondary(folder / "CBIS-DDSM" / roi / "1.2.5" / "1.2.6" / names[0], mask)
    secondary(folder / "CBIS-DDSM" / roi / "1.2.5" / "1.2.6" / names[1], crop)
    head = (
        "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,"
        "mass margins,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path"
    )
    row = (
        f"P_00001,2,LEFT,CC,1,mass,OVAL,SPICULATED,4,MALIGNANT,4,{image}/9.9/9.8/000000.dcm,"
        f'"{roi}/9.7/9.6/000001.dcm\n","{roi}/9.7/9.6/000000.dcm\n"'
    )
    (folder / "mass_case_description_train_set.csv").write_text(f"{head}\n{row}\n")
    return folder


def cbis_in_both_tables(folder: Path) -> Path:
    """The same with the film in the table of calcifications too: there for test, benign, in folders of its own."""
    cbis(folder)
    mass, calc = "Mass-Training_P_00001_LEFT_CC", "Calc-Test_P_00001_LEFT_CC"
    mask = circle(CBIS_SHAPE, 120, 30, 8).astype(np.uint8) * 255
    secondary(folder / "CBIS-DDSM" / calc / "1.2.7" / "1.2.8" / "000000.dcm", breast(CBIS_SHAPE))
    secondary(folder / "CBIS-DDSM" / f"{calc}_1" / "1.2.9" / "1.3.1" / "000000.dcm", mask)
    text = (folder / "mass_case_description_train_set.csv").read_text()
    for old, new in (
        (mass, calc), ("abnormality type,mass shape,mass margins", "abnormality type,calc type,calc distribution"),
        ("mass,OVAL,SPICULATED", "calcification,PLEOMORPHIC,CLUSTERED"), ("MALIGNANT", "BENIGN"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    (folder / "calc_case_description_test_set.csv").write_text(text)
    return folder


def secondary(path: Path, pixels: Picture) -> None:
    """A secondary capture with as few attributes as those of TCIA."""
    acquisition = MgAcquisition(Laterality.LEFT, "CC", (1.0, 1.0), bits=8 if pixels.dtype == np.uint8 else 16)
    ds = write_mammogram(pixels, path, acquisition)
    for keyword in ("ImagerPixelSpacing", "ViewCodeSequence", "ViewPosition", "ImageLaterality"):
        delattr(ds, keyword)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    ds.save_as(path, enforce_file_format=True)


# INbreast ----------------------------------------------------------------------------------------------------------

INBREAST_ROWS = [
    ["Patient ID", "Patient age", "Laterality", "View", "Acquisition date", "File Name", "ACR", "Bi-Rads"],
    ["removed", "removed", "R", "CC", "201001", "20586908", "3", "4a"],
    ["removed", "removed", "L", "MLO", "201001", "20586934", "1", "1"],
]


def inbreast(folder: Path, *, table: str = "csv") -> Path:
    """Two images, one with a mass, a calcification and a misspelt asymmetry; the table as CSV or XLSX."""
    for name, side, view in (("20586908", "R", "CC"), ("20586934", "L", "ML")):
        path = folder / "AllDICOMs" / f"{name}_6c613a14b80a8591_MG_{side}_{view}_ANON.dcm"
        acquisition = MgAcquisition(Laterality(side), "CC", (0.07, 0.07), MgHabit.SIEMENS, bits=14)
        write_mammogram(breast(wall="right" if side == "R" else "left"), path, acquisition)
    rois = [
        {"Name": "Mass", "NumberOfPoints": 4, "Point_px": ["(10, 20)", "(30.0, 20)", "(30, 50)", "(10, 5.0e1)"]},
        {"Name": "Calcification", "NumberOfPoints": 1, "Point_px": ["(60.5, 70.25)"]},
        {"Name": "Assymetry", "NumberOfPoints": 3, "Point_px": ["(1, 1)", "(5, 1)", "(5, 5)"]},
    ]
    (folder / "AllXML").mkdir()
    with (folder / "AllXML" / "20586908.xml").open("wb") as file:
        plistlib.dump({"Images": [{"ImageIndex": 0, "NumberOfROIs": 3, "ROIs": rois}]}, file)
    if table == "csv":
        (folder / "INbreast.csv").write_text("\n".join(";".join(row) for row in INBREAST_ROWS))
    else:
        xlsx(folder / "INbreast.xlsx", INBREAST_ROWS)
    return folder


def xlsx(path: Path, rows: list[list[str]]) -> None:
    """The least that a spreadsheet program writes: shared texts, numbers, empty cells left out."""
    shared = sorted({cell for row in rows for cell in row if not cell.isdigit()})
    lines = []
    for r, row in enumerate(rows, 1):
        cells = [
            f'<c r="{chr(65 + c)}{r}"><v>{cell}</v></c>'
            if cell.isdigit()
            else f'<c r="{chr(65 + c)}{r}" t="s"><v>{shared.index(cell)}</v></c>'
            for c, cell in enumerate(row)
            if cell
        ]
        lines.append(f'<row r="{r}">{"".join(cells)}</row>')
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    texts = "".join(f"<si><t>{text}</t></si>" for text in shared)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", f"<sst {space}>{texts}</sst>")
        book.writestr(
            "xl/worksheets/sheet1.xml",
            f"<worksheet {space}><sheetData>{''.join(lines)}</sheetData></worksheet>",
        )


# VinDr-Mammo, RSNA -------------------------------------------------------------------------------------------------


def vindr(folder: Path) -> Path:
    """One study of two images, one inverted, with a mass and thick skin in a box each."""
    for image, side, inverted in (("img1", "L", True), ("img2", "R", False)):
        path = folder / "images" / "study1" / f"{image}.dicom"
        acquisition = MgAcquisition(
            Laterality(side), "MLO", (0.085, 0.085), MgHabit.SIEMENS, inverted=inverted, patient_id="P"
        )
        write_mammogram(breast(wall="left" if side == "L" else "right"), path, acquisition)
    (folder / "breast-level_annotations.csv").write_text(
        "study_id,series_id,laterality,view_position,height,width,image_id,breast_birads,breast_density,split\n"
        "study1,s1,L,MLO,120,80,img1,BI-RADS 5,DENSITY C,training\n"
        "study1,s1,R,MLO,120,80,img2,BI-RADS 1,DENSITY C,training\n"
        "study2,s2,R,CC,120,80,not_here,BI-RADS 1,DENSITY B,test\n"
    )
    (folder / "finding_annotations.csv").write_text(
        "study_id,image_id,laterality,view_position,finding_categories,finding_birads,xmin,ymin,xmax,ymax,split\n"
        "study1,img1,L,MLO,\"['Skin Thickening', 'Mass']\",BI-RADS 5,10.5,20.0,30.5,44.0,training\n"
        "study1,img1,L,MLO,['Skin Thickening'],BI-RADS 3,1,2,3,4,training\n"
        "study1,img2,R,MLO,['No Finding'],,,,,,training\n"
    )
    return folder


def rsna(folder: Path) -> Path:
    """Two women, three images: a cancer, a benign biopsy with an implant, a normal axillary tail view."""
    rows = [("10006", "462822612", "L", "CC"), ("10006", "1459541791", "R", "MLO"), ("10011", "220375232", "L", "AT")]
    for patient, image, side, _ in rows:
        path = folder / "train_images" / patient / f"{image}.dcm"
        acquisition = MgAcquisition(Laterality(side), "CC", (0.07, 0.07), MgHabit.HOLOGIC, inverted=side == "L")
        ds = write_mammogram(breast(), path, acquisition)
        del ds.ImagerPixelSpacing
        ds.save_as(path, enforce_file_format=True)
    (folder / "train.csv").write_text(
        "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,machine_id,"
        "difficult_negative_case\n"
        "2,10006,462822612,L,CC,61.0,1,1,1,0.0,0,B,29,False\n"
        "2,10006,1459541791,R,MLO,61.0,0,1,0,,1,,29,False\n"
        "2,10011,220375232,L,AT,55.0,0,0,0,1.0,0,D,21,True\n"
    )
    return folder


def header(path: Path) -> Dataset:
    """Of a DICOM file, with its pixels."""
    return dcmread(path)
