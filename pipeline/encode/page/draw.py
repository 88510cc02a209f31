"""A page as pixels. Equal pages make equal pixels: fonts and settings are matplotlib's own, whatever a user has set."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.encode.page.model import (
    GREY,
    HEIGHT,
    ISODOSES_GY,
    RED,
    RGB,
    SMALL,
    WHITE,
    WIDTH,
    Bar,
    Block,
    Box,
    Course,
    Curve,
    Map,
    Marks,
    Outline,
    Page,
    Picture,
    Text,
    Wash,
    readable,
)  # fmt: skip
from pipeline.encode.timeline import draw_timeline

WINDOW_PERCENTILES = (1.0, 99.7)
"""Where black and white lie in an image's own distribution."""

FROM_GY, EMPHASISED_GY, _COLOURS = 4.0, 12.0, "turbo"
FROM_SUSPICION = 0.1
_DPI = 100
_POINTS = 72 / _DPI


_INSET = 0.42
"""Side of what is shown enlarged, of the picture's."""


def draw(page: Page) -> npt.NDArray[np.uint8]:
    """(rows, columns, 3) RGB."""
    import matplotlib  # noqa: PLC0415 - heavy, and only a page needs it
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    settings = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor="black")
        canvas = FigureCanvasAgg(figure)
        for block in page.blocks:
            _draw(block, figure)
        canvas.draw()
        return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])


@singledispatch
def _draw(block: Block, figure: Any) -> None:
    raise TypeError(type(block))


def _axes(figure: Any, box: Box) -> Any:
    bottom = HEIGHT - box.top - box.height
    return figure.add_axes((box.left / WIDTH, bottom / HEIGHT, box.width / WIDTH, box.height / HEIGHT))


def _rgb(rgb: RGB) -> tuple[float, float, float]:
    return rgb[0] / 255, rgb[1] / 255, rgb[2] / 255


def _halo() -> list[Any]:
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    return [withStroke(linewidth=2.5, foreground="black")]


@_draw.register
def _text(block: Text, figure: Any) -> None:
    figure.text(
        block.left / WIDTH,
        1 - block.top / HEIGHT,
        block.words,
        color=_rgb(readable(block.rgb)),
        fontsize=block.px * _POINTS,
        fontweight="bold" if block.bold else "normal",
        va="top",
        parse_math=False,
    )


@_draw.register
def _picture(block: Picture, figure: Any) -> None:
    axis = _axes(figure, block.box)
    axis.axis("off")
    _image(axis, block)
    _marks(axis, block.marks)
    for outline in block.outlines:
        _outline(axis, outline)
        _name(axis, outline)
    if block.wash:
        _wash(axis, block.wash)
    if block.heat is not None:
        _heat(axis, block.heat, block.image.shape)
    if block.view:
        left, right, top, bottom = block.view
        axis.set(xlim=(left, right), ylim=(bottom, top))
    if block.zoom:
        _enlarge(axis, block)


def _image(axis: Any, block: Picture) -> None:
    low, high = np.percentile(block.image, WINDOW_PERCENTILES)
    axis.imshow(
        block.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=block.aspect, interpolation="bilinear"
    )


def _marks(axis: Any, marks: Marks) -> None:
    for mark, (x, y) in zip(marks, ((0.03, 0.5), (0.97, 0.5), (0.5, 0.95), (0.5, 0.05)), strict=True):
        axis.text(
            x, y, mark, color="white", fontsize=SMALL * _POINTS, ha="center", va="center", transform=axis.transAxes,
            path_effects=_halo(),
        )  # fmt: skip


def _outline(axis: Any, outline: Outline, scale: float = 1.0) -> None:
    closed = np.vstack([outline.points, outline.points[:1]])
    wide = (1.3 if outline.thick else 0.7) * scale
    axis.plot(
        closed[:, 0], closed[:, 1], color=_rgb(readable(outline.rgb)), linewidth=wide,
        linestyle=(0, (3, 2)) if outline.dashed else "-", scalex=False, scaley=False,
        zorder=4 if outline.thick else 2,  # names of others lie at 3: they never cover what the picture is about
    )  # fmt: skip


def _name(axis: Any, outline: Outline) -> None:
    if not outline.label:
        return
    right = outline.points[outline.points[:, 0].argmax()]
    axis.annotate(
        outline.label, tuple(right), (3, 0), textcoords="offset points", color=_rgb(readable(outline.rgb)), va="center",
        fontsize=SMALL * _POINTS, path_effects=_halo(), annotation_clip=True, parse_math=False,
    )  # fmt: skip


def _enlarge(axis: Any, block: Picture) -> None:
    """The neighbourhood again, in a corner."""
    left, right, top, bottom = block.zoom or (0, 0, 0, 0)
    inset = axis.inset_axes((*_corner(block), _INSET, _INSET))
    _image(inset, block)
    for outline in block.outlines:
        _outline(inset, outline, 1.4)
    inset.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    for spine in inset.spines.values():
        spine.set(color="white", linewidth=0.8)


def _corner(block: Picture) -> tuple[float, float]:
    """Of the inset, in shares of the picture from its lower left: where it hides no lesion, or the fewest."""
    left, right, top, bottom = block.zoom or (0, 0, 0, 0)
    rows, columns = block.image.shape
    far = 1 - _INSET
    farthest = (0.0 if left + right > columns else far, far if top + bottom > rows else 0.0)
    lines = [(o.thick, (0, 1) + (o.points + 0.5) / (columns, rows) * (1, -1)) for o in block.outlines]

    def hides(corner: tuple[float, float]) -> tuple[bool, int, bool]:
        hidden = [thick for thick, at in lines if ((at >= corner) & (at <= np.add(corner, _INSET))).all(axis=1).any()]
        return any(hidden), len(hidden), corner != farthest

    return min(((x, y) for x in (0.0, far) for y in (0.0, far)), key=hides)


