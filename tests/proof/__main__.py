"""`make proof`: random geometries encoded, decoded again by the geometry proof, and compared in the patient.

Prints how many, what they were like, and the worst errors; ends with 1 where a centre is half a voxel off, a volume
2 %, or the proof has anything else to say. LANTERN_PROOF_GEOMETRIES (500) of them, from seed LANTERN_PROOF_SEED.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.encode import encode, to_bytes
from pipeline.proof import agreements, prove
from tests.support.findings import STAMP
from tests.support.geometries import findings_in, holes, on_disk, scene

GEOMETRIES = int(os.environ.get("LANTERN_PROOF_GEOMETRIES", "500"))
SEED = int(os.environ.get("LANTERN_PROOF_SEED", "1000"))
WORKERS = int(os.environ.get("WORKERS", "2"))

HALF_VOXEL, TWO_PERCENT = 0.5, 0.02


@dataclass(frozen=True)
class Tried:
    """One geometry: what it was like and how it went."""

    words: str
    kinds: tuple[str, ...]
    lesions: int
    holes: int
    off_voxels: float
    off_volume: float
    faults: tuple[str, ...]


def tried(seed: int) -> Tried:
    """Write a series, draw lesions on it, make the objects, and prove them."""
    made = scene(seed)
    with tempfile.TemporaryDirectory(prefix="lantern-proof-") as folder:
        findings = findings_in(made, on_disk(Path(folder), made))
        files = [to_bytes(e.dataset) for e in encode(findings, STAMP)]
        found = agreements(files, findings)
        return Tried(
            made.words,
            (made.plane, *made.traits),
            findings.count + len(findings.rejected),
            holes(findings),
            max(a.off_voxels for a in found),
            max(abs(a.volume_ratio - 1) for a in found),
            tuple(fault.words for fault in prove(files, findings)),
        )


def main() -> int:
    """Run all and print them."""
    began = time.monotonic()
    with ProcessPoolExecutor(WORKERS) as workers:
        results = list(workers.map(tried, range(SEED, SEED + GEOMETRIES), chunksize=4))
    kinds = Counter(kind for r in results for kind in r.kinds)
    print(f"{len(results)} random geometries, {sum(r.lesions for r in results)} lesions with "
          f"{sum(r.holes for r in results)} holes, in {time.monotonic() - began:.0f} s")  # fmt: skip
    print("; ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    centre, volume = max(results, key=lambda r: r.off_voxels), max(results, key=lambda r: r.off_volume)
    print(f"worst centre: {centre.off_voxels:.4f} voxels ({centre.words})")
    print(f"worst volume: {100 * volume.off_volume:.5f} % ({volume.words})")
    wrong = [r for r in results if r.faults or r.off_voxels > HALF_VOXEL or r.off_volume > TWO_PERCENT]
    for result in wrong:
        print(f"WRONG {result.words}: {'; '.join(result.faults) or 'beyond the bars'}")
    print(f"{len(wrong)} of {len(results)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
