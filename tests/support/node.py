"""A running node: `python -m node serve` (or single processes), configured and kept in a temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import httpx

from node.cli import main
from pipeline.core.job import ENDS, Job, State
from storage import Database, Ledger, open_database
from tests.support.peers import DCMSEND, NO_NAGLE, free_port, listens, require
from tests.support.peers import eventually as wait_until

ROOT = Path(__file__).parents[2]
AE = "LANTERN"


def destination(name: str, ae_title: str, port: int) -> str:
    return f'[[destination]]\nname = "{name}"\nae_title = "{ae_title}"\nhost = "127.0.0.1"\nport = {port}\n'


def stow(name: str, url: str) -> str:
    return f'[[destination]]\nname = "{name}"\nstow_url = "{url}"\n'


def route(destinations: Sequence[str], pipeline: str = "srs", quiet_period_s: float = 1.0, more: str = "") -> str:
    listed = ", ".join(f'"{d}"' for d in destinations)
    return (
        f'[[route]]\nname = "r-{pipeline[:3]}"\npipeline = "{pipeline}"\ndestinations = [{listed}]\n'
        f"quiet_period_s = {quiet_period_s}\n{more}\n"
    )


class RunningNode:
    """Inside `with`, a node runs; `ledger` looks at its database, `log()` is what its processes said."""

    def __init__(self, folder: Path, *tables: str, database_url: str = "", executor: str = "process") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port, self.web_port = folder, free_port(), free_port()
        self.config, self._log = folder / "lantern.toml", folder / "node.log"
        url = database_url or f"sqlite:///{folder}/data/lantern.db"
        head = f"""
[node]
ae_title = "{AE}"
host = "127.0.0.1"
port = {self.port}
allow_any_calling_ae = true
min_free_disk_mb = 10
[storage]
archive_dir = "{folder}/data/archive"
database_url = "{url}"
[web]
port = {self.web_port}
[work]
executor = "{executor}"
device = "cpu"
poll_s = 0.1
[deliver]
backoff_first_s = 0.3
backoff_cap_s = 2.0
poll_s = 0.1
"""
        self.config.write_text(head + "\n".join(tables))
        self._database: Database = open_database(url)
        self._database.migrate()
        self.ledger = Ledger(self._database)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start `lantern COMMAND` on this node's configuration."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "node", *command, "--config", str(self.config)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT, env=environment(),
            )  # fmt: skip
        self.processes[command[0]] = process
        return process

    def serve(self) -> Self:
        self.start("serve")
        self.wait_for_port()
        return self

    def wait_for_port(self) -> None:
        wait_until(lambda: listens(self.port), within_s=60)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line to its end."""
        return lantern(*command, "--config", str(self.config))

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.web_port}{path}", trust_env=False, timeout=10)

    def ended(self, jobs: int = 1, within_s: float = 120) -> list[Job]:
        """Wait until so many jobs have ended (or failed); oldest first."""

        def look() -> list[Job]:
            found = self.ledger.jobs()
            done = [j for j in found if j.state in ENDS or j.state is State.FAILED]
            return found[::-1] if len(done) == len(found) >= jobs else []

        ended: list[Job] = wait_until(look, within_s=within_s, every_s=0.2)
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
        self._database.close()


def environment() -> Mapping[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("LANTERN_")}


def lantern(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `lantern COMMAND`, as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "node", *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(),
        check=False,
    )


def here(*command: str) -> subprocess.CompletedProcess[str]:
    """Run `lantern COMMAND` in this process, which has loaded already what a new one takes seconds for."""
    said, complained, code = StringIO(), StringIO(), 0
    ours = {k: v for k, v in os.environ.items() if k.startswith("LANTERN_")}
    with (
        chdir(ROOT),
        redirect_stdout(said),
        redirect_stderr(complained),
        patch.object(sys, "argv", ["lantern", *command]),
    ):
        try:
            for name in ours:
                del os.environ[name]
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            os.environ.update(ours)
    return subprocess.CompletedProcess(command, code, said.getvalue(), complained.getvalue())


def dcmsend(port: int, folder: Path, *, called: str = AE, calling: str = "PACS") -> subprocess.CompletedProcess[str]:
    """Send every DICOM file below a folder with DCMTK, as a PACS would."""
    require(DCMSEND)
    return subprocess.run(
        [DCMSEND, "-aet", calling, "-aec", called, "+sd", "+r", "127.0.0.1", str(port), str(folder)],
        capture_output=True, text=True, env=os.environ | NO_NAGLE, check=False,
    )  # fmt: skip


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of one process, as a crash would."""
    process.send_signal(signal.SIGKILL)
    process.wait()
