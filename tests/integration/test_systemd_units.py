"""The units as systemd itself reads them: in a root of their own, with a stand-in for the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
ANALYZE = Path("/usr/bin/systemd-analyze")
SYSTEM_UNITS = Path("/usr/lib/systemd/system")
SERVICES = (
    "lantern-receive.service",
    "lantern-work@0.service",
    "lantern-work@cpu.service",
    "lantern-deliver.service",
    "lantern-web.service",
    "lantern-clean.service",
)
OTHERS = ("lantern-clean.timer", "lantern.target")
NEW_KEYS = re.compile(r".*Unknown key '(RestartSteps|RestartMaxDelaySec)' in section \[Service\], ignoring\.")
"""systemd before 254 says this once for a unit, and goes on."""


@pytest.fixture(scope="module", autouse=True)
def _systemd() -> None:
    if ANALYZE.exists() and SYSTEM_UNITS.exists():
        return
    if os.environ.get("CI") == "true":
        pytest.fail("systemd is not installed")
    pytest.skip("systemd is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with systemd's own units, ours, and something that can be executed."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree(SYSTEM_UNITS, tmp_path / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(SYSTEMD, units, ignore=shutil.ignore_patterns("optional", "*.md", "*.sysusers"))
    program = tmp_path / "opt/lantern/bin/lantern"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def verify(root: Path, *units: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [ANALYZE, "verify", f"--root={root}", "--man=no", *units], capture_output=True, text=True, check=False
    )
    return done.returncode, [line for line in done.stderr.splitlines() if not NEW_KEYS.fullmatch(line)]


def exposure(root: Path, unit: str) -> float:
    """What `systemd-analyze security` thinks of a unit: 0 is best, 10 is worst."""
    done = subprocess.run(
        [ANALYZE, "security", "--offline=yes", f"--root={root}", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])


def add(root: Path, optional: str, to: str) -> None:
    folder = root / "etc/systemd/system" / f"{to}.d"
    folder.mkdir(exist_ok=True)
    shutil.copy(SYSTEMD / "optional" / optional, folder / f"30-{optional}")


def test_systemd_finds_nothing_wrong_with_the_units(root: Path):
    assert verify(root, *SERVICES, *OTHERS) == (0, [])


def test_a_mistake_in_a_unit_would_be_found(root: Path):
    unit = root / "etc/systemd/system/lantern-web.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchDogSec="))
    code, said = verify(root, "lantern-web.service")
    assert any("WatchDogSec" in line for line in said), (code, said)


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_exposes_little(root: Path, unit: str):
    assert exposure(root, unit) <= 2.0


def test_the_hardening_is_what_makes_it_so(root: Path):
    shutil.rmtree(root / "etc/systemd/system/lantern-.service.d")
    assert exposure(root, "lantern-receive.service") > 8.0


@pytest.mark.parametrize(
    ("optional", "to"),
    [
        ("port-104.conf", "lantern-receive.service"),
        ("credentials.conf", "lantern-.service"),
        ("archive-elsewhere.conf", "lantern-.service"),
        ("hospital-network.conf", "lantern-.service"),
    ],
)
def test_an_optional_part_fits_and_exposes_little(root: Path, optional: str, to: str):
    add(root, optional, to)
    assert verify(root, *SERVICES) == (0, [])
    assert exposure(root, "lantern-receive.service") <= 2.0


def test_every_optional_part_is_tested_and_described():
    readme = (SYSTEMD / "README.md").read_text("utf-8")
    parts = {p.name for p in (SYSTEMD / "optional").iterdir()}
    assert parts == {"port-104.conf", "credentials.conf", "archive-elsewhere.conf", "hospital-network.conf"}
    assert all(f"optional/{p}" in readme for p in parts)


def lines_of(unit: str) -> list[str]:
    return (SYSTEMD / unit).read_text("utf-8").splitlines()


@pytest.mark.parametrize("name", ["receive", "work@", "deliver", "web"])
def test_a_process_tells_systemd_that_it_lives_and_comes_back_when_it_does_not(name: str):
    lines = lines_of(f"lantern-{name}.service")
    for expected in ("Type=notify", "NotifyAccess=main", "Restart=always", "StartLimitIntervalSec=0"):
        assert expected in lines
    assert any(re.fullmatch(r"WatchdogSec=\d+", line) for line in lines)
    assert "PartOf=lantern.target" in lines
    assert "WantedBy=lantern.target" in lines


@pytest.mark.parametrize("name", ["receive", "work@", "deliver", "web", "clean"])
def test_a_unit_starts_the_process_of_its_name(name: str):
    command = f"ExecStart=/opt/lantern/bin/lantern {name.rstrip('@')} --config /etc/lantern/lantern.toml"
    assert command in lines_of(f"lantern-{name}.service")


def test_the_instance_of_a_worker_is_its_device():
    assert "Environment=LANTERN_WORK__DEVICE=%i" in lines_of("lantern-work@.service")


def test_the_timer_is_a_time_that_comes_again():
    calendar = next(line for line in lines_of("lantern-clean.timer") if line.startswith("OnCalendar="))
    done = subprocess.run(
        [ANALYZE, "calendar", "--iterations=2", calendar.partition("=")[2]], capture_output=True, text=True, check=True
    )
    assert "Next elapse" in done.stdout


def test_systemd_makes_the_user_that_the_units_run_as(tmp_path: Path):
    sysusers = shutil.which("systemd-sysusers")
    if sysusers is None:
        pytest.skip("systemd-sysusers is not installed")
    (tmp_path / "etc").mkdir()
    subprocess.run([sysusers, f"--root={tmp_path}", SYSTEMD / "lantern.sysusers"], check=True, capture_output=True)
    assert re.search(
        r"^lantern:x:\d+:\d+:.*:/var/lib/lantern:/\S*nologin$", (tmp_path / "etc/passwd").read_text(), re.MULTILINE
    )
