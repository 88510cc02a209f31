"""Which processes are gone, by the names that they hold jobs under."""

from __future__ import annotations

import os
import subprocess
import sys

from node.loop import holder_name, is_gone


def _name_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_is_gone_once_it_has_ended_and_not_before() -> None:
    said = "from node.loop import holder_name; print(holder_name('work'), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", said], stdin=-1, stdout=-1, text=True) as other:
        name = _name_of(other)
        assert not is_gone(name)
        other.kill()
    assert is_gone(name)
    assert not is_gone(holder_name("receive"))


def test_a_process_that_got_the_number_of_another_is_not_taken_for_it() -> None:
    where, pid, started = holder_name("work").rsplit(":", 2)
    assert int(pid) == os.getpid()
    assert is_gone(f"{where}:{pid}:{int(started) - 1}")


def test_of_another_machine_or_container_nothing_is_known() -> None:
    _, pid, _ = holder_name("work").rsplit(":", 2)
    host = os.uname().nodename
    assert not is_gone(f"work@elsewhere/1:{pid}:1")
    assert not is_gone(f"work@{host}/1:{pid}:1")  # the same name, but process numbers of another container
    assert not is_gone("somebody")
