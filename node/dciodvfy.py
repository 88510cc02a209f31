"""dciodvfy of dicom3tools, a second opinion on an object where it is installed.

Its output quotes values; nothing of what it says of a value is passed on.
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

from pydicom import dcmread

from pipeline.encode import to_bytes
from pipeline.imaging.header import MALFORMED
from pipeline.iod import Breach, copied_keywords, gathered
from pipeline.iod.breach import Found
from pipeline.iod.frames import LABEL_MAP
from pipeline.iod.read import Item, read
from pipeline.iod.required import is_copied, of_scanner

WITHIN_S = 60.0
"""For one object. A report of 100 lesions takes one second."""
WITHIN_ALL_S = 180.0
"""For all objects of a run: a segmentation for each of 60 lesions with a frame for every image takes this long."""

_NAME = "dciodvfy"
_LINE = re.compile(r"Error - </(?P<path>[A-Za-z0-9(),\[\]/]+)> - (?P<words>[^<='\"]+(?:=<[A-Za-z0-9]+>)?)")
"""Only lines that name an attribute: a value with a line break in it may make any other."""
_STEP = re.compile(r"(?P<keyword>[A-Za-z0-9]*)\((?P<tag>[0-9a-f]{4},[0-9a-f]{4})\)(?:\[(?P<number>\d+)\])?")

log = logging.getLogger(__name__)


def find(setting: str) -> str:
    """The program that `[gate] dciodvfy` means: "auto" looks for it, "off" or nothing found is "", else a path."""
    if setting == "off":
        return ""
    return shutil.which(_NAME if setting == "auto" else setting) or ""


def second_opinion(data: bytes, program: str, within_s: float = WITHIN_S) -> tuple[Breach, ...]:
    """The errors that dciodvfy finds; none where it cannot be run, which is logged once.

    Its edition of 2022 does not know Label Map Segmentation: such an object is not shown to it, and that a reference to
    one names a segment is not an error. Nor does it know CLOSEDPLANAR_XOR, which PS3.3 C.8.8.6.3 has.
    """
    file = read(data)
    if not program or file.root.text("SOPClassUID") == LABEL_MAP:
        return ()
    said = _run(program, shown(data) if file.root.number("BitsAllocated") == 32 else data, within_s)
    return gathered(_errors(said, file.root))


class Opinions:
    """Second opinions on the objects of one run until their time is up; the rest goes without, which is logged."""

    def __init__(self, program: str, within_s: float = WITHIN_ALL_S) -> None:
        self._program, self._within_s = program, within_s
        self._until = time.monotonic() + within_s

    def on(self, data: bytes) -> tuple[Breach, ...]:
        """The errors in one object; see `second_opinion`."""
        left_s = self._until - time.monotonic()
        if self._program and left_s <= 0:
            log.warning("%s took longer than %.0f s for one set: the rest goes without it", _NAME, self._within_s)
            self._program = ""
        return second_opinion(data, self._program, min(WITHIN_S, left_s)) if self._program else ()


def shown(data: bytes) -> bytes:
    """An object of 32 bits a pixel as one of 16, with as many pixels: at 32, as an RT Dose has, dciodvfy aborts."""
    try:
        ds = dcmread(BytesIO(data))
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        half = ds["PixelData"].value[: len(ds["PixelData"].value) // 4 * 2]
        ds["PixelData"].value = half + bytes(len(half) % 2)
        return to_bytes(ds)
    except MALFORMED:
        return data


def _run(program: str, data: bytes, within_s: float) -> str:
    with tempfile.TemporaryDirectory(prefix="lantern-gate-") as folder:
        path = Path(folder) / "object.dcm"
        path.write_bytes(data)
        try:
            done = subprocess.run(
                [program, "-new", str(path)], capture_output=True, timeout=within_s, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            _say_once(f"{_NAME} took longer than {within_s:.0f} s: objects go without its opinion")
            return ""
        except OSError as error:
            _say_once(f"{_NAME} cannot be run ({error.strerror}): objects go without its opinion")
            return ""
    if done.returncode < 0:
        _say_once(f"{_NAME} was ended by signal {-done.returncode}: objects go without its opinion")
        return ""
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@cache
def _say_once(words: str) -> None:
    log.warning("%s", words)


def _errors(said: str, root: Item) -> Found:
    has_label_map = any(item.text("ReferencedSOPClassUID") == LABEL_MAP for item in root.walk())
    scanner = {(place.keys, place.numbers[0]) for place in of_scanner(root)}
    quoted = _values(root)
    for line in said.splitlines():
        found = _LINE.match(line)
        if found is None or line.endswith("Unrecognized enumerated value = <CLOSEDPLANAR_XOR>"):
            continue
        words, steps = found["words"].strip(" -"), tuple(_steps(found["path"] or ""))
        if has_label_map and steps and steps[-1][0] == "ReferencedSegmentNumber" and "not segmentation" in words:
            continue
        if any(value in words for value in quoted):
            words = "has a value that is not allowed"
        keys = tuple(step[0] for step in steps)
        of_images = bool(keys) and (is_copied(keys[:-1], keys[-1]) or (keys[:1], int(steps[0][2])) in scanner)
        yield (keys, words), Breach(_sentence(words), _where(steps), _NAME, of_images)


def _sentence(words: str) -> str:
    return f"is in error: {words}"


def _steps(path: str) -> Iterator[tuple[str, str, str]]:
    """(keyword, tag, number) of each step of a path like SegmentSequence(0062,0002)[1]/SegmentLabel(0062,0005)."""
    for step in _STEP.finditer(path):
        yield step["keyword"], step["tag"].upper(), step["number"] or "1"


def _where(steps: tuple[tuple[str, str, str], ...]) -> str:
    if not steps:
        return ""
    *above, (keyword, tag, _) = steps
    inside = " > ".join(f"{key}[{number}]" for key, _, number in above)
    return f"{keyword} ({tag})".strip() + (f" in {inside}" if inside else "")


def _values(root: Item) -> frozenset[str]:
    """Text of patient and study, for words that quote it although they should not."""
    known = frozenset(
        text for keyword in copied_keywords() if root.has(keyword) for text in root.texts(keyword) if len(text) > 2
    )
    return known | {part for text in known for part in re.split(r"[\^=\s]", text) if len(part) > 2}
