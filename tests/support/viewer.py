"""OHIF in a headless Chromium, before an Orthanc: what a radiologist would see, and where on the screen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.peers import OrthancPeer, require
from tests.support.viewer_server import ViewerServer

HERE = Path(__file__).parents[1] / "viewer"
CHROMIUM = "/usr/bin/chromium"
INSTALLED = Path(os.environ.get("LANTERN_VIEWER") or HERE.parents[1] / ".cache" / "viewer") / "node_modules"
"""Where `make viewer` puts OHIF and playwright-core."""
OHIF, PLAYWRIGHT = INSTALLED / "@ohif" / "app" / "dist", INSTALLED / "playwright-core"


class ViewerFault(AssertionError):
    """The viewer did not do what it was asked, within its time."""


@dataclass
class Viewer:
    """One browser for many studies; a context manager. Skips, or in CI fails, where a part of it is missing.

    size: of the window, (width, height) in pixels.
    """

    orthanc: OrthancPeer
    size: tuple[int, int] = (1280, 800)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        node = require(shutil.which("node") or "/usr/bin/node")
        require(CHROMIUM), require(OHIF / "index.html"), require(PLAYWRIGHT / "package.json")
        config = HERE / "app-config.js"
        self._server = self._stack.enter_context(ViewerServer(OHIF, config, self.orthanc.dicomweb_url))
        self._log = self._stack.enter_context(tempfile.TemporaryFile("w+"))
        command = [str(p) for p in (node, HERE / "driver.mjs", CHROMIUM, PLAYWRIGHT)]
        self._driver = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._stack.callback(self._end)
        return self

    def _end(self) -> None:
        assert self._driver.stdin is not None
        self._driver.stdin.close()  # the driver closes Chromium then
        try:
            self._driver.wait(15.0)
        except subprocess.TimeoutExpired:
            self._driver.kill()
            self._driver.wait()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def ask(self, what: str, **how: Any) -> Any:
        """One step of tests/viewer/driver.mjs; its answer."""
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        self._driver.stdin.write(json.dumps({"do": what, **how}) + "\n")
        self._driver.stdin.flush()
        line = self._driver.stdout.readline()
        if not line:
            self._log.seek(0)
            raise ViewerFault(f"the driver ended at {what!r}:\n{self._log.read()[-2000:]}")
        said = json.loads(line)
        if "failed" in said:
            raise ViewerFault(f"{said['failed']}\nOHIF said: {said['errors']}")
        return said["answer"]

    def open(self, study_uid: str) -> None:
        """Show a study, with the panel of segmentations open."""
        width, height = self.size
        url = f"{self._server.url}/viewer?StudyInstanceUIDs={study_uid}"
        self.ask("open", url=url, width=width, height=height)

    def load(self, sop_instance_uid: str) -> None:
        """Double-click the label of the series that holds this object, and wait until it is shown."""
        self.ask("load", sop=sop_instance_uid)

    def turn_to(self, sop_instance_uid: str) -> None:
        """Show that image of the series that is shown."""
        self.ask("goto", image=sop_instance_uid)

    def clear(self) -> None:
        """Take what was loaded off the images again."""
        self.ask("clear")

    def step_to(self, sop_instance_uid: str, most: int = 10) -> None:
        """Go from measurement to measurement of the report that is loaded, to the one on that image."""
        for _ in range(most):
            shown = self.state()["shown"]
            if shown and shown["image"] == sop_instance_uid:
                return
            self.ask("next")
        raise ViewerFault(f"none of {most} measurements is on image {sop_instance_uid}")

    def panel(self, name: str) -> None:
        """Open a panel on the right: "panelSegmentation" or "trackedMeasurements"."""
        self.ask("panel", name=name)

    def state(self) -> dict[str, Any]:
        """What OHIF holds: see `state` in tests/viewer/page.js."""
        return dict(self.ask("state"))

    def words(self) -> list[str]:
        """The lines of text on the screen."""
        return list(self.ask("text"))

    def project(self, points_mm: NDArray[np.float64] | Sequence[Sequence[float]]) -> NDArray[np.float64]:
        """(n, 3) points of the patient -> (n, 2) pixels of the screen, (x, y)."""
        return np.array(self.ask("project", points_mm=np.asarray(points_mm).tolist()))

    def screen(self, path: Path | None = None) -> NDArray[np.int16]:
        """What is on the screen, (height, width, 3), 0…255; also written to `path`."""
        with tempfile.TemporaryDirectory() as folder:
            at = path or Path(folder) / "screen.png"
            self.ask("picture", path=str(at))
            with Image.open(at) as picture:
                return np.asarray(picture.convert("RGB")).astype(np.int16)
