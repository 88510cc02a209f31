"""`lantern analyze` and a worker with a pipeline that rejects candidates."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib import image
from pydicom import dcmread
from typer.testing import CliRunner

from node.cli import app
from tests.support.blobs import write_blobs
from tests.support.findings import AGAINST, DISTANCES_MM
from tests.support.judged import NAME


def analyzed(folder: Path, *more: str) -> tuple[str, dict[str, Any], Path]:
    """What was printed, the summary, and the folder of the objects."""
    write_blobs(folder / "images", balls=3)
    out = folder / "out"
    done = CliRunner().invoke(app, ["analyze", str(folder / "images"), "--pipeline", NAME, "--out", str(out), *more])
    assert done.exit_code == 0, done.output
    return done.output, json.loads((out / "summary.json").read_text()), out


def test_the_summary_tells_site_agreement_distances_and_verdict(tmp_path: Path) -> None:
    _, summary, _ = analyzed(tmp_path)
    first, second = summary["findings"]
    assert (first["label"], second["label"]) == ("BM01_L_CEREBELLUM", "BM02_R_FRONTAL_LOBE")
    assert second["short_label"] == "BM02_R_FRONTAL"
    assert first["site"] == {
        "code": "113305005",
        "scheme": "SCT",
        "meaning": "Cerebellum",
        "laterality": "Left",
        "words": "left cerebellum",
    }
    assert first["distances_mm"] == {k: round(v, 3) for k, v in DISTANCES_MM.items()}
    assert (first["agreement"], first["verdict"]) == (
        pytest.approx(0.6),
        {"score": 0.9, "threshold": 0.35, "against": [], "barred": "", "calibrated": True},
    )
    assert first["enhancing_volume_mm3"] == pytest.approx(0.75 * first["volume_mm3"])
    (rejected,) = summary["rejected"]
    assert (rejected["label"], rejected["site"], rejected["agreement"]) == ("FP01", None, None)
    assert [r["words"] for r in rejected["verdict"]["against"]] == [r.words for r in AGAINST]


def test_rejected_candidates_are_printed_in_a_table_of_their_own(tmp_path: Path) -> None:
    printed, _, _ = analyzed(tmp_path)
    lesions, _, rejected = printed.partition("Rejected candidates, not findings")
    assert "left cerebellum" in lesions
    assert "BM02_R_FRONTAL_LOBE" in lesions
    assert "FP01" not in lesions
    assert "drawn out like a vessel; lies on the dura" in rejected


def test_the_second_segmentation_is_off_unless_asked_for(tmp_path: Path) -> None:
    _, summary, out = analyzed(tmp_path / "off")
    assert [o["part"] for o in summary["objects"]] == ["SEG", "RTSTRUCT", "KO", "SR"]
    assert not (out / "SEG_REJECTED.dcm").exists()
    _, summary, out = analyzed(tmp_path / "on", "-o", "rejected_seg=true")
    assert [(o["part"], o["kind"]) for o in summary["objects"]] == [
        ("SEG", "SEG"),
        ("RTSTRUCT", "RTSTRUCT"),
        ("SEG_REJECTED", "SEG"),
        ("KO", "KO"),
        ("SR", "SR"),
    ]
    assert "rejected" in dcmread(out / "SEG_REJECTED.dcm").SeriesDescription


def test_a_picture_is_drawn_when_asked_for(tmp_path: Path) -> None:
    _, _, out = analyzed(tmp_path, "--picture")
    assert image.imread(out / "picture.png").shape[1] > 1000


def test_another_analysis_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    analyzed(tmp_path, "--picture", "-o", "rejected_seg=true")
    _, _, out = analyzed(tmp_path)
    assert {p.name for p in out.iterdir()} == {"SEG.dcm", "RTSTRUCT.dcm", "KO.dcm", "SR.dcm", "summary.json"}
