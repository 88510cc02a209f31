"""The whole evaluation of mammograms on a few made-up images, with a subject whose answers are known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import NotFound, PixelsUnreadable
from pipeline.datasets.mammo import Collection, cases
from pipeline.datasets.mammo.convert import convert
from pipeline.evaluation.__main__ import DONE, NOTHING_DONE, SOME_UNREADABLE, main
from pipeline.evaluation.mammography import shipped
from pipeline.evaluation.mammography.command import find_studies
from pipeline.evaluation.mammography.dicom import dicom_studies
from pipeline.evaluation.mammography.phantoms import phantom_studies
from pipeline.evaluation.mammography.report import card_tables, evidence
from pipeline.evaluation.mammography.run import evaluate
from pipeline.evaluation.mammography.studies import studies_of
from pipeline.evaluation.mammography.subject import Reader, SaidView, Subject, Views
from pipeline.marks import Kind
from pipeline.recipes.mammography.examine import examine
from tests.support.detectors import bright_models
from tests.support.mammo import mias

ON_FIRST = (535.0, 599.0)
"""The middle of mdb001's only lesion, in pixels of the film (y from the top)."""


@dataclass(frozen=True)
class Mark:
    """As the recipe makes them."""

    kind: Kind
    center: tuple[float, float]
    score: float
    kept: bool = True


@dataclass(frozen=True)
class View:
    """As the recipe makes them."""

    abnormal: float
    malignant: float | None
    found: tuple[Mark, ...]


def same_place(woman: str) -> Reader:
    """One mark at ON_FIRST on every right breast, one in the middle of every left one; scores by woman."""
    sure = 0.9 if woman == "mias001" else 0.6

    def read(views: Views) -> Mapping[str, SaidView]:
        out = {}
        for role, pixels in views.items():
            rows, columns = pixels.picture.shape
            (right,) = pixels.canonical.from_image([ON_FIRST])
            at = (float(right[0]), float(right[1])) if role.startswith("R") else (columns / 2, rows / 2)
            score = sure if role.startswith("R") else 0.3
            out[role] = View(score, score / 2, (Mark(Kind.MASS, at, score),))
        return out

    return read


SUBJECT = Subject("fake", "1", same_place, operating_point=0.5, cross_validated=True)


