"""Who reads whom in the cross-validation, and what the card and every result then say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.core.errors import ConfigInvalid
from pipeline.recipes.srs.network import build, build_volume
from pipeline.training.bare_heads import REAL_SCAN
from pipeline.training.config import read_plan
from pipeline.training.loop import BEST
from pipeline.training.report import evidence_tier, failures
from pipeline.training.stages import ALL, Workshop, _begin
from pipeline.training.team import Team

PLAN = read_plan(Path(__file__).parents[2] / "pipeline" / "training" / "srs.toml")


def marked(path: Path, network: torch.nn.Module, mark: float) -> None:
    """Weights that are all that number, so that a network tells where it came from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for tensor in network.parameters():
        torch.nn.init.constant_(tensor, mark)
    torch.save({"averaged": network.state_dict()}, path)


def mark_of(network: torch.nn.Module) -> float:
    return float(next(iter(network.parameters())).detach().flatten()[0])


def test_every_group_is_read_by_networks_that_never_saw_it(tmp_path: Path):
    marks = {"scan": 1.0, "again": 2.0}
    for stage, mark in marks.items():
        marked(tmp_path / stage / BEST, build_volume(), mark)
    for number in range(len(PLAN.folds)):
        marked(tmp_path / "thick" / f"fold{number}" / BEST, build(), 10.0 + number)
    marked(tmp_path / "thick" / ALL / BEST, build(), 9.0)
    networks = Workshop(PLAN, tmp_path, tmp_path, Team(), lambda *_: None, lambda _: None).networks()
    seen = {group: (mark_of(n.slices), mark_of(n.volume)) for group, n in networks.items()}
    assert seen[ALL] == (9.0, 1.0)
    # Stage `scan` alone learned from the scan, and each fold from all patients but its own.
    assert seen[REAL_SCAN] == (9.0, 2.0)
    for number, patients in enumerate(PLAN.folds):
        for patient in patients:
            assert seen[f"btp-{patient}"] == (10.0 + number, 1.0)
    assert len(seen) == 2 + sum(len(patients) for patients in PLAN.folds)


def test_a_stage_does_not_go_on_from_what_another_parent_began(tmp_path: Path):
    config = replace(PLAN.volume, steps=1)
    for name, mark in (("one", 1.0), ("two", 2.0)):
        marked(tmp_path / name / BEST, build_volume(), mark)
    (tmp_path / "child").mkdir()
    _begin(tmp_path / "child" / "checkpoint.pt", tmp_path / "one" / BEST, build_volume, config)
    _begin(tmp_path / "child" / "checkpoint.pt", tmp_path / "one" / BEST, build_volume, config)
    with pytest.raises(ConfigInvalid, match="other networks"):
        _begin(tmp_path / "child" / "checkpoint.pt", tmp_path / "two" / BEST, build_volume, config)


def tier(found: int, of: int, wrong: float, **sizes: tuple[int, int]) -> dict[str, Any]:
    return {
        "cases": 16,
        "groups": 2,
        "after": {
            "sensitivity": {"found": found, "of": of},
            "by_size": {name: {"sensitivity": {"found": f, "of": n}} for name, (f, n) in sizes.items()},
            "false_positives_per_scan": {"value": wrong},
        },
    }


def test_the_tier_leads_with_what_holds_of_every_series_and_gives_its_figures():
    thin = tier(7, 9, 0.44, **{">= 5 mm": (61, 64), "3-5 mm": (13, 20)})
    counts = (("T1", "t1c", 1), ("T1", "t1c", 0), ("T1", "trio", 0), ("T2", "btp-1", 9), ("T1", "icbm", 9))
    cases = [{"tier": t, "group": group, "after": {"false_positives": wrong}} for t, group, wrong in counts]
    said = evidence_tier({"tiers": {"T1": thin, "T2": tier(19, 21, 1.38)}, "cases": cases})
    assert said.startswith("T1, ")
    each = ("0.5 in the contrast-enhanced head", "0.0 in the head without", "1.4 false positives")
    for part in (">= 5 mm 61 of 64", "3-5 mm 13 of 20", "19 of 21 found", *each):
        assert part in said
    assert "not metastases" in said


def test_pictures_of_failures_are_of_phantoms_alone_misses_and_false_positives_alike(tmp_path: Path):
    overlays = [f"overlays/{who}-{what}-{k:02d}.png" for who in ("phantom-1", "btp-01") for what in ("missed", "false")
                for k in range(5)]  # fmt: skip
    (tmp_path / "report" / "overlays").mkdir(parents=True)
    for name in overlays:
        (tmp_path / "report" / name).write_text(name)
    (tmp_path / "card" / "pictures").mkdir(parents=True)
    (tmp_path / "card" / "pictures" / "failure-9.png").write_text("of an earlier report")
    text = failures({"overlays": overlays}, tmp_path / "report", tmp_path / "card")
    shown = {p.name: p.read_text() for p in (tmp_path / "card" / "pictures").iterdir()}
    assert len(shown) == 6
    assert all("phantom-1" in content for content in shown.values())
    assert sum("missed" in content for content in shown.values()) == 3
    assert all(f"(pictures/{name})" in text for name in shown)
