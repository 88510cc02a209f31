"""Pipelines by name, through the entry point group `lantern.pipelines`; each is imported at first use."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from pipeline.contract import Pipeline
from pipeline.core.errors import NotFound, PipelineFailed

GROUP = "lantern.pipelines"


def names() -> tuple[str, ...]:
    """The names of all registered pipelines, sorted. Imports none of them."""
    return tuple(sorted({e.name for e in entry_points(group=GROUP)}))


@cache
def get(name: str) -> Pipeline:
    """The pipeline of that name. Raises NotFound (no such entry point) or PipelineFailed (it is not a Pipeline)."""
    found = list(entry_points(group=GROUP, name=name))
    if not found:
        raise NotFound(f"no pipeline is called {name!r}", f"there are: {', '.join(names()) or 'none'}")
    pipeline = found[0].load()
    if not isinstance(pipeline, Pipeline):
        raise PipelineFailed(f"the entry point {name!r} is not a pipeline", "see pipeline/contract.py for what it needs")
    return pipeline
