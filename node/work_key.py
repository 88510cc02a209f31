"""What makes two pieces of work the same, and which UIDs their results get."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from node.version import VERSION
from pipeline.findings import Algorithm


def work_key(content: Iterable[str], pipeline: str, algorithm: Algorithm, options: Mapping[str, Any]) -> str:
    """SHA-256 hex over the images' content, the pipeline, its version and weights, and the route's options.

    content: `content_digest` of each image, in any order.
    """
    made_by = [pipeline, algorithm.version, algorithm.weights_sha256]
    what = json.dumps([sorted(content), made_by, dict(options)], sort_keys=True, default=str)
    return hashlib.sha256(what.encode()).hexdigest()


def result_seed(key: str, algorithm: Algorithm) -> str:
    """What result UIDs are derived from: the work, and who really did it.

    A node that was updated after the work was opened encodes differently: the same UID must not name other bytes.
    """
    return f"{key}/{algorithm.version}/{VERSION}"
