"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.support import node as n
from tests.support.blobs import blobs_volume, write_blobs
from tests.support.bright import NAME
from tests.support.peers import free_port

COMMANDS = (
    "serve", "receive", "work", "deliver", "web", "clean", "analyze", "check", "doctor", "demo", "studies", "results",
    "send", "jobs list", "jobs show", "jobs retry", "jobs cancel", "destinations list", "destinations show",
    "destinations probe", "destinations echo",
    "routes list", "routes explain", "routes test", "convert nifti", "models list", "models show", "models verify",
    "plan", "timeline", "check-sr", "check-object",
)  # fmt: skip


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    write_blobs(folder)
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("config") / "lantern.toml"
    file.write_text(
        f'[node]\nhost = "127.0.0.1"\nport = {free_port()}\nmin_free_disk_mb = 1\n'
        + n.destination("pacs", "PACS", free_port())
        + n.route(["pacs"], NAME, more='when = { Modality = "MR" }')
    )
    done = n.lantern("jobs", "list", "--config", str(file))
    assert "lantern serve" in done.stderr  # who only looks makes no tables
    assert n.lantern("clean", "--config", str(file)).returncode == 0  # a process does
    return file


def test_every_command_has_help_with_an_example() -> None:
    from typer.testing import CliRunner

    from node.cli import app

    for command in COMMANDS:
        said = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
        assert said.exit_code == 0, said.output
        assert re.search(r"Example:\s+(\w+=\S+ )?lantern " + command, said.output), f"{command}: {said.output}"


def test_analyze_writes_objects_and_a_summary_and_ends_with_0(series: Path, tmp_path: Path) -> None:
    done = n.lantern("analyze", str(series), "--pipeline", NAME, "--out", str(tmp_path / "out"), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["schema"], summary["outcome"], summary["reason"]) == ("lantern.summary/1", "completed", "")
    assert [f["label"] for f in summary["findings"]] == ["BM01", "BM02"]
    for o in summary["objects"]:
        ds = dcmread(tmp_path / "out" / o["file"])
        assert ds.SOPInstanceUID == o["sop_instance_uid"]
    sizes = blobs_volume().array > 800
    assert sum(f["volume_mm3"] for f in summary["findings"]) == pytest.approx(2.0 * sizes.sum())
    assert {"pipeline", "encode", "total"} <= summary["timings_s"].keys()
    again = n.lantern("analyze", str(series), "--pipeline", NAME, "--out", str(tmp_path / "again"), "--json")
    assert json.loads(again.stdout)["objects"] == summary["objects"]


def test_analyze_declines_with_3_and_a_reason(series: Path, tmp_path: Path) -> None:
    done = n.lantern("analyze", str(series), "--pipeline", NAME, "--out", str(tmp_path), "-o", 'reject="a knee"')
    assert done.returncode == 3
    assert "a knee" in done.stdout
    assert json.loads((tmp_path / "summary.json").read_text())["outcome"] == "declined"


