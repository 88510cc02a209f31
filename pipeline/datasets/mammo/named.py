"""`--set NAME=DIR` of the workshops' command lines: a data set with its folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pipeline.datasets.mammo.case import Collection


def add_sets(parser: argparse.ArgumentParser, known: Sequence[Collection]) -> None:
    """The option, which may be given again; `given.set` is then a list of (Collection, Path)."""
    parser.add_argument(
        "--set",
        type=partial(_named, known),
        action="append",
        default=[],
        metavar="NAME=DIR",
        help=f"a data set with its folder ({', '.join(known)}); may be given again",
    )


def _named(known: Sequence[Collection], text: str) -> tuple[Collection, Path]:
    name, equals, folder = text.partition("=")
    if not equals or name not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR, with a name of {', '.join(known)}")
    return Collection(name), Path(folder)
