"""The real systems that the tests talk to, each started on a free loopback port in a temporary folder.

Every peer is a context manager: inside `with`, it answers; after it, its process is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

ORTHANC = "/usr/sbin/Orthanc"
ORTHANC_DICOMWEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
STORESCP = "/usr/bin/storescp"
DCMSEND = "/usr/bin/dcmsend"
STORESCU = "/usr/bin/storescu"
ECHOSCU = "/usr/bin/echoscu"
FINDSCU = "/usr/bin/findscu"

NO_NAGLE = {"TCP_NODELAY": "1"}
"""Without it every small C-STORE of DCMTK and Orthanc waits some 40 ms for a delayed ACK."""


def require(binary: str | Path) -> Path:
    """The path of a real part; where it is missing, a visible skip, or a failure when CI=true."""
    path = Path(binary)
    if path.exists():
        return path
    said = f"{path} is not installed"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{said}, and in CI that is a failure")
    pytest.skip(said)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def eventually(condition: Callable[[], Any], *, within_s: float = 20.0, every_s: float = 0.05) -> Any:
    """The first truthy answer of `condition`; fails the test when there is none within `within_s`."""
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within_s:g} s: last answer was {answer!r}")
        time.sleep(every_s)
    return answer


def listens(port: int) -> bool:
    """True when something accepts TCP connections on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