def test_analyze_fails_with_1_and_a_reason(series: Path, tmp_path: Path) -> None:
    done = n.lantern("analyze", str(series), "--pipeline", NAME, "--out", str(tmp_path), "-o", 'fail="WeightsCorrupt"')
    assert done.returncode == 1
    assert json.loads((tmp_path / "summary.json").read_text())["outcome"] == "failed"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--pipeline", "srss"), "srs"),
        (("--pipeline", "srs", "-o", "rejected_sgs=true"), "rejected_seg"),
        (("--pipeline", "srs", "-o", "rejected_seg=yes"), "true or false"),
        (("--pipeline", "srs", "-o", "rejected_seg"), "KEY=VALUE"),
        (("--pipeline", "srs", "-o", "bundle=/no/such/folder"), "/no/such/folder"),
    ],
)
def test_wrong_usage_of_analyze_ends_with_2_before_anything_is_read(
    series: Path, tmp_path: Path, asked: tuple[str, ...], said: str
) -> None:
    done = n.lantern("analyze", str(series), *asked, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_two_studies_are_said_apart_and_are_one_json_document(series: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    for number, folder in enumerate((series, series)):
        copy = both / str(number)
        copy.mkdir(parents=True)
        for file in folder.iterdir():
            ds = dcmread(file)
            ds.StudyInstanceUID = f"2.25.{number + 1}"
            ds.SeriesInstanceUID = f"2.25.1{number}"
            ds.SOPInstanceUID += f".{number + 1}"
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            ds.save_as(copy / file.name)
    asked = ("analyze", str(both), "--pipeline", NAME, "--out", str(tmp_path / "out"), "-o", "reject=a knee")
    told = n.lantern(*asked)
    assert "study 1: declined: a knee" in told.stdout
    assert "study 2: declined: a knee" in told.stdout
    assert [s["outcome"] for s in json.loads(n.lantern(*asked, "--json").stdout)] == ["declined", "declined"]


def test_analyze_of_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    done = n.lantern("analyze", str(tmp_path), "--pipeline", NAME, "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "no DICOM image" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_says_every_problem_at_once_with_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[node]\nprot = 1\n\n[[route]]\nname = "x"\npipeline = "nosuch"\ndestinations = ["nowhere"]\n')
    done = n.lantern("check", "--config", str(bad))
    assert done.returncode == 1
    assert "bad.toml:2" in done.stderr
    assert "bad.toml:7" in done.stderr
    assert "port" in done.stderr  # did you mean


def test_check_accepts_a_good_file(config: Path) -> None:
    done = n.lantern("check", "--config", str(config), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["valid"] is True


def test_explain_of_a_folder_says_rule_by_rule(series: Path, config: Path) -> None:
    done = n.lantern("routes", "explain", str(series), "--config", str(config))
    assert "Modality equals 'MR' (is MR)" in done.stdout, done.stderr
    assert "takes this study" in done.stdout


def test_listings_are_json_for_programs(config: Path) -> None:
    for command in (
        ["studies"],
        ["jobs", "list"],
        ["results"],
        ["destinations", "list"],
        ["routes", "list"],
        ["routes", "test"],
    ):
        done = n.lantern(*command, "--json", "--config", str(config))
        assert done.returncode == 0, done.stderr
        assert isinstance(json.loads(done.stdout), list)


def test_echo_of_a_dead_destination_ends_with_1(config: Path) -> None:
    done = n.lantern("destinations", "echo", "pacs", "--config", str(config), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)[0]["reachable"] is False


def test_doctor_names_what_is_wrong_and_what_to_do(config: Path) -> None:
    done = n.lantern("doctor", "--config", str(config), "--json")
    assert done.returncode == 1
    rows = {r["what"]: r for r in json.loads(done.stdout)}
    assert rows["destination pacs"]["state"] == "bad"
    assert rows["destination pacs"]["do"]
    assert rows["database"]["state"] == "good"
    assert "JPEG" in rows["decoders"]["found"]
    assert "results are" in rows["dciodvfy"]["found"]


def test_send_is_a_sender_of_its_own(series: Path, tmp_path: Path) -> None:
    with n.RunningNode(tmp_path / "node", n.route([], NAME)) as node:
        node.start("receive")
        node.wait_for_port()
        done = n.lantern("send", str(series), "--to", f"{n.AE}@127.0.0.1:{node.port}")
        assert done.returncode == 0, done.stderr
        assert "8 of 8" in done.stdout
        (study,) = node.ledger.receptions()
        assert study.instance_count == 8


def test_an_unknown_job_is_said_without_a_traceback(config: Path) -> None:
    done = n.lantern("jobs", "show", "99", "--config", str(config))
    assert done.returncode == 1
    assert "no job 99" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_nifti_volume_becomes_a_series_that_is_read_back(tmp_path: Path) -> None:
    import nibabel as nib
    import numpy as np

    array = np.arange(6 * 7 * 8, dtype=np.int16).reshape(6, 7, 8)
    nib.save(nib.Nifti1Image(array, np.diag([1.0, 1.0, 2.0, 1.0])), tmp_path / "v.nii.gz")
    done = n.lantern("convert", "nifti", str(tmp_path / "v.nii.gz"), "--out", str(tmp_path / "s"), "--contrast", "Gd")
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "s").iterdir())
    assert len(files) == 8
    assert dcmread(files[0]).ContrastBolusAgent == "Gd"


def test_a_port_that_is_taken_is_said_with_a_hint(config: Path) -> None:
    import socket
    import tomllib

    with socket.socket() as s:
        s.bind(("127.0.0.1", tomllib.loads(config.read_text())["node"]["port"]))
        s.listen()
        done = n.lantern("receive", "--config", str(config))
        assert done.returncode == 1
        assert "cannot listen on 127.0.0.1" in done.stderr
        assert "Traceback" not in done.stderr
        told = n.lantern("doctor", "--config", str(config), "--json")
    row = next(r for r in json.loads(told.stdout) if r["what"].startswith("node port"))
    assert (row["state"], "in use" in row["found"]) == ("bad", True)


def test_the_words_of_an_error_are_shown_to_whoever_asks_for_them_alone(series: Path, tmp_path: Path) -> None:
    command = ("analyze", str(series), "--pipeline", "tests.support.pipelines:RAISES", "--out", str(tmp_path))
    quiet, verbose = n.lantern(*command), n.lantern(*command, "-v")
    assert quiet.returncode == verbose.returncode == 1
    assert "ValueError at" in quiet.stdout
    assert "raised ValueError: the third slice is upside down" not in quiet.stdout + quiet.stderr
    assert "raised ValueError: the third slice is upside down" in verbose.stderr


def test_the_configuration_in_the_readme_is_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (n.ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "readme.toml").write_text(block)
        done = n.lantern("check", "--config", str(tmp_path / "readme.toml"))
        assert done.returncode == 0, done.stderr


def test_an_analysis_leaves_nothing_of_an_earlier_one_in_its_folder(series: Path, tmp_path: Path) -> None:
    command = ("analyze", str(series), "--pipeline", NAME, "--out", str(tmp_path))
    n.lantern(*command)
    assert (tmp_path / "SEG.dcm").exists()
    n.lantern(*command, "-o", 'reject="no"')
    assert [f.name for f in tmp_path.iterdir()] == ["summary.json"]


def test_sending_what_is_no_dicom_file_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    done = n.lantern("send", str(tmp_path / "notes.txt"), "--to", "X@127.0.0.1:1")
    assert done.returncode == 1
    assert "no DICOM file" in done.stderr


def test_a_port_where_nobody_listens_is_named_by_its_address(series: Path) -> None:
    port = free_port()
    done = n.lantern("send", str(series), "--to", f"LANTERN@127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"error: LANTERN at 127.0.0.1:{port}: no connection" in done.stderr


def test_check_asks_the_pipelines_about_their_routes(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(
        '[[route]]\nname = "a"\npipeline = "srs"\noptions = { require_contrst = false }\nrequired_roles = ["flair"]\n'
        '[[route]]\nname = "b"\npipeline = "no.such:PIPELINE"\n[[route]]\nname = "c"\npipeline = "srss"\n'
    )
    done = n.lantern("check", "--config", str(bad))
    assert done.returncode == 1
    for said in ("bad.toml:4", "require_contrst", "bad.toml:5", "no role 'flair'", "bad.toml:8", "bad.toml:11", "srs"):
        assert said in done.stderr, done.stderr
