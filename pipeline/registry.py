"""Pipelines by name, through the entry point group `lantern.pipelines`; each is imported at first use.

A name with a colon, "package.module:ATTRIBUTE", is imported as it stands: a pipeline that is being written, or a
test's, needs no entry point.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from pipeline.contract import Pipeline
from pipeline.core.errors import NotFound, PipelineFailed
from pipeline.weights import MANIFEST, ModelEntry, models, verify

GROUP = "lantern.pipelines"


def names() -> tuple[str, ...]:
    """The names of all registered pipelines, sorted. Imports none of them."""
    return tuple(sorted({e.name for e in entry_points(group=GROUP)}))


@cache
def get(name: str) -> Pipeline:
    """The pipeline of that name. Raises NotFound (no such entry point) or PipelineFailed (it is not a Pipeline)."""
    pipeline = _import(name) if ":" in name else _load(name)
    if not isinstance(pipeline, Pipeline):
        raise PipelineFailed(f"{name!r} is not a pipeline", "see pipeline/contract.py for what it needs")
    return pipeline


def _load(name: str) -> object:
    found = list(entry_points(group=GROUP, name=name))
    if not found:
        raise NotFound(f"no pipeline is called {name!r}", f"there are: {', '.join(names()) or 'none'}")
    return found[0].load()


def _import(name: str) -> object:
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as e:
        raise NotFound(
            f"no pipeline at {name!r}: {e}", "write it as package.module:ATTRIBUTE, installed or on PYTHONPATH"
        ) from e


def folder(name: str) -> Path:
    """The folder of a pipeline's module, which holds its weights.toml and its model card (README.md), if any."""
    module = import_module(type(get(name)).__module__)
    return Path(module.__file__ or "").parent


def models_of(name: str) -> tuple[ModelEntry, ...]:
    """The models that a pipeline ships; none without weights.toml beside it. Raises WeightsCorrupt."""
    place = folder(name)
    return models(place) if (place / MANIFEST).is_file() else ()


def verify_weights(name: str) -> None:
    """Compare every model of a pipeline with what its weights.toml names. Raises WeightsCorrupt.

    A pipeline without weights.toml beside it has none to compare.
    """
    if models_of(name):
        verify(folder(name))
