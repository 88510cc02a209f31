"""The summary of a run to look at, for viewers that show nothing else; matplotlib is imported when a page is made."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd

from pipeline.encode.page.capture import capture, captures, drawn_pages, pages
from pipeline.encode.page.draw import draw
from pipeline.encode.page.model import Page, numbered
from pipeline.encode.page.sessions import plan_sheets, shown_alone
from pipeline.encode.page.slices import slices_in
from pipeline.findings import RESEARCH_USE_ONLY
from pipeline.sessions.planned import Planned
from pipeline.sessions.told import ESTIMATE

__all__ = ["Page", "capture", "captures", "draw", "drawn_pages", "pages", "picture_of_plan"]


def picture_of_plan(planned: Planned, images: hd.Volume, png: Path, about: str) -> tuple[Path, ...]:
    """Write the page of a plan alone, on the series that it was worked out on; a second file where one is not enough.

    about: one line on what made the plan.
    """
    from PIL import Image  # noqa: PLC0415 - only a picture needs it

    made = []
    sheets = plan_sheets(shown_alone(planned, slices_in(images)))
    for number, page in enumerate(numbered(sheets, RESEARCH_USE_ONLY, about, ESTIMATE), start=1):
        made.append(png if number == 1 else png.with_stem(f"{png.stem}_{number}"))
        Image.fromarray(draw(page)).save(made[-1])
    return tuple(made)
