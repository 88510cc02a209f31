"""The whole evaluation on phantoms, with a reader whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.evaluation.__main__ import NOTHING_DONE, main
from pipeline.evaluation.cases import Entry
from pipeline.evaluation.cases.find import find_cases
from pipeline.evaluation.cases.phantoms import phantom_entries
from pipeline.evaluation.reading import Read, Subject
from pipeline.evaluation.run import evaluate

BRIGHT = 600.0


def threshold_reader(image: hd.Volume, group: str) -> Read:
    """Everything bright is a candidate; what is large is turned down by its "model 2"."""
    labels, n = ndimage.label(np.asarray(image.array) > BRIGHT, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    peaks = ndimage.maximum(image.array, labels, np.arange(1, n + 1)) if n else np.zeros(0)
    score = 1 / (1 + sizes / 200)
    return Read(labels.astype(np.uint16), np.asarray(peaks) / 1000, score, score > 0.5, None, "", {"all": 0.0})


def largest_reader(image: hd.Volume, group: str) -> Read:
    """The three largest bright parts of a head."""
    labels, _ = ndimage.label(np.asarray(image.array) > BRIGHT, np.ones((3, 3, 3)))
    order = np.argsort(np.bincount(labels.ravel())[1:])[::-1][:3] + 1
    table = np.zeros(labels.max() + 1, np.uint16)
    table[order] = (1, 2, 3)
    return Read(table[labels], np.ones(3), np.ones(3), np.ones(3, bool), None, "", {})


SUBJECT = Subject("threshold", "1", threshold_reader)


def patient(folder: Path, name: str, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
    """Lesions of 27 (found), 27 (too dim: missed) and 343 voxels (rejected); a bright spot of 27 that is none."""
    rng = np.random.default_rng(sum(map(ord, name)))
    image = rng.integers(80, 120, (50, 50, 30)).astype(np.int16)
    truth = np.zeros(image.shape, np.uint8)
    for corner, side, signal in (((5, 5, 5), 3, 900), ((5, 30, 5), 3, 400), ((30, 30, 12), 7, 950)):
        where = tuple(slice(c, c + side) for c in corner)
        truth[where], image[where] = 1, signal
    image[40:43, 5:8, 20:23] = 700
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*spacing, 1.0])
    nib.save(nib.Nifti1Image(image, affine), folder / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(truth, affine), folder / f"{name}_mask.nii.gz")


def run(data: Path, out: Path, seed: int = 0) -> dict[str, object]:
    lines: list[str] = []
    report = evaluate(find_cases(data), SUBJECT, out, seed, lines.append)
    assert len(lines) == len(find_cases(data))
    return report


def test_the_report_says_what_was_found_and_shows_what_was_not(tmp_path: Path) -> None:
    for k in range(6):
        patient(tmp_path / "data", f"p{k}")
    report = run(tmp_path / "data", tmp_path / "out")
    about = report["tiers"]["T2"]  # type: ignore[index]
    assert about["before"]["sensitivity"]["found"] == 12
    assert about["after"]["sensitivity"]["found"] == 6
    assert about["after"]["false_positives_per_scan"]["value"] == 1.0
    # One perfect lesion of three, and one false positive.
    assert about["after"]["lesionwise_tumour"]["dice"]["value"] == pytest.approx(1 / 4)
    assert about["model_2"]["false_positives_removed"]["value"] == 0.0
    assert report["subject"] == {"name": "threshold", "version": "1", "operating_point": 0.0}
    overlays = sorted(p.name for p in (tmp_path / "out" / "overlays").iterdir())
    assert overlays == [f"p{k}-{w}.png" for k in range(6) for w in ("false-03", "missed-02", "missed-03")]
    said = (tmp_path / "out" / "report.md").read_text()
    assert "12/18 = 0.67" in said
    for picture in (*report["overlays"], *report["plots"]["T2"].values()):  # type: ignore[misc, index]
        assert f"({picture})" in said
        assert (tmp_path / "out" / picture).stat().st_size > 3000


def test_the_overlay_outlines_truth_and_false_positive_in_their_colours(tmp_path: Path) -> None:
    patient(tmp_path / "data", "p0")
    run(tmp_path / "data", tmp_path / "out")

    def has(name: str, colour: tuple[int, int, int]) -> bool:
        pixels = np.asarray(Image.open(tmp_path / "out" / "overlays" / name).convert("RGB")).astype(int)
        return bool((np.abs(pixels - colour).sum(axis=2) < 60).sum() > 20)

    green, red, orange = (0, 208, 96), (255, 64, 48), (255, 176, 0)
    assert has("p0-missed-02.png", green)
    assert not has("p0-missed-02.png", orange)
    assert has("p0-missed-03.png", orange) or has("p0-missed-03.png", green)
    assert has("p0-false-03.png", red)
    assert not has("p0-false-03.png", green)


def test_thick_slices_are_shown_in_their_own_plane_only(tmp_path: Path) -> None:
    patient(tmp_path / "data", "p0")
    patient(tmp_path / "data", "p1", (1.0, 1.0, 5.0))
    run(tmp_path / "data", tmp_path / "out")
    thin, thick = (Image.open(tmp_path / "out" / "overlays" / f"p{k}-missed-02.png").size for k in (0, 1))
    assert thin[0] > thick[0]


def test_the_same_seed_and_data_give_the_same_report_to_the_byte(tmp_path: Path) -> None:
    for k in range(5):
        patient(tmp_path / "data", f"p{k}")
    for name in ("one", "two"):
        run(tmp_path / "data", tmp_path / name, seed=3)
    one, two = ((tmp_path / name / "report.json").read_bytes() for name in ("one", "two"))
    assert one == two
    assert set(json.loads((tmp_path / "one" / "timings.json").read_text())) == {f"p{k}" for k in range(5)}
    overlay = "overlays/p0-false-03.png"
    assert (tmp_path / "one" / overlay).read_bytes() == (tmp_path / "two" / overlay).read_bytes()


def test_a_case_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    patient(tmp_path / "data", "p0")
    patient(tmp_path / "data", "p1")
    patient(tmp_path / "data", "p2")
    nib.save(nib.Nifti1Image(np.ones((5, 5, 5), np.uint8), np.eye(4)), tmp_path / "data" / "p1_mask.nii.gz")
    damaged = next((tmp_path / "data").glob("p2_mask.nii.gz"))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = b"\xff" * 40
    damaged.write_bytes(content)
    report = run(tmp_path / "data", tmp_path / "out")
    assert [c["name"] for c in report["cases"]] == ["p0"]  # type: ignore[attr-defined, index]
    assert [u["name"] for u in report["unreadable"]] == ["p1", "p2"]  # type: ignore[attr-defined]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "same grid" in text
    assert "p2_mask.nii.gz cannot be read" in text


def test_a_declined_case_is_reported_with_its_lesions_missed(tmp_path: Path) -> None:
    patient(tmp_path / "data", "p0")

    def decline(image: hd.Volume, group: str) -> Read:
        none = np.zeros(0)
        return Read(np.zeros(image.spatial_shape, np.uint16), none, none, none > 0, None, "not a head", {})

    report = evaluate(find_cases(tmp_path / "data"), Subject("no", "1", decline), tmp_path / "out", 0, lambda _: None)
    assert report["tiers"]["T2"]["declined"] == ["p0"]
    assert report["tiers"]["T2"]["after"]["sensitivity"]["of"] == 3
    assert report["cases"][0]["declined"] == "not a head"


def test_a_phantom_goes_through_the_same_way(tmp_path: Path) -> None:
    entries: list[Entry] = phantom_entries((("axial", 9005, (26, 140, 140), (6.0, 1.7, 1.7)),))
    report = evaluate(entries, Subject("largest", "1", largest_reader), tmp_path, 0, lambda _: None)
    assert report["tiers"]["T0"]["lesions"] >= 3
    assert len(report["cases"][0]["each_candidate"]) == 3
    assert report["cases"][0]["group"] == "phantom-9005"


def test_the_command_explains_itself_and_refuses_a_folder_of_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["srs", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == NOTHING_DONE
    said = capsys.readouterr()
    assert said.out == ""
    assert "BraTS-METS" in said.err
    assert not (tmp_path / "out").exists()


def test_help_gives_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "python -m pipeline.evaluation srs --data" in capsys.readouterr().out
