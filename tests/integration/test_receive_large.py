"""Objects far larger than what the node may hold in memory (Enhanced MR, tomosynthesis)."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import BreastTomosynthesisImageStorage, EnhancedMRImageStorage

from pipeline.core.study import Added
from tests.support.peers import dcmsend
from tests.support.senders import HOST, Node, RssWatch, mr_image, with_options, written

LARGE_BYTES = 500_000_000
BLOCK = 1 << 20


@pytest.mark.slow
@pytest.mark.parametrize("sop_class", [EnhancedMRImageStorage, BreastTomosynthesisImageStorage])
def test_half_a_gigabyte_arrives_whole_within_200_mb_of_memory(tmp_path: Path, sop_class: str) -> None:
    sent, digest = large_file(tmp_path / "large.dcm", sop_class)
    with (
        Node(tmp_path / "node", with_options(network_timeout_s=60.0, allow_any_calling_ae=True)) as node,
        RssWatch() as memory,
    ):
        said = dcmsend(HOST, node.port, sent)
        assert said.returncode == 0, said.stdout
        (path,) = node.files()
        assert data_set_digest(path) == digest
        # From another AE the file differs (its meta information), so that the two are compared.
        assert dcmsend(HOST, node.port, sent, calling="OTHER").returncode == 0
        assert node.added() == [Added.NEW, Added.AGAIN]
    grown_mb = (memory.peak - memory.before) / 1e6
    assert grown_mb < 200, f"{grown_mb:.0f} MB"
    assert dcmread(path, stop_before_pixels=True).SOPClassUID == sop_class
    shutil.rmtree(tmp_path)  # pytest would keep the gigabytes of the last three runs


def large_file(path: Path, sop_class: str) -> tuple[Path, str]:
    """A multi-frame object of LARGE_BYTES of noise, written block by block; and the SHA-256 of its data set."""
    frames = LARGE_BYTES // (512 * 512 * 2)
    ds = mr_image(512, NumberOfFrames=frames, SOPClassUID=sop_class)
    del ds.PixelData
    written(ds, path.parent, path.name)
    length = frames * 512 * 512 * 2
    with path.open("ab") as f:
        f.write(b"\xe0\x7f\x10\x00OW\0\0" + length.to_bytes(4, "little"))
        for block in blocks(length):
            f.write(block)
    return path, data_set_digest(path)


def blocks(length: int) -> Iterator[bytes]:
    noise = os.urandom(BLOCK)
    for at in range(0, length, BLOCK):
        yield (at.to_bytes(8, "little") + noise[8:])[: length - at]


def data_set_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as f:
        f.seek(140)
        f.seek(int.from_bytes(f.read(4), "little"), os.SEEK_CUR)
        while block := f.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
