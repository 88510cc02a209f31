"""The application data flow diagram (PS3.2 5.1): real-world activities left, the node in the middle, peers right."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from node.conformance.document import Figure
from node.conformance.model import Function, Statement

ROW, TOP = 64, 64
LEFT, MIDDLE, RIGHT = 20, 330, 760
"""Pixels: height of a function, where the first is, and where the columns begin."""
WEB = ("Deliver results by STOW-RS", "STOW-RS user agent", True)


def data_flow(statement: Statement) -> Figure:
    """Each function of the application entity with what it has to do with, across the DICOM interface."""
    flows = [*map(_flow, statement.functions), WEB]
    caption = "Figure 4.1-1. Application data flow. Arrows point the way an association or request is opened."
    return Figure(caption, _svg(statement.local.ae_titles[0], flows), _text(statement.local.ae_titles[0], flows))


def _flow(function: Function) -> tuple[str, str, bool]:
    return function.activity, function.name, function.initiates


def _peer(name: str, initiates: bool) -> str:
    if not initiates:
        return "Scanners, PACS: send images"
    if name.startswith("STOW"):
        return "DICOMweb service: stores results"
    return {"Storage SCU": "PACS, viewers, planning: store results", "Verification SCU": "Any peer"}.get(
        name, "PACS: keeps earlier studies"
    )


def _svg(title: str, flows: list[tuple[str, str, bool]]) -> str:
    height = TOP + ROW * len(flows) + 18
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1080 {height}" role="img" '
        'font-family="Arial, Liberation Sans, sans-serif" font-size="14">',
        f"<title>Application data flow of {escape(title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#14507f"/></marker></defs>',
        f'<rect x="{MIDDLE - 16}" y="16" width="312" height="{height - 32}" rx="8" fill="#f2f6fa" stroke="#14507f"/>',
        f'<text x="{MIDDLE + 140}" y="42" text-anchor="middle" font-weight="700">AE {escape(title)}</text>',
        f'<line x1="690" y1="16" x2="690" y2="{height - 16}" stroke="#b3261e" stroke-dasharray="6 5"/>',
        f'<text x="690" y="{height - 2}" text-anchor="middle" font-size="12" fill="#b3261e">DICOM interface</text>',
    ]
    for row, (activity, name, initiates) in enumerate(flows):
        lines += _boxes(TOP + ROW * row, activity, name, initiates)
    return "\n".join([*lines, "</svg>"])


def _boxes(y: int, activity: str, name: str, initiates: bool) -> Iterator[str]:
    middle = y + 20
    yield f'<ellipse cx="{LEFT + 125}" cy="{middle}" rx="125" ry="21" fill="#fff" stroke="#5b6b7b"/>'
    yield f'<text x="{LEFT + 125}" y="{middle + 5}" text-anchor="middle" font-size="13">{escape(activity)}</text>'
    yield f'<rect x="{MIDDLE}" y="{y}" width="280" height="40" rx="5" fill="#fff" stroke="#14507f"/>'
    yield f'<text x="{MIDDLE + 140}" y="{middle + 5}" text-anchor="middle">{escape(name)}</text>'
    yield f'<rect x="{RIGHT}" y="{y}" width="300" height="40" fill="#fff" stroke="#5b6b7b"/>'
    yield f'<text x="{RIGHT + 150}" y="{middle + 5}" text-anchor="middle">{escape(_peer(name, initiates))}</text>'
    yield f'<line x1="{LEFT + 250}" y1="{middle}" x2="{MIDDLE - 2}" y2="{middle}" stroke="#5b6b7b"/>'
    start, end = (MIDDLE + 280, RIGHT - 2) if initiates else (RIGHT, MIDDLE + 282)
    yield f'<line x1="{start}" y1="{middle}" x2="{end}" y2="{middle}" stroke="#14507f" marker-end="url(#tip)"/>'


def _text(title: str, flows: list[tuple[str, str, bool]]) -> str:
    wide = (max(len(f[0]) for f in flows), max(len(f[1]) for f in flows))
    head = f"{'Real-world activity':{wide[0]}}     {title:{wide[1]}}    | DICOM |  Peer"
    rows = [
        f"({activity:{wide[0]}}) --[{name:{wide[1]}}] {'------|----->' if initiates else '<-----|------'} "
        f"{_peer(name, initiates)}"
        for activity, name, initiates in flows
    ]
    return "\n".join([head, *rows])
