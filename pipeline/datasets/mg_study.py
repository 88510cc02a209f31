"""A made-up woman's mammograms -> four files as a mammograph, or whoever digitised her films, would have sent them."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.mg_habits import MgHabit
from pipeline.datasets.mg_parts import MgAcquisition
from pipeline.datasets.mg_writer import write_mammogram
from pipeline.phantom.mammogram import MammogramStudy, MammogramView, Manner


def write_study(
    study: MammogramStudy,
    folder: Path,
    *,
    habit: MgHabit | None = None,
    patient_id: str = "LANTERN-TEST",
    patient_name: str = "Phantom^Lantern",
    date: str = "20260115",
) -> dict[str, Path]:
    """Write every view as it hangs, `folder`/ROLE.dcm; gives the files by role.

    A place of a view's truth is `MammogramView.hung_px` of it in the written image.

    Every view is a series of its own, as most makers send them: a series has one description (PS3.3 C.7.3.1).

    habit: whose headers; None takes a film's for films and GE's for digital images.
    date:  YYYYMMDD, of the study; the same for all whom nobody gave another, as of made-up heads.
    """
    maker = habit or (MgHabit.FILM if study.manner is Manner.FILM else MgHabit.GE)
    files = {}
    for number, view in enumerate(study.views, 1):
        files[view.role] = folder / f"{view.role}.dcm"
        made = _acquisition(view, number, maker, patient_id, patient_name, date)
        write_mammogram(view.hung(), files[view.role], made)
    return files


def _acquisition(
    view: MammogramView, number: int, habit: MgHabit, patient_id: str, patient_name: str, date: str
) -> MgAcquisition:
    return MgAcquisition(
        laterality=view.laterality,
        view=view.view,
        spacing_mm=(view.spacing_mm, view.spacing_mm),
        habit=habit,
        patient_id=patient_id,
        patient_name=patient_name,
        study=f"phantom {patient_id} {date}",
        study_description="MAMMOGRAPHY, made up",
        series_description=view.role,
        series_number=number,
        date=date,
        time="101500" if date else "",
    )
