"""Fixtures that every test may ask for: real peers, started on demand, and the shared data."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers import OrthancPeer, PostgresServer, StoreScp, require


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: at the end all processes shall have work."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """As it was before: a command that ran in this process logs to the standard error of its test, which is closed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: $LANTERN_SHARED_DATA, or `shared/data` beside the repository; else a skip."""
    named = os.environ.get("LANTERN_SHARED_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set LANTERN_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def _orthanc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancPeer]:
    with OrthancPeer(tmp_path_factory.mktemp("orthanc")) as peer:
        yield peer


@pytest.fixture
def orthanc(_orthanc_server: OrthancPeer) -> OrthancPeer:
    """An empty Orthanc (one process for the session). Do not stop it; for that take `make_orthanc`."""
    _orthanc_server.clear()
    return _orthanc_server


@pytest.fixture
def make_orthanc(tmp_path: Path) -> Iterator[Callable[..., OrthancPeer]]:
    """Starts an Orthanc of the test's own: `make_orthanc(auto_route="LANTERN", options={...})`."""
    with ExitStack() as stack:
        made = 0

        def make(**arguments: Any) -> OrthancPeer:
            nonlocal made
            made += 1
            return stack.enter_context(OrthancPeer(tmp_path / f"orthanc-{made}", **arguments))

        yield make


@pytest.fixture
def make_storescp(tmp_path: Path) -> Iterator[Callable[..., StoreScp]]:
    """Starts a storescp with the options of its command line: `make_storescp("--refuse")`."""
    with ExitStack() as stack:
        made = 0

        def make(*options: str | Path, **arguments: Any) -> StoreScp:
            nonlocal made
            made += 1
            folder = tmp_path / f"storescp-{made}"
            folder.mkdir()
            return stack.enter_context(StoreScp(folder, *options, **arguments))

        yield make


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(_postgres_server: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database on a real PostgreSQL."""
    with _postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and peer.pem, node.pem (both for 127.0.0.1, signed by it), other.pem (self-signed)."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run([require("/usr/bin/openssl"), *arguments], cwd=folder, check=True, capture_output=True)

    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    openssl(*new, "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(*new, "-subj", "/CN=Other", "-keyout", "other.key", "-out", "other.pem")
    for name in ("peer", "node"):
        names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        openssl(*new, "-subj", f"/CN={name}", *names, *signed)
    return folder
