"""One run of one pipeline, in whatever process this is; every Executor ends here."""

from __future__ import annotations

import logging
import traceback

from pipeline import registry
from pipeline.contract import Declined, Found, Inputs
from pipeline.core import errors
from pipeline.core.errors import LanternError, PipelineFailed, place_of
from pipeline.execute import device
from pipeline.execute.options import ExecutorOptions

logger = logging.getLogger(__name__)

Answer = Found | Declined | LanternError
"""What a run comes to; an error is handed over as a value where it has to cross a process border."""


def answer(name: str, inputs: Inputs, options: ExecutorOptions) -> Answer:
    """Run the pipeline called `name`. Never raises: an error is the answer, in a class of `pipeline.core.errors`."""
    try:
        return _checked(name, device.run(registry.get(name), inputs, device.prepare(options)))
    except LanternError as e:
        return known(e)
    # The edge between other people's code and ours: whatever it does, sys.exit included, costs one job.
    except (Exception, SystemExit) as e:  # noqa: BLE001
        # Its words may quote a data set: they are for whoever asks for them, and for nobody's job list.
        frames = "".join(traceback.format_tb(e.__traceback__))
        logger.error("pipeline %s raised %s (level debug has its words)\n%s", name, place_of(e), frames)
        logger.debug("pipeline %s raised %s: %s", name, type(e).__name__, e)
        return PipelineFailed(f"{name} raised {place_of(e)}")


def result_of(given: Answer) -> Found | Declined:
    """Raise the answer if it is an error, else return it."""
    if isinstance(given, LanternError):
        raise given
    return given


def _checked(name: str, outcome: object) -> Found | Declined:
    if isinstance(outcome, Found | Declined):
        return outcome
    raise PipelineFailed(f"{name} returned {type(outcome).__name__}, neither findings, marks nor Declined")


def known(error: LanternError) -> LanternError:
    """The error in the nearest class of `pipeline.core.errors`: its caller may not have the pipeline's own classes."""
    nearest = next(c for c in type(error).__mro__ if c.__module__ == errors.__name__)
    if type(error) is nearest:
        return error
    made: LanternError = nearest(*(str(a) for a in error.args[:2]))
    return made
