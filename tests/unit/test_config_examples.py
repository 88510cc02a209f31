from __future__ import annotations

from pathlib import Path

import pytest

from config.checks import check_pipelines
from config.explain import fields_of, model_of
from config.load import load
from config.reference import reference
from config.settings import Settings
from pipeline import registry

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = sorted((REPOSITORY / "config").glob("*.toml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_an_example_loads_as_it_is(file: Path):
    settings = load(file, {})
    assert settings.routes
    assert check_pipelines(settings, registry.names()) == ()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_the_commented_parts_of_an_example_load_too(file: Path, tmp_path: Path):
    pem = tmp_path / "some.pem"
    pem.write_text("x")
    lines = [_uncommented(line) for line in file.read_text("utf-8").splitlines()]
    text = "\n".join(lines)
    for name in ("lantern.pem", "lantern.key", "hospital-ca.pem"):
        text = text.replace(f"/etc/lantern/tls/{name}", str(pem))
    (tmp_path / "lantern.toml").write_text(text, "utf-8")
    settings = load(tmp_path / "lantern.toml", {})
    assert settings.destinations
    assert all(route.destinations for route in settings.routes)


def _uncommented(line: str) -> str:
    bare = line.removeprefix("# ")
    is_setting = line.startswith("# ") and (bare.startswith("[") or " = " in bare) and "LANTERN_" not in bare
    return bare if is_setting and not bare.startswith(("DICOM", "http")) else line


def test_there_is_an_example_for_a_hospital_and_one_for_a_laptop():
    assert {f.stem for f in EXAMPLES} == {"hospital", "laptop"}
    hospital = load(REPOSITORY / "config/hospital.toml", {})
    assert hospital.node.allow_any_calling_ae is False
    laptop = load(REPOSITORY / "config/laptop.toml", {})
    assert laptop.node.host == laptop.web.host == "127.0.0.1"


def test_the_readme_has_the_settings_as_they_are():
    assert reference().strip() in (REPOSITORY / "config/README.md").read_text("utf-8")


def test_every_setting_has_a_sentence_and_every_number_a_unit():
    units = ("_s", "_mb", "_bytes", "_days")
    unitless = {"port", "max_associations", "threads", "max_attempts", "most_priors", "priority"}
    for section in fields_of(Settings).values():
        model = model_of(section)
        assert model is not None
        assert model.__doc__
        for key, field in fields_of(model).items():
            assert field.description, key
            if field.annotation in (int, float):
                assert key.endswith(units) or key in unitless, key


def test_the_keys_that_others_script_against_are_spelt_as_agreed():
    agreed = {
        "node": ["ae_title", "host", "port", "allow_any_calling_ae"],
        "storage": ["database_url", "archive_dir"],
        "web": ["host", "port"],
        "peer": ["name", "ae_title", "host", "port", "tls"],
        "destination": ["name", "ae_title", "host", "port", "stow_url"],
        "route": ["name", "called_ae", "when", "pipeline", "destinations", "quiet_period_s"],
    }
    for section, keys in agreed.items():
        model = model_of(fields_of(Settings)[section])
        assert model is not None
        assert set(keys) <= set(fields_of(model))
