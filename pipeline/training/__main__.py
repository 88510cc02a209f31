"""`python -m pipeline.training srs | mammography`: train the models of a recipe, and write them beside it."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from pipeline.core.errors import LanternError
from pipeline.training import srs
from pipeline.training.mammography import command as mammography

DONE, WRONG = 0, 2
RECIPES = {"srs": srs, "mammography": mammography}

EPILOG = f"""examples:
{srs.EXAMPLES}{mammography.EXAMPLES}
exit codes: 0 done; 2 something was asked for that is not there (said in one line)"""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and do what it says; all trainings go on where they were stopped."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.training", description=__doc__, epilog=EPILOG, formatter_class=shape
    )
    recipes = parser.add_subparsers(dest="pipeline", required=True, metavar="RECIPE")
    for name, recipe in RECIPES.items():
        about = recipe.__doc__ or ""
        sub = recipes.add_parser(name, help=about.splitlines()[0], description=about, formatter_class=shape)
        recipe.add_options(sub)
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        given.run(given, console)
    except LanternError as error:
        console.print(f"{error.message}\n{error.hint}", markup=False, highlight=False)
        return WRONG
    return DONE


if __name__ == "__main__":
    sys.exit(main())
