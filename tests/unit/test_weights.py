"""The manifest of a recipe's models: what it must say, what it refuses, and how it is written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline import weights
from pipeline.core.errors import WeightsCorrupt
from pipeline.training.manifest import ship
from pipeline.weights import DataEntry, ModelEntry

SHA = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("one", "two")}
HEAD = 'evidence_tier = "T0"\ntraining = "made up"\n'


def table(name: str, more: str = "") -> str:
    return (
        f'[[model]]\nname = "{name}"\nfile = "{name}.bin"\nsha256 = "{SHA[name]}"\nlicence = "x"\nwhat = "y"\n{more}\n'
    )


def folder_with(folder: Path, text: str, *files: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "weights.toml").write_text(text)
    for name in files:
        (folder / f"{name}.bin").write_bytes(name.encode())
    return folder


def test_every_model_is_listed_and_its_bytes_are_checked(tmp_path: Path):
    folder = folder_with(tmp_path, HEAD + table("one") + table("two"), "one", "two")
    assert [m.name for m in weights.models(folder)] == ["one", "two"]
    assert weights.checked_bytes(folder, "two") == b"two"
    weights.verify(folder)


def test_one_changed_model_among_several_is_found(tmp_path: Path):
    folder = folder_with(tmp_path, HEAD + table("one") + table("two"), "one", "two")
    (folder / "two.bin").write_bytes(b"tow")
    assert weights.checked_bytes(folder, "one") == b"one"
    with pytest.raises(WeightsCorrupt, match=r"two\.bin have SHA-256"):
        weights.verify(folder)


def test_the_fingerprint_depends_on_every_model_and_on_no_order(tmp_path: Path):
    both = folder_with(tmp_path / "a", HEAD + table("one") + table("two"))
    turned = folder_with(tmp_path / "b", 'evidence_tier = "T1"\ntraining = ""\n' + table("two") + table("one"))
    alone = folder_with(tmp_path / "c", HEAD + table("one"))
    assert weights.fingerprint(both) == weights.fingerprint(turned) != weights.fingerprint(alone)
    expected = hashlib.sha256("\n".join(sorted(SHA.values())).encode()).hexdigest()
    assert weights.fingerprint(both) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model = 1", r"\[\[model\]\]"),
        (HEAD, "names no"),
        (table("one"), "lacks evidence_tier, training"),
        (HEAD + table("one", 'colour = "red"'), "unknown key colour"),
        (HEAD + table("one", 'data = ["nowhere"]'), "no .* is called 'nowhere'"),
        (HEAD + table("one").replace(SHA["one"], "abc"), "no SHA-256"),
        (HEAD + table("one") + table("one"), "two models called 'one'"),
        (HEAD + table("one") + '[[data]]\nname = "d"\n', "lacks origin, licence"),
        ("not toml", "cannot be read"),
    ],
)
def test_a_manifest_that_lacks_something_says_what(tmp_path: Path, text: str, said: str):
    with pytest.raises(WeightsCorrupt, match=said):
        weights.models(folder_with(tmp_path, text))


def test_a_model_that_is_not_there_is_named_with_those_that_are(tmp_path: Path):
    folder = folder_with(tmp_path, HEAD + table("one"), "one")
    with pytest.raises(WeightsCorrupt, match=r"no model 'three'; it has: one"):
        weights.checked_bytes(folder, "three")


def test_shipping_a_model_replaces_it_and_leaves_the_others(tmp_path: Path):
    heads, rows = DataEntry('made "heads"', "this project", "Apache-2.0"), DataEntry("rows", "elsewhere", "CC0")
    ship(tmp_path, ModelEntry("a", "a.bin", "", "x", "first"), b"1", [heads], evidence_tier="T0", training="t")
    ship(tmp_path, ModelEntry("b", "b.bin", "", "x", "second"), b"2", [rows])
    digest = ship(tmp_path, ModelEntry("a", "a.bin", "", "x", "third\\n é"), b"3", [rows], evidence_tier="T1")
    assert [(m.name, m.what, m.data) for m in weights.models(tmp_path)] == [
        ("a", "third\\n é", ("rows",)),
        ("b", "second", ("rows",)),
    ]
    assert weights.model(tmp_path, "a").sha256 == digest == hashlib.sha256(b"3").hexdigest()
    assert weights.data(tmp_path) == (rows,)
    about = weights.manifest(tmp_path)
    assert (about["evidence_tier"], about["training"]) == ("T1", "t")
    weights.verify(tmp_path)
