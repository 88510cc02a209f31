"""Options of a pipeline for all routes that run it: [pipelines.NAME]."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config.checks import check_pipelines, remarks
from node.options import pipeline_remarks
from node.wiring import settings_from
from pipeline.core.errors import ConfigInvalid
from tests.support.configuration import loaded, problems, written

SRS = """
    [pipelines.srs]
    require_contrast = false
    fill_missing_slices = 2
    [[route]]
    name = "plain"
    pipeline = "srs"
    [[route]]
    name = "strict"
    pipeline = "srs"
    options = { fill_missing_slices = 0 }
    [[route]]
    name = "other"
    pipeline = "tests.support.bright:PIPELINE"
    """


def test_the_options_of_a_pipeline_reach_its_routes_and_a_route_goes_before(tmp_path: Path):
    plain, strict, other = loaded(tmp_path, SRS).routes
    assert plain.options == {"require_contrast": False, "fill_missing_slices": 2}
    assert strict.options == {"require_contrast": False, "fill_missing_slices": 0}
    assert other.options == {}


def test_a_bundle_is_a_path_that_begins_at_the_file_in_both_places(tmp_path: Path):
    text = '[pipelines.srs]\nbundle = "net"\n[[route]]\nname = "r"\npipeline = "srs"\n'
    assert loaded(tmp_path, text).routes[0].options["bundle"] == str(tmp_path / "net")
    text += 'options = { bundle = "/srv/other" }'
    assert loaded(tmp_path, text).routes[0].options["bundle"] == "/srv/other"
    assert loaded(tmp_path, text.replace("/srv/other", "")).routes[0].options["bundle"] == ""


def test_an_environment_variable_sets_an_option_with_its_type(tmp_path: Path):
    environ = {"LANTERN_PIPELINES__SRS__REQUIRE_CONTRAST": "true", "LANTERN_PIPELINES__SRS__BUNDLE": "/srv/net"}
    plain = loaded(tmp_path, SRS, environ).routes[0]
    assert plain.options == {"require_contrast": True, "fill_missing_slices": 2, "bundle": "/srv/net"}


def test_what_is_no_table_of_options_is_said_with_its_line(tmp_path: Path):
    assert problems(tmp_path, "\n[pipelines]\nsrs = 3\n") == ["lantern.toml:2: [pipelines] srs: must be a table"]
    (said,) = problems(tmp_path, "pipelines = 3")
    assert "must be written as [pipelines], in single brackets" in said


def test_a_table_of_no_registered_pipeline_is_an_error(tmp_path: Path):
    settings = loaded(tmp_path, "[pipelines.srz]\n")
    (problem,) = check_pipelines(settings, ["srs"])
    assert (problem.at, problem.hint) == (("pipelines", "srz"), "did you mean 'srs'?")


def test_a_table_that_no_route_uses_is_remarked_upon(tmp_path: Path):
    assert [r for r in remarks(loaded(tmp_path, "[pipelines.srs]\n")) if "[pipelines.srs] has no effect" in r]
    assert not [r for r in remarks(loaded(tmp_path, SRS)) if "no effect" in r]


def refused(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as error:
        settings_from(written(folder, text))
    return error.value.message.split("\n")


def test_a_wrong_option_is_said_once_at_the_table_it_stands_in(tmp_path: Path):
    said = refused(tmp_path, SRS.replace("require_contrast = false", "require_contrst = false"))
    assert len(said) == 1
    assert said[0].startswith("lantern.toml:1: [pipelines] srs: pipeline srs: unknown option 'require_contrst'")


def test_a_wrong_option_of_a_route_is_said_at_the_route_also_beside_a_wrong_table(tmp_path: Path):
    text = SRS.replace("fill_missing_slices = 0", "fill_missing_slices = -1")
    assert [line.partition(":")[2].partition(":")[0] for line in refused(tmp_path, text)] == ["10"]
    text = text.replace("require_contrast = false", "require_contrst = false")
    assert [line.partition(":")[2].partition(":")[0] for line in refused(tmp_path, text)] == ["1", "10"]


def test_what_a_table_lacks_and_a_route_adds_is_no_problem(tmp_path: Path):
    from tests.support.bundles import monai_bundle

    monai_bundle(tmp_path / "net")
    name = "tests.support.bundled:PIPELINE"  # it cannot do without a bundle
    text = f'[pipelines."{name}"]\n\n[[route]]\nname = "r"\npipeline = "{name}"\n'
    assert refused(tmp_path, text) == [
        "lantern.toml:1: [pipelines] tests.support.bundled:PIPELINE: bundle is missing; name the folder of a model"
    ]
    settings_from(written(tmp_path, text + 'options = { bundle = "net" }'))


def test_the_listing_of_routes_shows_what_each_ends_up_with(tmp_path: Path):
    from typer.testing import CliRunner

    from node.cli import app

    file = written(tmp_path, SRS)
    said = CliRunner().invoke(app, ["routes", "list", "--json", "--config", str(file)])
    assert said.exit_code == 0, said.output
    rows = {r["name"]: r["options"] for r in json.loads(said.stdout)}
    assert sorted(rows["strict"]) == ["fill_missing_slices=0", "require_contrast=False"]


def test_priors_for_a_pipeline_that_does_not_follow_up_are_said_to_have_no_effect(tmp_path: Path):
    text = "[[peer]]\nname='pacs'\nae_title='P'\nhost='h'\nport=104\nretrieve='get'\n"
    for name, pipeline in (("plain", "tests.support.bright:PIPELINE"), ("follows", "srs")):
        text += f"[[route]]\nname='{name}'\npipeline='{pipeline}'\npriors_from='pacs'\n"
    (said,) = pipeline_remarks(loaded(tmp_path, text))
    assert "'plain'" in said
    assert "priors_from has no effect" in said
