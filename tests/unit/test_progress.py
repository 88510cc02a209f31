"""What is said while something goes on, where nothing can move on the screen."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from node.cli.progress import SAY_EVERY_S, _Lines, stages


def test_a_step_is_a_line_and_one_that_takes_long_is_said_again() -> None:
    now, file = [100.0], StringIO()
    stage = _Lines(Console(file=file), lambda: now[0])
    for what, at in (("sending", 0), ("srs running", 3), ("srs running", 20), ("srs running", 3 + SAY_EVERY_S)):
        now[0] = 100.0 + at
        stage(what, 0.5)
    assert file.getvalue().splitlines() == ["   0 s  sending", "   3 s  srs running", "  33 s  srs running"]


def test_a_file_gets_lines_and_a_terminal_a_bar() -> None:
    said = []
    for is_terminal in (False, True):
        console = Console(file=StringIO(), force_terminal=is_terminal, width=120)
        with stages(console) as stage:
            stage("sending", 0.5)
        said.append(console.file.getvalue())
    assert said[0] == "   0 s  sending\n"
    assert "━" in said[1]
    assert "\x1b[" in said[1]
