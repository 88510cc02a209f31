"""Mammograms: from the views of a study to marks, scores of breasts, density and quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.contract import Declined, Earlier, Inputs, Runtime
from pipeline.core.breast import Unread
from pipeline.core.clock import Stopwatch
from pipeline.core.study import Instance, Series, Study
from pipeline.findings import Algorithm
from pipeline.imaging.mammogram.image import MgImage, describe
from pipeline.imaging.mammogram.study import STANDARD, select_views
from pipeline.imaging.mammogram.views import READ
from pipeline.marks import MarkedStudy
from pipeline.recipes.mammography.options import check_options
from pipeline.recipes.mammography.priors import recall, without_priors

if TYPE_CHECKING:
    from pipeline.recipes.mammography.assemble import Opened

FOLDER = Path(__file__).parent
VERSION = "0.1.0"

MOST_OF_A_VIEW = 4
"""Images of one side and view that are read; of more a study has never been heard of."""


def _roles() -> tuple[str, ...]:
    """The four of a screening examination first."""
    views = ["CC", "MLO", *sorted(READ - {"CC", "MLO"})]
    every = [f"{side}-{view}" for view in views for side in "RL"]
    return (*STANDARD, *(r for r in every if r not in STANDARD), *(f"{r}-{n}" for n in _REPEATS for r in every))


_REPEATS = range(2, MOST_OF_A_VIEW + 1)


@dataclass(frozen=True, slots=True)
class Mammography:
    """The pipeline `mammography`. A module-level object of it is the entry point; it holds no state."""

    name: str = "mammography"
    roles: tuple[str, ...] = _roles()
    prior_modality: str = "MG"

    @property
    def algorithm(self) -> Algorithm:
        """Name, version with the fingerprint of all models, and evidence, as weights.toml has them."""
        return Algorithm.shipped("Lantern mammography", VERSION, FOLDER)

    def algorithm_with(self, options: Mapping[str, Any]) -> Algorithm:
        """With the option `bundle` the user's model, as its manifest has it. Raises ConfigInvalid."""
        bundle = check_options(options)["bundle"]
        if not bundle:
            return self.algorithm
        from pipeline import bundle as own  # noqa: PLC0415  (`select` stays cheap for whoever has no bundle)

        return own.describe(Path(bundle), own.MAMMOGRAM).algorithm(self.algorithm)

    def select(self, study: Study, options: Mapping[str, Any]) -> Inputs | Declined:
        """Each mammogram that can be read, as a series of one image. Raises ConfigInvalid for unknown options."""
        self.algorithm_with(options)  # what cannot be used is said at the start, not at the first study
        selection = select_views(study)
        chosen = {role: selection.views[role] for role in self.roles if role in selection.views}
        surplus = [image.instance for role, image in selection.views.items() if role not in chosen]
        unread = (*selection.unread, *(_unread(i, _SURPLUS) for i in surplus))
        if not chosen:
            return Declined(why_none(unread))
        series = {role: Series(i.instance.series_instance_uid, (i.instance,)) for role, i in chosen.items()}
        why = {role: image.why for role, image in chosen.items()}
        return Inputs(series, why, dict(options), unread=unread)

    def recall(self, inputs: Inputs, earlier: Earlier) -> Inputs:
        """The inputs, with the same views of the newest earlier study that has any; they are named, not compared."""
        views = {
            role: described for role, s in inputs.series.items() if isinstance(described := describe(s.first), MgImage)
        }
        return recall(inputs, views, earlier)

    def run(self, inputs: Inputs, runtime: Runtime) -> MarkedStudy | Declined:
        """Read every image; find marks with all detectors, the breasts compared; judge and place them."""
        # Detectors and radiomics take seconds to import; only a process that computes pays for them.
        from pipeline.recipes.mammography.results import marked_study  # noqa: PLC0415

        clock, options = Stopwatch(), check_options(inputs.options)
        opened, unread = read_all(inputs)
        clock.lap("read")
        if not opened:
            return Declined(why_none(unread))
        made = marked_study(opened, unread, inputs, runtime, self.algorithm_with(options), clock)
        return made if isinstance(made, MarkedStudy) else Declined(why_none(made))


def read_all(inputs: Inputs) -> tuple[dict[str, Opened], tuple[Unread, ...]]:
    """What can be read, by role, and what cannot, after what `select` left already."""
    from pipeline.imaging.mammogram.read import read_view  # noqa: PLC0415
    from pipeline.recipes.mammography.assemble import Opened  # noqa: PLC0415
    from pipeline.recipes.mammography.looks import FINE_UM  # noqa: PLC0415

    opened, unread = {}, list(inputs.unread)
    for role, series in without_priors(inputs).items():
        image = describe(series.first)
        if not isinstance(image, MgImage):  # select took it for one: the header was changed since
            unread.append(_unread(series.first, image or "it is no image"))
            continue
        made = read_view(image, FINE_UM, role)
        if isinstance(made, Unread):
            unread.append(made)
        else:
            opened[role] = Opened(image, made)
    return opened, tuple(unread)


def why_none(unread: Sequence[Unread]) -> str:
    """Why a study was declined: what is wrong with its images, the most frequent first."""
    if not unread:
        return "no mammogram to read: the study holds no image that could be one"
    counted = Counter(u.why.rstrip(".") for u in unread)
    said = "; ".join(f"{n} images: {why}" if n > 1 else f"1 image: {why}" for why, n in counted.most_common())
    return f"no mammogram to read: {said}"


_SURPLUS = f"more than {MOST_OF_A_VIEW} images of this side and view are not read"


def _unread(instance: Instance, why: str) -> Unread:
    return Unread(instance.sop_instance_uid, instance.sop_class_uid, instance.path, why)


PIPELINE = Mammography()