def run(folder: Path, out: Path, subject: Subject = SUBJECT) -> dict[str, Any]:
    studies = list(studies_of(cases("mias", folder)))
    lines: list[str] = []
    report = evaluate(studies, subject, out, 0, lines.append)
    assert len(lines) == len(studies)
    return report


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Two women: mdb001 with one mass, mdb002 normal; mdb003 with two calcifications, mdb004 with some somewhere."""
    return mias(tmp_path / "mias")


def test_the_report_says_what_was_found_and_shows_what_was_not(films: Path, tmp_path: Path) -> None:
    report = run(films, tmp_path / "out")
    about = report["tiers"]["T2"]
    assert (about["images"], about["women"], about["abnormal"], about["malignant"]) == (4, 2, 3, 1)
    assert (about["lesions"], about["lesions_counted"], about["lesions_without_place"]) == (3, 3, 1)
    assert about["images_without_marks_counted"] == ["mdb004"]
    assert about["levels"]["image"]["abnormal"]["estimate"]["value"] == pytest.approx(2.5 / 3, abs=1e-5)
    assert about["levels"]["image"]["malignant"]["estimate"]["value"] == pytest.approx(2 / 3, abs=1e-5)
    at = about["at_false_positives"]
    assert {k: v["sensitivity"]["found"] for k, v in at["all"].items()} == {"0.1": 1, "0.25": 1, "0.5": 1, "1": 1}
    assert at["all"]["0.5"]["threshold"] == 0.6
    assert about["operating_point"]["false_positives_per_image"]["all"]["value"] == pytest.approx(1 / 3, abs=1e-5)
    overlays = sorted(Path(p).name for p in report["overlays"])
    assert overlays == [
        "false-mdb003-R-MLO-1.png",
        "missed-mdb003-R-MLO-1.png",
        "missed-mdb003-R-MLO-2.png",
    ]
    said = (tmp_path / "out" / "report.md").read_text()
    for picture in (*report["overlays"], *report["plots"]["T2"].values()):
        assert f"({picture})" in said
        assert (tmp_path / "out" / picture).stat().st_size > 3000
    assert "1/3 = 0.33" in said
    assert "arXiv 2110.01606" in said
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_an_overlay_shows_the_lesion_and_the_mark_in_their_colours(films: Path, tmp_path: Path) -> None:
    run(films, tmp_path / "out")

    def has(name: str, colour: tuple[int, int, int]) -> bool:
        pixels = np.asarray(Image.open(tmp_path / "out" / "overlays" / name).convert("RGB")).astype(int)
        return bool((np.abs(pixels - colour).sum(axis=2) < 60).sum() > 10)

    green, red = (0, 208, 96), (255, 64, 48)
    assert has("missed-mdb003-R-MLO-1.png", green)
    assert has("missed-mdb003-R-MLO-1.png", red)
    run(films, tmp_path / "low", replace(SUBJECT, operating_point=0.2))
    shutil.copy(tmp_path / "low" / "overlays" / "false-mdb002-L-MLO-1.png", tmp_path / "out" / "overlays")
    assert not has("false-mdb002-L-MLO-1.png", green)


def test_equal_studies_and_seed_give_an_equal_report_and_times_stand_apart(films: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(films, tmp_path / name)
    one, two = ((tmp_path / name / "report.json").read_bytes() for name in ("one", "two"))
    assert one == two
    assert b"seconds" not in one
    times = json.loads((tmp_path / "one" / "timings.json").read_text())
    assert times.keys() == {"mias001", "mias002"}
    assert times["mias001"]["images"] == 2


def test_the_model_card_gets_tables_and_a_sentence_of_what_they_are_worth(films: Path, tmp_path: Path) -> None:
    report = run(films, tmp_path / "out")
    assert evidence(report) == (
        "T2 limited: cross-validated by woman, on 4 films of 2 women (mini-MIAS; MLO, one view per breast; pixels of "
        "200 um; no digital mammogram). Enriched with findings: precision in screening cannot be told from it. "
        "Research estimate, not for treatment."
    )
    tables = card_tables(json.loads(json.dumps(report)))
    assert tables.startswith("T2 limited")
    for words in ("| image | 4 |", "| 0.25 | 1/3", "| CALC | 2 |", "| fatty-glandular |", "| score of marks | 3 |"):
        assert words in tables


def test_women_that_the_weights_were_trained_on_stay_out_of_the_figures(films: Path, tmp_path: Path) -> None:
    trained = replace(SUBJECT, cross_validated=False, seen=frozenset({"mias001"}))
    report = run(films, tmp_path / "one", trained)
    assert report["tiers"]["T2"]["apart"] == ["mdb001", "mdb002"]
    assert report["tiers"]["T2"]["images"] == 2
    on_all = run(films, tmp_path / "two", replace(trained, seen=frozenset({"mias001", "mias002"})))
    assert "TRAINED ON THESE WOMEN" in evidence(on_all)


def test_an_image_that_cannot_be_read_is_named_and_the_others_go_on(films: Path, tmp_path: Path) -> None:
    (films / "mdb002.pgm").write_bytes(b"P5 1024 1024 255 nothing")
    report = run(films, tmp_path / "out")
    assert [u["name"] for u in report["unreadable"]] == ["mdb002"]
    assert [r["name"] for r in report["images"]] == ["mdb001", "mdb003", "mdb004"]
    assert "mdb002" in (tmp_path / "out" / "report.md").read_text()


def test_a_study_that_the_subject_fails_on_is_named(films: Path, tmp_path: Path) -> None:
    def failing(woman: str) -> Reader:
        if woman == "mias001":
            raise PixelsUnreadable("too dark")
        return same_place(woman)

    report = run(films, tmp_path / "out", replace(SUBJECT, reader_for=failing))
    (unreadable,) = report["unreadable"]
    assert unreadable["name"] == "mias001"
    assert unreadable["why"].startswith("too dark")
    assert len(report["images"]) == 2


def test_a_blank_film_is_declined_and_its_lesion_missed(films: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1024, 1024), np.uint8)).save(films / "mdb001.pgm")
    about = run(films, tmp_path / "out")["tiers"]["T2"]
    assert about["declined"] == ["mdb001"]
    assert about["lesions_counted"] == 3
    assert about["at_false_positives"]["all"]["1"]["sensitivity"]["found"] == 0


def test_converted_dicom_has_the_same_truth_and_gives_the_same_figures(films: Path, tmp_path: Path) -> None:
    for case in cases("mias", films):
        convert(case, tmp_path / "dicom")
    studies, left = dicom_studies(tmp_path / "dicom")
    assert left == []
    plain = list(studies_of(cases("mias", films)))
    for ours, theirs in zip(sorted(studies, key=lambda s: s.woman), plain, strict=True):
        assert ours.woman == theirs.woman
        for one, other in zip(sorted(ours.views, key=lambda v: v.name), theirs.views, strict=True):
            assert (one.name, one.role, one.pathology, one.density) == (
                other.name,
                other.role,
                other.pathology,
                other.density,
            )
            assert one.is_film
            for a, b in zip(one.finder(), other.finder(), strict=True):
                assert (a.kind, a.words, a.pathology) == (b.kind, b.words, b.pathology)
                assert np.allclose(a.outline_px, b.outline_px, atol=0.01)
    as_dicom = evaluate(studies, SUBJECT, tmp_path / "a", 0, lambda _: None)["tiers"]["T2"]
    as_films = evaluate(plain, SUBJECT, tmp_path / "b", 0, lambda _: None)["tiers"]["T2"]
    for key in ("levels", "at_false_positives", "lesions", "by"):
        assert as_dicom[key] == as_films[key]


def test_a_made_up_woman_goes_through_the_same_way(tmp_path: Path) -> None:
    study = phantom_studies(2)[1]
    two = replace(study, views=tuple(v for v in study.views if v.view == "CC"))
    right = next(v for v in two.views if v.role == "R-CC")
    (finding,) = right.finder()

    def knows(woman: str) -> Reader:
        def read(views: Views) -> Mapping[str, SaidView]:
            assert woman == study.woman
            (at,) = views["R-CC"].canonical.from_image([finding.center_px])
            return {
                "R-CC": View(0.9, 0.8, (Mark(Kind.MASS, (float(at[0]), float(at[1])), 0.9),)),
                "L-CC": View(0.1, 0.1, ()),
            }

        return read

    about = evaluate([two], Subject("knows", "1", knows), tmp_path, 0, lambda _: None)["tiers"]["T0"]
    assert about["levels"]["breast"]["abnormal"]["estimate"]["value"] == 1.0
    assert about["at_false_positives"]["all"]["0.1"]["sensitivity"] == {
        "found": 1,
        "of": 1,
        "estimate": {"value": 1.0, "low": None, "high": None, "n": 2},
        "wilson": about["at_false_positives"]["all"]["0.1"]["sensitivity"]["wilson"],
    }


def test_the_recipe_s_own_examination_is_read_as_it_is(films: Path, tmp_path: Path) -> None:
    models = bright_models()
    subject = Subject("bright", "1", lambda woman: shipped.reader(models), 0.5)
    report = run(films, tmp_path / "out", subject)
    rows = {r["name"]: r for r in report["images"]}
    study = next(studies_of(cases("mias", films)))
    pixels = {v.role: made for v in study.views if not isinstance(made := v.load(), str)}
    sight = examine(pixels, models).views["R-MLO"]
    assert rows["mdb001"]["score"] == pytest.approx(sight.abnormal, rel=1e-5)
    assert [m["score"] for m in rows["mdb001"]["marks"]] == pytest.approx([f.score for f in sight.found], rel=1e-5)
    assert rows["mdb001"]["marks"][0]["center_px"] == pytest.approx(sight.found[0].center, rel=1e-5)


# Command line ------------------------------------------------------------------------------------------------------


@pytest.fixture
def as_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command evaluates the fake: it needs no weights, and its answers are known."""
    monkeypatch.setattr(shipped, "subject", lambda runs, device: SUBJECT)


