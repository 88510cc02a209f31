"""The stages of the training, in their order; each keeps what it makes under runs/mammography/STAGE."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.recipes.mammography.fuse import Fusion
from pipeline.recipes.mammography.weights import DENSE, FALSE_POSITIVES, FUSION, PAIRS, SPECKS
from pipeline.training.false_positives import write
from pipeline.training.mammography.dealing import FITTED, keep_dealing, keep_learnt, learnt
from pipeline.training.mammography.figures import figures
from pipeline.training.mammography.folds import ALL, fold_names, made_by, trained_file
from pipeline.training.mammography.fuse import Seen, learn
from pipeline.training.mammography.judge import judge, keep_candidates, what_it_removes
from pipeline.training.mammography.maps import seen_by_folds
from pipeline.training.mammography.material import Example, Reading, Tell, examples, make_looks
from pipeline.training.mammography.ship import export, write_report

STAGES = ("looks", "made", "dense", "pairs", "specks", "fuse", "judge", "report")


@dataclass(frozen=True)
class Workshop:
    """One training. sets: data sets by name with their folders; out: where models are shipped to, None for nowhere."""

    sets: tuple[tuple[str, Path], ...]
    runs: Path
    out: Path | None
    tell: Tell
    say: Callable[[str], None]
    device: str = "cpu"

    def run(self, stage: str, workers: int = 1) -> None:
        """One of STAGES."""
        if stage == "looks":
            if self.sets:
                make_looks(self.sets, self.runs, self.tell, workers)
            return
        getattr(self, f"_{stage}")()

    def _made(self) -> None:
        """Made-up women, whom the networks learn from beside the real ones."""
        from pipeline.training.mammography.made import make_women  # noqa: PLC0415

        make_women(self.runs, self.tell)

    def _dense(self) -> None:
        from pipeline.training.mammography.dense import train_dense  # noqa: PLC0415

        given, which = self._given("dense")
        train_dense((*given, *examples(self.runs, Reading.CHANGED)), which, self.runs, self.tell)
        self._ship(DENSE)

    def _pairs(self) -> None:
        from pipeline.training.mammography.pairs import train_pairs  # noqa: PLC0415

        given, which = self._given("pairs")
        train_pairs(given, which, self.runs, self.tell)
        self._ship(PAIRS)

    def _specks(self) -> None:
        from pipeline.training.mammography.specks import train_specks  # noqa: PLC0415

        given, which = self._given("specks")
        train_specks(given, which, self.runs, self.tell)
        self._ship(SPECKS)

    def _fuse(self) -> None:
        """Constants for each fold from the other women, and from all."""
        given, which = self._given("fuse")
        seen = self._seen(given, which)
        folder = self._folder("fuse")
        for name in fold_names(which):
            others = [s for s in seen if f"fold{which[s.patient]}" != name]
            (folder / f"{name}.json").write_bytes(learn(others).to_json())
        (folder / f"{ALL}.json").write_bytes(learn(seen).to_json())
        made = figures(seen, self._fusions(which))
        (folder / "figures.json").write_text(json.dumps(made, indent=1) + "\n")
        self.say(f"fuse: {made}")
        self._ship(FUSION)

    def _judge(self) -> None:
        """The false-positive step, for each fold and on all."""
        given, which = self._given("judge")
        seen, fusions, folder = self._seen(given, which), self._fusions(which), self._folder("judge")
        constants = "".join(made_by(self.runs, ("fuse",), name) for name in fold_names(which))
        candidates = folder / f"candidates-{hashlib.sha256(constants.encode()).hexdigest()[:8]}"
        keep_candidates(given, seen, fusions, candidates, self.tell)
        judged = judge(candidates, which)
        write(judged.fitted, folder)
        for name, classifier in judged.by_fold.items():
            (folder / f"{name}.json").write_bytes(classifier.to_json())
        (folder / f"{ALL}.json").write_bytes(judged.fitted.classifier.to_json())
        removed = what_it_removes(judged, fusions)
        (folder / "removed.json").write_text(json.dumps(removed, indent=1) + "\n")
        self.say(f"judge: {judged.fitted.threshold.rule}; {removed}")
        self._ship(FALSE_POSITIVES)

    def _report(self) -> None:
        """Figures into the model card, and the evidence tier into weights.toml."""
        if self.out is not None:
            write_report(self.runs, self.out, self._learnt_from("fuse"), self._learnt_from(*FITTED))

    def _given(self, stage: str) -> tuple[tuple[Example, ...], dict[str, int]]:
        """All images, and the fold of each woman, as the stage is about to use them. Raises ConfigInvalid."""
        given = examples(self.runs)
        which = keep_dealing(self.runs, given)
        keep_learnt(self.runs, stage, given, which)
        return given, which

    def _seen(self, given: tuple[Example, ...], which: dict[str, int]) -> list[Seen]:
        return seen_by_folds(given, which, self.runs, self.tell, self.device)

    def _fusions(self, which: dict[str, int]) -> dict[str, Fusion]:
        """By patient, learnt without her."""
        read = {n: Fusion.from_json(trained_file(self.runs, "fuse", n).read_bytes()) for n in fold_names(which)}
        return {patient: read[f"fold{number}"] for patient, number in which.items()}

    def _folder(self, stage: str) -> Path:
        folder = self.runs / "mammography" / stage
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _ship(self, name: str) -> None:
        if self.out is not None:
            stage = {FUSION: "fuse", FALSE_POSITIVES: "judge"}.get(name, name)
            export(name, trained_file(self.runs, stage, ALL).read_bytes(), self.out, self._learnt_from(stage))

    def _learnt_from(self, *stages: str) -> tuple[Example, ...]:
        """The images that what any of these stages has made was made from."""
        given, pages = examples(self.runs), [learnt(self.runs, stage) for stage in stages]
        return tuple(e for e in given if any(page is None or e.patient in page for page in pages))