class Daemon:
    """A child process that listens on `port`; its output is in `log`."""

    def __init__(self, command: Sequence[str | Path], port: int, log: Path, **popen: Any) -> None:
        self.command, self.port, self.log = [str(c) for c in command], port, log
        self._popen = popen
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool] | None = None, within_s: float = 30.0) -> None:
        """Start it and return once `ready` (by default: the port accepts) holds."""
        env = os.environ | NO_NAGLE
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, **self._popen
            )
        check = ready or (lambda: listens(self.port))
        deadline = time.monotonic() + within_s
        while not check():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-2000:]
                self.stop()
                raise RuntimeError(f"{self.command[0]} did not start:\n{said}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ask it to end; kill it when it does not within five seconds."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class OrthancPeer:
    """An Orthanc with its DICOMweb plugin, playing the PACS.

    `options` are merged into its configuration file. `auto_route`: name of a modality (see `know`) that every
    received MR, MG or CT image is forwarded to, as a PACS's auto-routing rule does.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "ORTHANC",
        modalities: Mapping[str, tuple[str, str, int]] | None = None,
        options: Mapping[str, Any] | None = None,
        lua: str = "",
        auto_route: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        require(ORTHANC), require(ORTHANC_DICOMWEB)
        self.folder, self.ae_title = folder, ae_title
        self.dicom_port, self.http_port = free_port(), free_port()
        self._lua = lua + (_auto_routing(auto_route) if auto_route else "")
        self._config = self._base_config(modalities or {}) | dict(options or {})
        self._daemon = Daemon([ORTHANC, folder / "orthanc.json"], self.http_port, folder / "orthanc.log")
        fresh = httpx.Limits(max_keepalive_connections=0)  # Orthanc closes idle connections just as one is used again
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=30.0, headers=headers, limits=fresh)

    @property
    def url(self) -> str:
        """Root of the REST API."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """Root of DICOMweb (STOW-RS: POST `{dicomweb_url}/studies`)."""
        return f"{self.url}/dicom-web"

    def _base_config(self, modalities: Mapping[str, tuple[str, str, int]]) -> dict[str, Any]:
        return {
            "Name": self.ae_title,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": self.ae_title,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": {name: list(m) for name, m in modalities.items()},
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
            "StableAge": 1,
            "Plugins": [ORTHANC_DICOMWEB],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }

    def start(self) -> Self:
        """Write the configuration and start the process. A stopped Orthanc comes back with its content."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._lua:
            (self.folder / "rules.lua").write_text(self._lua)
            self._config["LuaScripts"] = [str(self.folder / "rules.lua")]
        (self.folder / "orthanc.json").write_text(json.dumps(self._config, indent=1))
        self._daemon.start(self._answers)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/system").status_code < 500 and listens(self.dicom_port)
        return False

    def stop(self) -> None:
        """End the process (takes seconds); ports and content stay as they are for a later `start`."""
        self._daemon.stop()

    def kill(self) -> None:
        """End the process as a power cut would, at once; a later `start` brings it back."""
        self._daemon.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.http.close()
        self.kill()  # its folder goes too, so nothing is worth a slow goodbye

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer of a GET."""
        return self.http.get(path, params=params).raise_for_status().json()

    def post(self, path: str, body: Any, timeout_s: float = 60.0) -> Any:
        """The JSON answer of a POST with a JSON body."""
        return self.http.post(path, json=body, timeout=timeout_s).raise_for_status().json()

    def know(self, name: str, ae_title: str, host: str, port: int) -> None:
        """Add or change a modality that Orthanc may send to and be asked by."""
        body = {"AET": ae_title, "Host": host, "Port": port}
        self.http.put(f"/modalities/{name}", json=body).raise_for_status()

    def instances(self) -> dict[str, str]:
        """SOP Instance UID -> Orthanc's own id, of everything it holds."""
        found = self.get("/instances", expand="")
        return {i["MainDicomTags"]["SOPInstanceUID"]: i["ID"] for i in found}

    def series(self) -> list[dict[str, Any]]:
        """Every series, as Orthanc describes it (MainDicomTags, Instances, ...)."""
        return list(self.get("/series", expand=""))

    def studies(self) -> dict[str, str]:
        """Study Instance UID -> Orthanc's own id."""
        return {s["MainDicomTags"]["StudyInstanceUID"]: s["ID"] for s in self.get("/studies", expand="")}

    def file(self, sop_instance_uid: str) -> bytes:
        """The DICOM file of one instance, as Orthanc stored it."""
        orthanc_id = self.instances()[sop_instance_uid]
        return self.http.get(f"/instances/{orthanc_id}/file").raise_for_status().content

    def upload(self, *files: Path) -> list[str]:
        """Put files in by REST; returns Orthanc's ids."""
        return [self.http.post("/instances", content=f.read_bytes()).raise_for_status().json()["ID"] for f in files]

    def store(self, modality: str, study_instance_uid: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """C-STORE a whole study to a modality that it knows, as *Send to* does; waits for the end."""
        body = {"Resources": [self.studies()[study_instance_uid]], "Synchronous": True}
        return dict(self.post(f"/modalities/{modality}/store", body, timeout_s))

    def delete(self, sop_instance_uid: str) -> None:
        """Forget one instance."""
        self.http.delete(f"/instances/{self.instances()[sop_instance_uid]}").raise_for_status()

    def clear(self) -> None:
        """Forget every study and every modality."""
        for orthanc_id in self.get("/studies"):
            self.http.delete(f"/studies/{orthanc_id}").raise_for_status()
        for name in self.get("/modalities"):
            self.http.delete(f"/modalities/{name}").raise_for_status()


def _auto_routing(modality: str) -> str:
    # Only images: results that come back must not be forwarded again.
    return f"""
function OnStoredInstance(instanceId, tags, metadata, origin)
   local kind = tags['Modality']
   if kind == 'MR' or kind == 'MG' or kind == 'CT' then SendToModality(instanceId, '{modality}') end
end
"""


class StoreScp:
    """DCMTK's storescp, writing what it receives to `folder/received`; `options` as on its command line."""

    def __init__(self, folder: Path, *options: str | Path, ae_title: str = "STORESCP") -> None:
        require(STORESCP)
        self.port, self.ae_title, self.received = free_port(), ae_title, folder / "received"
        self.received.mkdir(parents=True, exist_ok=True)
        command = [STORESCP, "-v", "-aet", ae_title, "-od", self.received, *options, str(self.port)]
        self._daemon = Daemon(command, self.port, folder / "storescp.log")

    def files(self) -> list[Path]:
        """What it has received."""
        return sorted(p for p in self.received.iterdir() if p.is_file())

    def log(self) -> str:
        """What it has said."""
        return self._daemon.log.read_text(errors="replace")

    def start(self) -> Self:
        """Start the process."""
        self._daemon.start()
        return self

    def stop(self) -> None:
        """End the process."""
        self._daemon.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


class PostgresServer:
    """A PostgreSQL of its own. initdb refuses root, so root runs it as `postgres` (or `nobody`)."""

    def __init__(self) -> None:
        self.bin = postgres_bin()
        self.port = free_port()
        # Not below pytest's folder: that is closed to other users.
        self.folder = Path(tempfile.mkdtemp(prefix="lantern-pg-"))
        self._as: dict[str, Any] = {"cwd": self.folder}
        if os.geteuid() == 0:
            account = _unprivileged()
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._as |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        data = self.folder / "data"
        settings = {"listen_addresses": "127.0.0.1", "fsync": "off", "max_connections": "60"}
        command: list[str | Path] = [self.bin / "postgres", "-D", data, "-p", str(self.port), "-k", self.folder]
        command += [a for name, value in settings.items() for a in ("-c", f"{name}={value}")]
        self._daemon = Daemon(command, self.port, self.folder / "postgres.log", **self._as)

    def start(self) -> Self:
        """Create the cluster and start it."""
        init: list[str | Path] = [self.bin / "initdb", "-D", self.folder / "data", "-A", "trust", "-U", "lantern",
                "-E", "UTF8", "--locale=C", "--no-sync"]  # fmt: skip
        subprocess.run(init, check=True, capture_output=True, **self._as)
        self._daemon.start(self._answers)
        return self

    def _answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError), self._admin():
            return True
        return False

    def _admin(self) -> Any:
        import psycopg  # of the [postgres] extra: only tests that ask for this server need it

        dsn = f"host=127.0.0.1 port={self.port} user=lantern dbname=postgres connect_timeout=3"
        return psycopg.connect(dsn, autocommit=True)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A fresh, empty database; its SQLAlchemy URL."""
        name = f"t{os.urandom(6).hex()}"
        with self._admin() as c:
            c.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"postgresql+psycopg://lantern@127.0.0.1:{self.port}/{name}"
        finally:
            with self._admin() as c:
                c.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        """End the server and remove its files."""
        self._daemon.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


def postgres_bin() -> Path:
    """The folder of initdb and postgres: the newest of Debian's, else the one on PATH."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4].split(".")[0]))
    on_path = shutil.which("initdb")
    return require(newest[-1] if newest else (on_path or "/usr/lib/postgresql/15/bin/initdb")).parent


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def run_tool(binary: str, *arguments: str | Path, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's tools to its end; its output and exit code are for the caller to judge."""
    command = [str(require(binary)), *(str(a) for a in arguments)]
    env = os.environ | NO_NAGLE
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=env,
        errors="replace",
        check=False,
    )


def dcmsend(
    host: str, port: int, *arguments: str | Path, calling: str = "SENDER", called: str = "LANTERN"
) -> subprocess.CompletedProcess[str]:
    """DCMTK's dcmsend; add `+sd`, `+r` and a folder for whole studies."""
    return run_tool(DCMSEND, "-v", "-aet", calling, "-aec", called, host, str(port), *arguments)


def storescu(
    host: str, port: int, *arguments: str | Path, calling: str = "SENDER", called: str = "LANTERN"
) -> subprocess.CompletedProcess[str]:
    """DCMTK's storescu, which can also abort and propose odd contexts; options may follow the port."""
    return run_tool(STORESCU, "-v", "-aet", calling, "-aec", called, host, str(port), *arguments)


def echoscu(
    host: str, port: int, *arguments: str | Path, calling: str = "SENDER", called: str = "LANTERN"
) -> subprocess.CompletedProcess[str]:
    """DCMTK's echoscu."""
    return run_tool(ECHOSCU, "-v", "-aet", calling, "-aec", called, *arguments, host, str(port))


def findscu(
    host: str, port: int, *keys: str, level: str = "STUDY", calling: str = "SENDER", called: str = "LANTERN"
) -> subprocess.CompletedProcess[str]:
    """DCMTK's findscu, study root; `keys` like "StudyInstanceUID=1.2.3"."""
    query = [a for k in (f"QueryRetrieveLevel={level}", *keys) for a in ("-k", k)]
    return run_tool(FINDSCU, "-S", "-aet", calling, "-aec", called, host, str(port), *query)
