"""lantern convert ddsm|cbis|mias|inbreast|vindr|rsna|film: data sets of mammograms and film scans -> DICOM."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.app import Json, example
from node.cli.show import complain, show_json
from pipeline.core.errors import HeaderUnusable, LanternError
from pipeline.datasets.mg_habits import VIEWS, Syntax

if TYPE_CHECKING:
    from pipeline.datasets.mammo.case import Case
    from pipeline.datasets.mammo.convert import Written


class Side(StrEnum):
    """Of the body."""

    LEFT = "left"
    RIGHT = "right"


SETS = {
    "ddsm": ("DDSM", "LJPEG, .ics and .OVERLAY files in case folders; grey levels become optical densities"),
    "cbis": ("CBIS-DDSM", "DICOM and the CSV tables of TCIA"),
    "mias": ("mini-MIAS", "mdb001.pgm … and Info.txt"),
    "inbreast": ("INbreast", "AllDICOMs, AllXML and INbreast.csv or .xlsx"),
    "vindr": ("VinDr-Mammo", "DICOM, breast-level_annotations.csv and finding_annotations.csv"),
    "rsna": ("RSNA 2023", "train_images and train.csv"),
}

Out = Annotated[Path, typer.Option(help="Folder for the DICOM files: a folder for each patient.")]
How = Annotated[Syntax, typer.Option(help="How pixels are stored.")]
Size = Annotated[
    str, typer.Option("--spacing", help="Pixel size in mm, one number or DOWN,ACROSS; else what the files say.")
]


def register(convert_app: typer.Typer) -> None:
    """Add the sub-commands of this module to `lantern convert`."""
    for name in SETS:
        command = f"lantern convert {name} ./{name} --out ./dicom"
        convert_app.command(name, epilog=example(command))(_converter(name))
    command = "lantern convert film left_cc.png left_mlo.png --spacing 0.05 --out ./dicom"
    convert_app.command("film", epilog=example(command))(convert_film)


def _converter(name: str) -> Callable[..., None]:
    title, holds = SETS[name]

    def command(
        folder: Annotated[
            Path, typer.Argument(exists=True, file_okay=False, help=f"The folder with {title}: {holds}.")
        ],
        out: Out,
        limit: Annotated[int, typer.Option(help="At most so many images; 0 is all.", min=0)] = 0,
        syntax: How = Syntax.NATIVE,
        spacing: Size = "",
        as_json: Json = False,
    ) -> None:
        from itertools import islice

        from node.cli.progress import spinner
        from pipeline.datasets.mammo import cases

        size = _spacing(spacing)
        with spinner(f"looking for {title}"):
            found = list(islice(cases(name, folder), limit or None))
        if not found:
            raise HeaderUnusable(f"no image of {title} is in {folder}", f"it should hold {holds}")
        _convert(found, out, syntax, size, as_json)

    command.__annotations__["folder"] = Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help=f"The folder with {title}: {holds}.")
    ]  # the one thing that differs; names of this function's own are out of reach when annotations are read
    command.__doc__ = f"""Write {title} as DICOM mammograms, with its truth as SEG and SR.

    Truth says that it is the data set's, and not of an algorithm. Patient ID is the data set's own name of the case.
    An image that cannot be converted is named, and the others go on. Exit code 0 done, 1 not all, 2 wrong usage.
    """
    return command


def convert_film(  # noqa: PLR0913, PLR0917  (options of a command line, each given by name)
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="PNG, JPEG, TIFF or PGM: one film each.")
    ],
    out: Out,
    side: Annotated[Side | None, typer.Option(help="The breast, of all files given.")] = None,
    view: Annotated[str, typer.Option(help=f"One of {', '.join(VIEWS)}, of all files given.")] = "",
    spacing: Size = "",
    patient: Annotated[str, typer.Option(help="Patient ID to write; else one is made up.")] = "",
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="When the films were taken: Study Date."),
    ] = None,
    burned_in: Annotated[
        bool, typer.Option("--burned-in/--no-burned-in", help="Whether a name or date may be read on the film.")
    ] = True,
    inverted: Annotated[bool, typer.Option("--inverted", help="In the files, dark is dense.")] = False,
    syntax: How = Syntax.NATIVE,
    as_json: Json = False,
) -> None:
    """Write film scans of one woman and one day as DICOM mammograms of one study; other scans make another study.

    Side and view that are not given are read from the names of the files (L_MLO.png), else guessed from the pixels;
    a size that neither you nor the file says is guessed as a whole 18 x 24 cm film. What was guessed is said, here and
    in Image Comments. Exit code 0 done, 1 not all, 2 wrong usage.
    """
    from node.cli.progress import spinner
    from pipeline.datasets.mammo.film import scans
    from pipeline.marks import Laterality

    _expect_view(view)
    size, breast = _spacing(spacing), Laterality[side.name] if side else None
    day = date.date().isoformat().replace("-", "") if date else ""
    with spinner("looking at the scans"):
        found = list(scans(files, breast, view.upper(), size, patient, inverted=inverted, date=day))
    _convert(found, out, syntax, size, as_json, burned_in=burned_in)


def as_dicom(place: Path, out: Path, side: Side | None, view: str, spacing: str) -> Path:
    """A film scan, or a folder that holds nothing but film scans, as DICOM mammograms in `out`; else `place` itself.

    What is guessed of side, view and size is said on standard error, and in Image Comments. Raises what reading and
    writing raise.
    """
    from pipeline.datasets.mammo.convert import convert
    from pipeline.datasets.mammo.film import SUFFIXES, scans
    from pipeline.marks import Laterality

    files = [f for f in (sorted(place.rglob("*")) if place.is_dir() else [place]) if f.is_file()]
    pictures = [f for f in files if f.suffix.lower() in SUFFIXES]
    if not pictures or len(pictures) < len(files):
        if side or view or spacing:
            raise typer.BadParameter("for film scans alone: DICOM files say it themselves", param_hint="--side")
        for picture in pictures:
            said = "not looked at, for other files are beside it: give film scans alone, in a folder of their own"
            typer.echo(f"note: {picture.name}: {said}", err=True)
        return place
    _expect_view(view)
    size, breast = _spacing(spacing), Laterality[side.name] if side else None
    for number, case in enumerate(scans(pictures, breast, view.upper(), size), 1):
        written = convert(case, out, number=number, spacing_mm=size, burned_in=True)
        for remark in written.remarks:
            typer.echo(f"note: {pictures[number - 1].name}: {remark}", err=True)
    return out


def _expect_view(view: str) -> None:
    if view and view.upper() not in VIEWS:
        raise typer.BadParameter(f"{view}: not one of {', '.join(VIEWS)}", param_hint="--view")


def _convert(
    found: list[Case],
    out: Path,
    syntax: Syntax,
    size: tuple[float, float] | None,
    as_json: bool,
    *,
    burned_in: bool = False,
) -> None:
    from node.cli.progress import bar
    from pipeline.datasets.mammo.convert import convert

    done: list[Written] = []
    failed: list[tuple[str, LanternError]] = []
    with bar(f"to {out}", len(found)) as advance:
        for number, case in enumerate(found, 1):
            try:
                done.append(convert(case, out, number=number, syntax=syntax, spacing_mm=size, burned_in=burned_in))
            except LanternError as error:
                failed.append((case.name, error))
            advance()
    _tell(done, failed, out, as_json)
    if failed:
        raise typer.Exit(1)


def _tell(done: list[Written], failed: Iterable[tuple[str, LanternError]], out: Path, as_json: bool) -> None:
    for _, error in failed:
        complain(error)
    if as_json:
        show_json([_as_data(w) for w in done])
        return
    for written in done:
        for remark in written.remarks:
            typer.echo(f"note: {written.case.name}: {remark}")
    typer.echo(_summary(done, out))


def _summary(done: list[Written], out: Path) -> str:
    """ "1 mammogram and 2 objects with its truth are in out"; film scans have no truth."""
    if not done:
        return f"no mammogram was written to {out}"
    images, truths = len(done), sum(len(w.truth) for w in done)
    said = "1 mammogram" if images == 1 else f"{images} mammograms"
    if truths:
        objects = "1 object" if truths == 1 else f"{truths} objects"
        said += f" and {objects} with {'its' if images == 1 else 'their'} truth"
    return f"{said} {'is' if images == 1 and not truths else 'are'} in {out}"


def _as_data(written: Written) -> dict[str, Any]:
    case = written.case
    return {
        "name": case.name,
        "patient": case.patient,
        "laterality": case.laterality.value,
        "view": case.view,
        "pathology": case.pathology.value,
        "image": str(written.image),
        "truth": [str(p) for p in written.truth],
        "remarks": list(written.remarks),
    }


def _spacing(text: str) -> tuple[float, float] | None:
    """(down, across). Raises BadParameter, which ends the command as wrong usage."""
    if not text:
        return None
    try:
        numbers = [float(p) for p in text.split(",")]
        down, across = numbers * 2 if len(numbers) == 1 else numbers
    except ValueError:
        said = f"{text}: not one or two numbers, for example 0.05"
        raise typer.BadParameter(said, param_hint="--spacing") from None
    if not (0.005 <= down <= 2 and 0.005 <= across <= 2):
        said = f"{text}: no pixel of a mammogram; it is in mm, for example 0.05"
        raise typer.BadParameter(said, param_hint="--spacing")
    return down, across
