"""The house rules that no linter holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("config", "node", "pipeline", "storage", "systemd", "tests")
FURNITURE = {
    "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "constraints.txt",
}  # fmt: skip


@pytest.mark.parametrize(
    "module", ["node.cli", "node.receive.acceptor", "node.intake", "node.delivery", "pipeline.recipes.srs"]
)
def test_what_does_not_compute_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'monai', 'ray', 'matplotlib') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert said.stdout.strip() == "[]"


def test_no_file_is_longer_than_500_lines() -> None:
    files = [f for room in ROOMS for f in (ROOT / room).rglob("*.py")]
    assert len(files) > 100
    assert [str(f) for f in files if len(f.read_text().splitlines()) > 500] == []


def test_every_room_says_what_it_is_and_what_was_decided() -> None:
    for room in (
        *ROOMS,
        "pipeline/core",
        "pipeline/imaging",
        "pipeline/encode",
        "pipeline/proof",
        "pipeline/execute",
        "pipeline/templates",
        "pipeline/iod",
    ):
        said = (ROOT / room / "README.md").read_text()
        assert said.startswith("# "), room
        assert "Decisions" in said, room


def test_nothing_stands_at_the_top_but_what_was_agreed() -> None:
    said = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if said.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in said.stdout.splitlines()}
    assert {t for t in top if not t.startswith(".")} - set(ROOMS) == FURNITURE


def test_nothing_from_outside_is_unpickled_and_no_shell_is_called() -> None:
    """What executors carry between our own processes is pickled; weights and whatever else comes in is not."""
    forbidden = ("pickle" + ".load", "joblib" + ".load", "shell" + "=True", "yaml" + ".load(")
    for room in ("config", "node", "pipeline", "storage"):
        for file in (f for f in (ROOT / room).rglob("*.py") if f.parent.name != "execute"):
            text = file.read_text()
            assert not [f for f in forbidden if f in text], file
            assert "torch.load(" not in text or "weights_only=True" in text, file
