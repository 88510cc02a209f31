"""What makes two pieces of work the same, and which UIDs their results get."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from node.version import VERSION
from pipeline.contract import Inputs
from pipeline.findings import Algorithm
from pipeline.imaging.header import content_digest


def work_key(
    content: Iterable[str], pipeline: str, algorithm: Algorithm, options: Mapping[str, Any], priors: str = ""
) -> str:
    """SHA-256 hex over the images' content, the pipeline, its version and weights, and the route's options.

    content: `content_digest` of each image, in any order. priors: how many earlier studies are asked for, and where;
    empty for none.
    """
    made_by = [pipeline, algorithm.version, algorithm.weights_sha256, *([priors] if priors else [])]
    what = json.dumps([sorted(content), made_by, dict(options)], sort_keys=True, default=str)
    return hashlib.sha256(what.encode()).hexdigest()


def result_seed(key: str, algorithm: Algorithm, recalled: str = "") -> str:
    """What result UIDs are derived from: the work, who really did it, and what of earlier work it was given.

    A node that was updated after the work was opened encodes differently, and a PACS may have an earlier study today
    that it had not yesterday: the same UID must not name other bytes. recalled: see `recalled_key`.
    """
    return "/".join([key, algorithm.version, VERSION, *([recalled] if recalled else [])])


def recalled_key(chosen: Inputs, inputs: Inputs) -> str:
    """SHA-256 hex over what `recall` added to what was chosen, and over the remarks; empty when that is nothing."""
    added = {role: series for role, series in inputs.series.items() if chosen.series.get(role) != series}
    if not added and not inputs.remarks:
        return ""
    content = {role: sorted(content_digest(i.path) for i in series.instances) for role, series in added.items()}
    return hashlib.sha256(json.dumps([content, inputs.remarks], sort_keys=True).encode()).hexdigest()
