"""The training loop: exact resumption, half precision, learning rate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.core.errors import ConfigInvalid
from pipeline.training.loop import rate, train
from pipeline.training.stamp import stamp
from pipeline.training.team import Team, team
from tests.support.tiny_training import SCHEDULE, Drawn, Tiny, kept, same, silent


@pytest.mark.parametrize("amp", ["off", "bf16"])
@pytest.mark.parametrize("stop_at", [2, 3, 5])
def test_a_run_that_was_stopped_ends_bit_by_bit_like_one_that_was_not(tmp_path: Path, amp: str, stop_at: int):
    def stop(step: int, loss: float, figures: dict[str, float] | None) -> None:
        if step == stop_at:
            raise KeyboardInterrupt

    schedule, whole, parts = replace(SCHEDULE, amp=amp), tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    train(Tiny(dropout=0.5), schedule, whole, silent)
    with pytest.raises(KeyboardInterrupt):
        train(Tiny(dropout=0.5), schedule, parts, stop)
    assert kept(parts)["step"] == stop_at // 2 * 2 if stop_at > 2 else not (parts / "checkpoint.pt").exists()
    torch.rand(17)  # whatever else used the generator meanwhile
    train(Tiny(dropout=0.5), schedule, parts, silent)
    assert same(kept(whole), kept(parts))


def test_a_checkpoint_has_the_parts_that_others_read(tmp_path: Path):
    train(Tiny(), SCHEDULE, tmp_path, silent)
    assert kept(tmp_path).keys() == {"network", "averaged", "optimiser", "step", "config"}
    assert not list(tmp_path.glob("*.part"))


def test_the_network_learns_and_its_average_is_validated(tmp_path: Path):
    said = []
    train(
        Tiny(), replace(SCHEDULE, steps=150, validate_every=50), tmp_path, lambda *told: said.append(told)
    )  # fmt: skip
    figures = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [f["step"] for f in figures] == [50, 100, 150]
    assert [told[0] for told in said] == list(range(1, 151))
    assert figures[-1]["loss"] < 0.35
    network = Tiny().build()
    network.load_state_dict(kept(tmp_path)["averaged"])
    assert Tiny().validate(network.eval())["loss"] < 0.35


def test_half_precision_changes_the_numbers_and_is_refused_where_it_cannot_be(tmp_path: Path):
    for amp in ("off", "bf16"):
        (tmp_path / amp).mkdir()
        train(Tiny(), replace(SCHEDULE, amp=amp), tmp_path / amp, silent)
    full, half = (kept(tmp_path / amp)["averaged"]["0.weight"] for amp in ("off", "bf16"))
    assert not torch.equal(full, half)
    assert torch.allclose(full, half, atol=0.1)
    with pytest.raises(ConfigInvalid, match="needs a GPU"):
        train(Tiny(), replace(SCHEDULE, amp="fp16"), tmp_path, silent, Team())
    with pytest.raises(ConfigInvalid, match="amp is 'fp8'"):
        train(Tiny(), replace(SCHEDULE, amp="fp8"), tmp_path, silent, Team())


def test_an_error_in_the_making_of_a_batch_ends_the_run(tmp_path: Path):
    class Broken(Tiny):
        def batch(self, index: int) -> Drawn:
            if index == 2:
                raise ValueError("no such head")
            return super().batch(index)

    with pytest.raises(ValueError, match="no such head"):
        train(Broken(), SCHEDULE, tmp_path, silent)


def test_the_learning_rate_rises_and_falls_to_a_hundredth():
    rates = [rate(SCHEDULE, step) for step in range(SCHEDULE.steps + 1)]
    assert rates[0] == pytest.approx(0.025)
    assert max(rates) == rates[1] == rates[2] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0.0005)


def test_one_process_alone_is_a_team(tmp_path: Path):
    with team("cpu", {}) as together:
        assert together == Team(0, 1, "cpu")


def test_a_run_does_not_go_on_with_another_configuration(tmp_path: Path):
    train(Tiny(), replace(SCHEDULE, steps=2), tmp_path, silent)
    train(Tiny(), replace(SCHEDULE, steps=3, checkpoint_every=1), tmp_path, silent)
    with pytest.raises(ConfigInvalid, match="another configuration"):
        train(Tiny(), replace(SCHEDULE, steps=4, learning_rate=0.1), tmp_path, silent)


def test_the_weights_that_validated_best_are_kept(tmp_path: Path):
    figures: list[float] = []

    class Fading(Tiny):
        """Each validation is worse than the one before."""

        def validate(self, network: torch.nn.Module) -> dict[str, float]:
            figures.append(1.0 / (1 + len(figures)))
            return {"goodness": figures[-1]}

    best = train(Fading(), replace(SCHEDULE, steps=6, validate_every=2), tmp_path, silent)
    kept = torch.load(best, weights_only=True)
    assert (kept["step"], kept["figures"]) == (2, {"goodness": 1.0})
    assert len(figures) == 3


def test_parts_of_another_make_are_refused(tmp_path: Path):
    network = tmp_path / "network.pt"
    network.write_bytes(b"one")
    stamp(tmp_path / "parts", network, (1, 2))
    stamp(tmp_path / "parts", network, (1, 2))
    network.write_bytes(b"two")
    with pytest.raises(ConfigInvalid, match="other networks"):
        stamp(tmp_path / "parts", network, (1, 2))
