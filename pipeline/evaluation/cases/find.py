"""What lies in a folder? The readers are asked one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.errors import NotFound
from pipeline.evaluation.cases.case import Drawn, Entry, Tier
from pipeline.evaluation.cases.dicom import dicom_entries
from pipeline.evaluation.cases.inserted import inserted_entries
from pipeline.evaluation.cases.nifti import brats_entries, btp_entries, images_alone, pair_entries
from pipeline.evaluation.cases.phantoms import phantom_entries

EXPECTED = """what can be read:
  BraTS-METS     NAME/NAME-t1c.nii.gz with NAME/NAME-seg.nii.gz
  NIfTI pairs    X.nii.gz with X_mask.nii.gz (or _seg, _label, _gtv); imagesTr/X_0000.nii.gz with labelsTr/X.nii.gz
  DICOM          MR series with a SEG or RTSTRUCT that refers to them
  brain/         the project's folder of real images (btp_t1c for T2; t1c_no_lesion and others for T1)"""


def find_cases(data: Path | None, tiers: Sequence[Tier] = (), drawn: Drawn = "tumour") -> list[Entry]:
    """The cases of these tiers (all that the folder has, if none is named), in a fixed order.

    data:  None gives the phantoms (T0); with a folder they are added only when T0 is asked for.
    drawn: what the masks of NIfTI pairs outline.

    Raises NotFound, which says what was looked for.
    """
    wanted = set(tiers)
    entries: list[Entry] = []
    if data is None or "T0" in wanted:
        entries += phantom_entries()
    if data is not None:
        if not data.is_dir():
            raise NotFound(f"{data} is no folder", "give the folder that holds the cases with --data")
        if not wanted or wanted - {"T0"}:
            entries += _in_folder(data, drawn)
    chosen = [e for e in entries if not wanted or e.tier in wanted]
    if not chosen:
        asked = f" of tier {', '.join(sorted(wanted))}" if wanted else ""
        raise NotFound(f"no case{asked} was recognised in {data}", EXPECTED)
    return chosen


def left_out(data: Path | None) -> list[str]:
    """Images of a folder of NIfTI pairs that no case is made of, by name: they have no mask."""
    pairs = data is not None and data.is_dir() and not (data / "brain").is_dir()
    if data is None or not pairs or brats_entries(data) or btp_entries(data):
        return []
    return images_alone(data)


def _in_folder(data: Path, drawn: Drawn) -> list[Entry]:
    if (data / "brain").is_dir():
        return [*inserted_entries(data), *btp_entries(data)]
    for reader in (brats_entries, btp_entries):
        if entries := reader(data):
            return entries
    return pair_entries(data, drawn) or dicom_entries(data)
