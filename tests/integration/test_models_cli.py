"""lantern models: list, show, verify, and what doctor says of a user's model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from node.cli import app
from node.doctor import Health, examine
from node.wiring import settings_from
from pipeline import registry
from tests.support.bundled import NAME
from tests.support.bundles import Level, monai_bundle, torchscript


@pytest.fixture
def config(tmp_path: Path) -> Path:
    monai_bundle(tmp_path / "net")
    file = tmp_path / "lantern.toml"
    file.write_text(f'[pipelines."{NAME}"]\nbundle = "net"\n[[route]]\nname = "brain"\npipeline = "{NAME}"\n')
    return file


def ask(*command: str) -> Result:
    return CliRunner().invoke(app, ["models", *command], env={"COLUMNS": "240"})


def test_every_shipped_model_is_listed_with_its_origin_without_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LANTERN_CONFIG", raising=False)
    said = ask("list", "--json")
    assert said.exit_code == 0, said.output
    rows = json.loads(said.stdout)
    assert {r["pipeline"] for r in rows} == set(registry.names())
    for row in rows:
        content = Path(row["file"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["size_bytes"] == len(content)
        assert row["licence"]
        assert row["evidence_tier"]
        assert all(d["origin"] for d in row["data"])
    assert "volume.safetensors" in ask("list").stdout


def test_a_users_model_is_listed_with_what_its_owner_says(config: Path):
    rows = {r["model"]: r for r in json.loads(ask("list", "--json", "--config", str(config)).stdout)}
    row = rows["Level of ours"]
    assert (row["shipped"], row["evidence_tier"], row["licence"]) == (False, "T0: made in a test", "CC0")
    assert row["used_by"] == f"[pipelines.{NAME}], route brain"


def test_show_prints_the_model_card_of_a_pipeline_or_of_a_model(config: Path):
    card = (registry.folder("srs") / "README.md").read_text()
    assert ask("show", "srs").stdout.strip() == card.strip()
    assert ask("show", "slices").stdout.strip() == card.strip()
    assert 'name = "Level of ours"' in ask("show", "Level of ours", "--config", str(config)).stdout


def test_show_of_an_unknown_name_names_those_there_are():
    said = ask("show", "slizes")
    assert said.exit_code == 1
    assert "srs, slices" in str(said.exception)


def test_verify_ends_with_0_when_all_is_right_and_with_1_and_a_hint_when_one_is_not(config: Path):
    assert ask("verify", "--config", str(config)).exit_code == 0
    (config.parent / "net/models/model.pt").write_bytes(b"x")
    said = ask("verify", "--json", "--config", str(config))
    assert said.exit_code == 1
    rows = {r["model"]: r for r in json.loads(said.stdout)}
    assert rows["slices"]["right"] is True
    assert rows["Level of ours"]["right"] is False
    assert "SHA-256" in rows["Level of ours"]["found"]
    assert "sha256sum" in rows["Level of ours"]["do"]


def test_verify_names_a_bundle_whose_manifest_cannot_be_read(config: Path):
    (config.parent / "net/lantern.toml").unlink()
    said = ask("verify", "--json", "--config", str(config))
    assert said.exit_code == 1
    rows = {r["model"]: r for r in json.loads(said.stdout)}
    assert "no lantern.toml can be read" in rows["net"]["found"]
    assert rows["net"]["do"]


def test_doctor_finds_a_users_model_that_was_changed(config: Path):
    settings = settings_from(config)
    assert {f.what: f.state for f in examine(settings)}["model Level of ours"] is Health.GOOD
    (config.parent / "net/models/model.pt").write_bytes(b"x")
    found = {f.what: f for f in examine(settings)}["model Level of ours"]
    assert found.state is Health.BAD
    assert "sha256sum" in found.advice


def test_a_users_model_that_loads_and_does_not_run_is_found_before_the_first_study(config: Path):
    torchscript(config.parent / "net", Level(0.5, channels=2))  # its manifest says one channel
    said = ask("verify", "--json", "--config", str(config))
    assert said.exit_code == 1
    rows = {r["model"]: r for r in json.loads(said.stdout) if not r["right"]}
    (row,) = rows.values()
    assert "answers with the shape" in row["found"]
    assert "channels under [output]" in row["do"]
    states = [f for f in examine(settings_from(config)) if f.what == f"model {row['model']}"]
    assert [f.state for f in states] == [Health.BAD]


def test_a_users_model_that_asks_for_code_is_found_before_the_first_study(config: Path):
    monai_bundle(config.parent / "net", definition={"_target_": "os.system", "command": "true"})
    said = ask("verify", "--json", "--config", str(config))
    assert said.exit_code == 1
    (row,) = (r for r in json.loads(said.stdout) if not r["right"])
    assert "os.system" in row["found"]
