"""The command line: `lantern COMMAND`.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 declined, 4 something was held back.
"""

from __future__ import annotations

import sys

from node.cli.app import app
from node.cli.commands import register
from node.cli.show import complain
from pipeline.core.errors import LanternError, Permanent

register(app)


def main() -> None:
    """Run the command line; errors made for people are shown as one sentence and a hint, without a traceback."""
    try:
        app()
    except LanternError as e:
        complain(e)
        sys.exit(1)
    except BrokenPipeError:  # the reader of a listing went away (`lantern jobs list | head`)
        sys.exit(0)
    except OSError as e:
        complain(Permanent(f"{e.strerror or type(e).__name__}: {e.filename or ''}".rstrip(": ")))
        sys.exit(1)
