"""What a browser needs to look into a PACS with OHIF: its files and DICOMweb, on one origin of this machine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from tests.support.peers import free_port

PASSED_ON = ("content-type",)
"""Of an answer of DICOMweb; lengths and encodings are made anew."""


class ViewerServer:
    """OHIF and the DICOMweb of a PACS under one address, in a thread.

    dist:     OHIF as its makers built it; `config` takes the place of its app-config.js.
    dicomweb: the root of the PACS's DICOMweb, which is seen as /dicom-web.
    """

    def __init__(self, dist: Path, config: Path, dicomweb: str) -> None:
        self.port, self._dist, self._config, self._dicomweb = free_port(), dist, config, dicomweb
        routes = [
            Route("/dicom-web/{path:path}", self._ask, methods=["GET", "POST"]),
            Route("/{path:path}", self._file),
        ]
        app = Starlette(routes=routes, lifespan=self._open)
        self._server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", self.port, log_level="warning", lifespan="on"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        """Where OHIF is."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def _open(self, _: Starlette) -> AsyncIterator[None]:
        # Orthanc hangs up on connections that wait for a second question.
        fresh = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, timeout=60.0, limits=fresh) as self._http:
            yield

    async def _ask(self, request: Request) -> Response:
        url = f"{self._dicomweb}/{request.path_params['path']}"
        if request.url.query:
            url += f"?{request.url.query}"
        headers = {k: v for k, v in request.headers.items() if k in ("accept", "content-type")}
        # Orthanc writes addresses of bulk data into its metadata: they must be of this origin.
        headers["forwarded"] = f"host=127.0.0.1:{self.port};proto=http"
        answer = await self._http.request(request.method, url, headers=headers, content=await request.body())
        kept = {k: answer.headers[k] for k in PASSED_ON if k in answer.headers}
        return Response(answer.content, answer.status_code, kept)

    async def _file(self, request: Request) -> Response:
        wanted = request.path_params["path"]
        if wanted == "app-config.js":
            return FileResponse(self._config)
        path = (self._dist / wanted).resolve()
        inside = path.is_relative_to(self._dist.resolve()) and path.is_file()
        # Every other address is one of OHIF's own, which its one page knows.
        return FileResponse(path if inside else self._dist / "index.html")

    def __enter__(self) -> Self:
        self._thread.start()
        until = time.monotonic() + 20.0
        while not self._server.started:
            if time.monotonic() > until:
                raise RuntimeError("the server of the viewer did not start")
            time.sleep(0.02)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join(10.0)