def _wash(axis: Any, wash: Wash) -> None:
    """Colours where there is dose to speak of, isodose lines over them; that of 12 Gy white and thick."""
    seen = np.ma.masked_less(wash.gy, FROM_GY)
    axis.imshow(seen, cmap=_COLOURS, vmin=0, vmax=wash.highest_gy, alpha=0.4, aspect=axis.get_aspect())
    for gy in (g for g in ISODOSES_GY if wash.gy.min() < g < wash.gy.max()):
        main = gy == EMPHASISED_GY
        axis.contour(
            wash.gy, levels=[gy], colors="white" if main else [_of_dose(gy, wash.highest_gy)],
            linewidths=2.2 if main else 1.0,
        )  # fmt: skip


def _heat(axis: Any, heat: npt.NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Colours where there is suspicion to speak of, over the whole image however coarse they are."""
    rows, columns = shape
    axis.imshow(
        np.ma.masked_less(heat, FROM_SUSPICION), cmap=_COLOURS, vmin=0, vmax=1, alpha=0.35, aspect=axis.get_aspect(),
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), interpolation="bilinear",
    )  # fmt: skip


def _of_dose(gy: float, highest_gy: float) -> Any:
    import matplotlib  # noqa: PLC0415

    return matplotlib.colormaps[_COLOURS](gy / highest_gy)


@_draw.register
def _bar(block: Bar, figure: Any) -> None:
    axis = _axes(figure, block.box)
    scale = np.linspace(0, block.highest_gy, 256)[:, None]
    axis.imshow(
        scale, cmap=_COLOURS, vmin=0, vmax=block.highest_gy, aspect="auto", origin="lower",
        extent=(0, 1, 0, block.highest_gy),
    )  # fmt: skip
    ticks = [g for g in ISODOSES_GY if g < block.highest_gy]
    axis.set_xticks([])
    axis.set_yticks(ticks, [f"{g:g} Gy" for g in ticks])
    axis.yaxis.tick_right()
    axis.tick_params(colors="white", labelsize=SMALL * _POINTS)
    for label, gy in zip(axis.get_yticklabels(), ticks, strict=True):
        label.set_fontweight("bold" if gy == EMPHASISED_GY else "normal")
    for gy in ticks:
        axis.axhline(gy, color="white", linewidth=2.2 if gy == EMPHASISED_GY else 0.8)


@_draw.register
def _map(block: Map, figure: Any) -> None:
    from matplotlib.patches import Circle  # noqa: PLC0415

    axis = _axes(figure, block.box)
    left, right, low, high = block.extent
    rows, columns = block.shadow.shape
    x, y = (np.linspace(a, b, n) for a, b, n in ((left, right, columns), (low, high, rows)))
    axis.contourf(x, y, block.shadow, levels=[0.5, 2], colors=["#222222"])
    axis.contour(x, y, block.shadow, levels=[0.5], colors=["#999999"], linewidths=1.2)
    for disc in block.discs:
        axis.add_patch(
            Circle((disc.x, disc.y), max(disc.radius, 1.5), color=_rgb(readable(disc.rgb)), alpha=0.85, linewidth=0)
        )
    for disc in block.discs:
        axis.annotate(
            disc.label, (disc.x, disc.y), (4, 4), textcoords="offset points", color="white",
            fontsize=SMALL * _POINTS, path_effects=_halo(),
        )  # fmt: skip
    downwards = block.marks[2] == "A"  # of the patient's axes, P grows downwards and H upwards
    axis.set(xlim=(left, right), ylim=(high, low) if downwards else (low, high), aspect="equal")
    axis.axis("off")
    _marks(axis, block.marks)


@_draw.register
def _curve(block: Curve, figure: Any) -> None:
    box = block.box
    axis = _axes(figure, Box(box.left + 45, box.top + 6, box.width - 60, box.height - 52))
    axis.set_facecolor("black")
    counts, ml = [p[0] for p in block.points], [p[1] for p in block.points]
    axis.plot(counts, ml, "-", color="grey", linewidth=1.2)
    for count, value, broken in block.points:
        axis.plot([count], [value], "o", markersize=7, color=_rgb(RED if broken else WHITE), clip_on=False)
    chosen = [(c, v) for c, v, _ in block.points if c == block.chosen]
    axis.plot(*zip(*chosen, strict=True), "o", markersize=17, fillstyle="none", color="#66e08a", markeredgewidth=2)
    most = max(*ml, block.most_ml) * 1.15
    for limit, style, words in ((block.most_ml, "-", "limit"), (block.warn_ml, "--", "warning")):
        axis.axhline(limit, color=_rgb(RED), linestyle=style, linewidth=1.2)
        axis.text(
            1.0, limit, f"{words} {limit:g} ml ", color=_rgb(RED), ha="right", va="bottom",
            fontsize=SMALL * _POINTS, transform=axis.get_yaxis_transform(),
        )  # fmt: skip
    axis.set(xlim=(min(counts) - 0.5, max(counts) + 0.5), ylim=(0, most), xticks=counts)
    axis.set_xlabel("sessions (ring: proposed; red: exceeds a limit)", color="white", fontsize=SMALL * _POINTS)
    _dress(axis)


def _dress(axis: Any) -> None:
    axis.tick_params(colors="white", labelsize=SMALL * _POINTS)
    for spine in axis.spines.values():
        spine.set_color(_rgb(GREY))


@_draw.register
def _course(block: Course, figure: Any) -> None:
    axis = _axes(figure, block.box)
    draw_timeline(axis, block.visits)
    _dress(axis)
    for text in (*axis.texts, axis.yaxis.label):
        text.set_fontsize(SMALL * _POINTS)
