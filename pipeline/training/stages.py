"""The stages of the training of `srs`, each of which goes on where it was stopped and leaves its files in a folder.

slices/  the network that reads slices          volume/  the network that reads volumes
hard/, again/   the volume network, gone on where it was wrong: measures tier T1 on a scan that it has not seen
scan/           and with that scan: ships
thick/   slices, gone on with real thick scans: all/ ships, fold0/… measure tier T2
judge/   candidates of model 1 with known truth, and model 2
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from pipeline.contract import Runtime
from pipeline.core.errors import ConfigInvalid
from pipeline.evaluation.cases.nifti import btp_entries
from pipeline.recipes.srs.network import build, build_volume
from pipeline.recipes.srs.params import PARAMS, RADIOMICS
from pipeline.recipes.srs.segmentation import Networks
from pipeline.training import loop
from pipeline.training.bare_heads import REAL_SCAN, BareHead, load_bare, prepare_bare, scan_without_lesions
from pipeline.training.config import Config, Plan, Schedule, VolumeConfig
from pipeline.training.harvest import SLICES_MM, Scan, drawn_scans, harvest
from pipeline.training.loop import BEST, Tell
from pipeline.training.mining import mine
from pipeline.training.patches import PatchSource
from pipeline.training.samples import Source
from pipeline.training.slices import RealSlice, load_slices, load_thick_slices
from pipeline.training.stamp import stamp
from pipeline.training.team import Team
from pipeline.training.train import Segmenting
from pipeline.training.volumes import Head, load, prepare

Say = Callable[[str], None]

ALL = "all"

SCANS = 4
"""Draws of lesions into the real scan, for model 2."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a training takes its images from and keeps its files; whom it trains with, whom it tells."""

    plan: Plan
    data: Path
    folder: Path
    together: Team
    tell: Tell
    say: Say

    def slices(self) -> Path:
        """Stage 1; returns the best weights."""
        folder = self._first_only("slices", lambda at: prepare(self.plan.slices, self.data, at / "heads", self.say))
        return loop.train(self._slice_task(self.plan.slices, []), self.plan.slices, folder, self.tell, self.together)

    def volume(self) -> Path:
        """Stage 2; returns the best weights."""
        config = self.plan.volume
        folder = self._first_only("volume", lambda at: prepare_bare(config, self.data, at / "heads", self.say))
        sources = (
            PatchSource(load_bare(folder / "heads", kinds), config.side, config.cubes, config.seed)
            for kinds in (("labelmap", "procedural", "real"), ("held",))
        )
        return loop.train(Segmenting(build_volume, *sources), config, folder, self.tell, self.together)

    def hard(self) -> Path:
        """Stage 3; returns the best weights."""
        return self._go_on("hard", self.plan.hard, self.folder / "volume" / BEST, ())

    def again(self) -> Path:
        """Stage 4; returns the best weights."""
        return self._go_on("again", self.plan.again, self.folder / "hard" / BEST, ())

    def scan(self) -> Path:
        """Stage 5; returns the best weights."""
        scans = (scan_without_lesions(self.data),)
        return self._go_on("scan", self.plan.scan, self.folder / "again" / BEST, scans)

    def _go_on(self, name: str, config: VolumeConfig, base: Path, scans: tuple[BareHead, ...]) -> Path:
        heads = load_bare(self.folder / "volume" / "heads", ("labelmap", "procedural", "real"))
        held = load_bare(self.folder / "volume" / "heads", ("held",))
        folder = self._first_only(name, lambda at: _begin(at / "checkpoint.pt", base, build_volume, config))
        here, every = self.together, [*heads, *scans]
        network = _network(build_volume, base).to(here.device)
        if here.is_first:
            stamp(folder / "spots", base)
        mine(every[here.rank :: here.world], network, here.device, folder / "spots", self.say)
        here.wait()
        spots = mine(every, network, here.device, folder / "spots", self.say)
        training = PatchSource(
            heads, config.side, config.cubes, config.seed, scans, config.share_scans, spots, config.share_spots
        )
        task = Segmenting(build_volume, training, PatchSource(held, config.side, config.cubes, config.seed))
        return loop.train(task, config, folder, self.tell, here)

    def thick(self) -> Path:
        """Stage 6: one network of all patients, and one for each fold without its own; returns the first's."""
        for number, patients in enumerate(self.plan.folds):
            self._thick(f"fold{number}", patients)
        return self._thick(ALL, ())

    def networks(self) -> dict[str, Networks]:
        """Model 1 by group of scans: networks that never saw the group, and under ALL what ships.

        Raises ConfigInvalid when a stage has not been run.
        """
        volume, apart = (self._trained(build_volume, stage) for stage in ("scan", "again"))
        ships = self._trained(build, f"thick/{ALL}")
        found = {ALL: Networks(ships, volume), REAL_SCAN: Networks(ships, apart)}
        for number, patients in enumerate(self.plan.folds):
            fold = Networks(self._trained(build, f"thick/fold{number}"), volume)
            found |= {f"btp-{patient}": fold for patient in patients}
        return found

    def candidates(self) -> Path:
        """Stage 7: the folder of candidates, from scans of known truth; for one process."""
        folder = self.folder / "judge"
        prepare_bare(self.plan.judge, self.data, folder / "heads", self.say)
        networks = self.networks()
        stages = ["scan", "again", f"thick/{ALL}", *(f"thick/fold{n}" for n in range(len(self.plan.folds)))]
        stamp(folder / "candidates", *(self.folder / s / BEST for s in stages), PARAMS, RADIOMICS, self.plan.judge)

        def of(scan: Scan) -> Networks:
            return networks.get(scan.group, networks[ALL])

        harvest(self._scans(folder), of, folder / "candidates", Runtime(), self.say)
        return folder / "candidates"

    def _trained(self, make: Callable[[], torch.nn.Module], stage: str) -> torch.nn.Module:
        path = self.folder / stage / BEST
        if not path.exists():
            raise ConfigInvalid(f"{path} is missing", f"run --stage {stage.partition('/')[0]} first")
        return _network(make, path)

    def _scans(self, folder: Path) -> Iterator[Scan]:
        kinds = {kind: load_bare(folder / "heads", (kind,)) for kind in ("held", "labelmap", "procedural", "real")}
        # Both groups of anatomies in turn, so that each meets every slice thickness.
        pairs = zip(kinds["held"], kinds["labelmap"][::2], kinds["labelmap"][1::2], strict=False)
        heads: list[BareHead] = [head for group in pairs for head in group] + kinds["procedural"] + kinds["real"]
        scan = scan_without_lesions(self.data)
        heads += [replace(scan, name=f"{scan.name}-{n}") for n in range(SCANS)]
        yield from drawn_scans(heads, self.plan.judge.seed, SLICES_MM)
        yield from thick_scans(self.data)

    def _thick(self, name: str, without: tuple[str, ...]) -> Path:
        folder, config = self.folder / "thick" / name, self.plan.thick

        def begin(at: Path) -> None:
            _begin(at / "checkpoint.pt", self.folder / "slices" / BEST, build, config)

        self._first_only(f"thick/{name}", begin)
        task = self._slice_task(config, load_thick_slices(self.data, without))
        return loop.train(task, config, folder, self.tell, self.together)

    def _slice_task(self, config: Config, thick: list[RealSlice]) -> Segmenting:
        heads: dict[str, list[Head]] = {}
        kept = self.folder / "slices" / "heads"
        for head in load(kept, "train"):
            heads.setdefault(head.name.split("-")[1], []).append(head)
        real = balanced(load_slices(self.data, held_out=False), thick)
        held = {"labelmap": load(kept, "validation")}
        apart = replace(config, share_real=0.0, share_procedural=0.0)
        validation = Source(held, load_slices(self.data, held_out=True), apart)
        return Segmenting(build, Source(heads, real, config), validation)

    def _first_only(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of a stage; what it needs is made by one process while the others wait."""
        folder = self.folder / name
        if self.together.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            make(folder)
        self.together.wait()
        return folder


def thick_scans(data: Path) -> Iterator[Scan]:
    """The real thick scans with their expert masks, grouped by patient."""
    for entry in btp_entries(data):
        case = entry.load()
        labels = ndimage.label(case.truth > 0, np.ones((3, 3, 3)))[0].astype(np.uint16)
        yield Scan(case.name, case.group, case.image, labels)


def balanced(flat: list[RealSlice], thick: list[RealSlice]) -> list[RealSlice]:
    """Both sets, thick slices repeated until they are about as many as the others, half of these with tumour."""
    tumour = [s for s in thick if s.mask.any()]
    again = [s for group in (tumour, thick) if group for s in group * max(1, round(len(flat) / (2 * len(group))))]
    return flat + again


def _begin(path: Path, base: Path, make: Callable[[], torch.nn.Module], config: Schedule) -> None:
    """A checkpoint at step 0 with the averaged weights of another; one that is there is left as it is.

    Raises ConfigInvalid when the one that is there went on from other weights.
    """
    stamp(path.parent, base)
    if path.exists():
        return
    weights = torch.load(base, weights_only=True)["averaged"]
    state = loop.State(make, config)
    state.network.load_state_dict(weights)
    state.averaged.load_state_dict(weights)
    state.save(path)


def _network(make: Callable[[], torch.nn.Module], checkpoint: Path) -> torch.nn.Module:
    network = make()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["averaged"])
    return network.eval()
