"""Is the node alive, is it ready, and its numbers: GET /healthz, /readyz, /metrics. No patient data leaves here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from node.web.metrics import NodeCollector, TakeSnapshot
from node.web.patience import Patient
from pipeline.core.errors import LanternError

logger = logging.getLogger(__name__)

Probe = Callable[[], tuple[bool, str]]
"""Is one thing the node needs all right, and one sentence on it, without patient data. May raise and may hang."""

ANSWER_LIMIT_S = 5.0
"""How long a probe or a snapshot may take; Prometheus and load balancers give up at about 10 s."""

_FRESH = {"Cache-Control": "no-store"}


def make_app(probes: Mapping[str, Probe], snapshot: TakeSnapshot, limit_s: float = ANSWER_LIMIT_S) -> Starlette:
    """The web application of a node.

    probes:   by name, what /readyz asks; the node is ready when all say yes within `limit_s`.
    snapshot: what /metrics asks; see `metrics.Snapshot`.
    """
    asked = {name: Patient(probe, limit_s) for name, probe in probes.items()}
    registry = CollectorRegistry()
    registry.register(NodeCollector(snapshot))
    exposition = Patient(lambda: generate_latest(registry), limit_s)

    async def readyz(_: Request) -> Response:
        checks = dict(zip(asked, await asyncio.gather(*map(_check, asked, asked.values())), strict=True))
        ready = all(ok for ok, _ in checks.values())
        told = {name: {"ok": ok, "detail": detail} for name, (ok, detail) in checks.items()}
        return JSONResponse({"ready": ready, "checks": told}, 200 if ready else 503, _FRESH)

    async def metrics(_: Request) -> Response:
        try:
            return Response(await exposition.ask(), 200, _FRESH, CONTENT_TYPE_LATEST)
        except TimeoutError:
            return PlainTextResponse(f"the ledger did not answer within {limit_s:g} s\n", 503, _FRESH)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


async def healthz(_: Request) -> Response:
    """200 as long as this process runs, whatever its database or disk do: a restart would not mend those."""
    return PlainTextResponse("ok\n", headers=_FRESH)


async def _check(name: str, probe: Patient[tuple[bool, str]]) -> tuple[bool, str]:
    try:
        return await probe.ask()
    except TimeoutError:
        return False, "no answer in time"
    except LanternError as e:
        return False, str(e)
    # A probe looks at what is broken, and breaks in its own way; its message could hold a password of a URL.
    except Exception as e:  # noqa: BLE001
        logger.warning("probe %s failed: %s", name, type(e).__name__)
        return False, f"the check itself failed: {type(e).__name__}"


def make_server(app: Starlette, host: str, port: int) -> uvicorn.Server:
    """The HTTP server; `.run()` serves until SIGTERM, `.should_exit = True` stops it. Logging stays as it is set up."""
    settings = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False, lifespan="off"
    )
    return uvicorn.Server(settings)