@pytest.mark.usefixtures("as_shipped")
def test_the_command_reads_a_set_and_ends_with_0(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["mammography", "--set", f"mias={films}", "--out", str(out), "--limit", "1", "--json"]) == DONE
    said = capsys.readouterr()
    assert json.loads(said.out)["tiers"]["T2"]["images"] == 2
    assert "report.md" in said.err


@pytest.mark.usefixtures("as_shipped")
def test_the_command_ends_with_1_when_some_and_with_2_when_no_image_can_be_read(films: Path, tmp_path: Path) -> None:
    arguments = ["mammography", "--set", f"mias={films}", "--out", str(tmp_path / "out")]
    (films / "mdb002.pgm").write_bytes(b"nothing")
    assert main(arguments) == SOME_UNREADABLE
    for path in films.glob("*.pgm"):
        path.write_bytes(b"nothing")
    assert main(arguments) == NOTHING_DONE


@pytest.mark.parametrize("option", ["--set=mias={}", "--dicom={}", "--dicom={}/nowhere"])
def test_a_folder_of_something_else_is_refused_before_anything_is_written(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    code = main(["mammography", option.format(empty), "--out", str(tmp_path / "out")])
    assert code == NOTHING_DONE
    assert str(empty) in capsys.readouterr().err.replace("\n", "")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["mias", "film=/data", "nothing=/data"])
def test_a_set_without_name_or_truth_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["mammography", "--set", wrong])
    assert ended.value.code == NOTHING_DONE
    assert "NAME=DIR" in capsys.readouterr().err


def test_help_gives_examples_of_both_pipelines_and_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--help"], ("srs --data", "mammography --set", "exit codes")),
        (["mammography", "--help"], ("--made-up", "mias=", "--runs", "exit codes")),
        (["srs", "--help"], ("--masks", "BraTS-METS", "exit codes")),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        said = capsys.readouterr().out
        assert all(w in said for w in words)


def test_without_a_set_made_up_women_are_read() -> None:
    studies, left = find_studies([], None, None)
    assert ({s.tier for s in studies}, left) == ({"T0"}, [])
    assert len(find_studies([], None, 3)[0]) == 3
    with pytest.raises(NotFound):
        find_studies([], Path("/nowhere"), None)


def test_two_sets_are_read_together(films: Path) -> None:
    studies, _ = find_studies([(Collection.MIAS, films)], None, 2)
    assert [s.tier for s in studies] == ["T2", "T2", "T0", "T0"]
