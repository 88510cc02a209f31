"""Lesions on a lattice and the pages that are made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline.encode import Encoded
from pipeline.encode.page import Page, pages
from pipeline.encode.source import read_source
from pipeline.findings import Extra, Findings
from pipeline.imaging.read import FrameRef
from tests.support.findings import (
    STAMP,
    Grid,
    findings_on,
    sited,
    spheres,
    write_classic,
)

GRID = Grid((24, 64, 60))
THICK = Grid((12, 64, 60), (5.0, 0.9, 0.8))
Writer = Callable[..., tuple[FrameRef, ...]]


def found(folder: Path, count: int = 3, grid: Grid = GRID, write: Writer = write_classic) -> Findings:
    """`count` lesions on a lattice; no two touch each other."""
    depths = range(4, grid.shape[0] - 3, 8)
    places = [(z, y, x) for z in depths for y in range(7, 58, 10) for x in range(7, 54, 10)]
    labels = spheres(grid, *((place, 5.0 + n % 3) for n, place in enumerate(places[:count])))
    made = findings_on(write(folder, grid), grid, labels)
    return replace(sited(made) if count else made, extras=frozenset({Extra.PAGE}))


def pages_of(findings: Findings) -> tuple[Page, ...]:
    return pages(findings, read_source(findings), STAMP)


def said(page: Page) -> str:
    return "\n".join(page.said)


def texts_of(report: Encoded) -> str:
    return "\n".join(str(e.value) for e in report.dataset.iterall() if e.keyword == "TextValue")
