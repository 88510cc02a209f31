"""Data set -> Instance: the header as plain values, without pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.uid import ImplicitVRLittleEndian

from pipeline.core.errors import HeaderUnusable
from pipeline.core.study import DERIVED, DRAWN_ON, Instance, Study, group
from pipeline.core.uid import is_uid
from pipeline.imaging.references import frames_of_reference, series_named
from pipeline.imaging.values import MALFORMED, plain_values
from pipeline.imaging.view_codes import view_codes

__all__ = [
    "FILED_BY",
    "MALFORMED",
    "first_item_groups",
    "groups_in",
    "header_of",
    "looks_like_dicom",
    "read_header",
    "scan",
]

FILED_BY = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")
"""The attributes an instance is filed by (PS3.3 C.12.1, C.7.2.1, C.7.3.1)."""

DEFER_BYTES = 1 << 18
"""Elements longer than this stay on disk: a header never costs what its object weighs."""

_NO_GROUP = ("CodeValue", "ReferencedSOPInstanceUID")

_HINT = "the object cannot be filed; ask the sender's vendor, or send it again from the archive"


def read_header(path: Path, sha256: str = "") -> Instance:
    """The header of a DICOM file (PS3.10), also of one without the preamble.

    Big elements are not read: memory stays small however large the object. Raises HeaderUnusable, or OSError
    when the file itself cannot be read.
    """
    try:
        ds = dcmread(path, stop_before_pixels=True, defer_size=DEFER_BYTES, force=True)
    except MALFORMED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise HeaderUnusable(f"not a readable DICOM file: {type(error).__name__}", _HINT) from error
    return header_of(ds, path, sha256)


def header_of(ds: Dataset, path: Path, sha256: str = "") -> Instance:
    """The same from a data set at hand. Raises HeaderUnusable, naming the missing or malformed attribute."""
    header = _flat(ds)
    uids = {keyword: _uid(header, keyword) for keyword in FILED_BY}
    return Instance(
        sop_instance_uid=uids["SOPInstanceUID"],
        sop_class_uid=uids["SOPClassUID"],
        series_instance_uid=uids["SeriesInstanceUID"],
        study_instance_uid=uids["StudyInstanceUID"],
        transfer_syntax_uid=_transfer_syntax(ds),
        modality=str(header.get("Modality") or ""),
        path=path,
        sha256=sha256,
        header=header,
    )


def content_digest(path: Path) -> str:
    """SHA-256 hex of a file's data set, without preamble and File Meta Information (PS3.10 7.1).

    The meta information tells who wrote the file and for whom; the images are the same whoever sent them.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        start = file.read(144)
        # (0002,0000) File Meta Information Group Length, UL, is the first element where there is one.
        if start[128:132] == b"DICM" and start[132:140] == b"\x02\x00\x00\x00UL\x04\x00":
            file.seek(144 + int.from_bytes(start[140:144], "little"))
        else:
            file.seek(0)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def scan(folder: Path) -> tuple[Study, ...]:
    """The studies in a DICOM file, or in all below a folder; what is no image (text, DICOMDIR) is passed over."""
    found = []
    for path in [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file()):
        if not looks_like_dicom(path):
            continue
        try:
            found.append(read_header(path))
        except HeaderUnusable:  # a DICOMDIR has no SOP Instance UID and ends here as well
            continue
    return group(_once(found))


def looks_like_dicom(path: Path) -> bool:
    """True with the PS3.10 prefix, or when the file begins with an element of group 0002 or 0008."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[128:132] == b"DICM" or start[:2] in (b"\x02\x00", b"\x08\x00")


def _once(instances: list[Instance]) -> list[Instance]:
    return list({i.sop_instance_uid: i for i in reversed(instances)}.values())


def _uid(header: Mapping[str, Any], keyword: str) -> str:
    value = header.get(keyword)
    if value is None or value == "":
        raise HeaderUnusable(f"{keyword} is missing", _HINT)
    if not isinstance(value, str) or not is_uid(value):
        raise HeaderUnusable(f"{keyword} is not a UID", _HINT)
    return value


def _transfer_syntax(ds: Dataset) -> str:
    meta = plain_values(getattr(ds, "file_meta", None) or Dataset())
    uid = meta.get("TransferSyntaxUID")
    return uid if isinstance(uid, str) and is_uid(uid) else str(ImplicitVRLittleEndian)


def _flat(ds: Dataset) -> dict[str, Any]:
    header = plain_values(ds)
    if header.get("Modality") in DERIVED:
        header.update(_belonging(ds))
    if header.get("Modality") == "MG" or "ViewCodeSequence" in ds:
        header.update(view_codes(ds))
    for item in _functional_groups(ds):
        for keyword, value in item.items():
            header.setdefault(keyword, value)
    return header


def _belonging(ds: Dataset) -> dict[str, Any]:
    """What a derived object is drawn on, for a structure set its only frame of reference too."""
    try:
        frames, series = frames_of_reference(ds), series_named(ds)
    except MALFORMED:
        return {}
    found: dict[str, Any] = {DRAWN_ON: tuple(sorted(series))} if series else {}
    return found | ({"FrameOfReferenceUID": min(frames)} if len(frames) == 1 else {})


def _functional_groups(ds: Dataset) -> Iterator[dict[str, Any]]:
    """The shared groups, then those of the first frame (PS3.3 C.7.6.16)."""
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        yield from (plain_values(g) for g in first_item_groups(ds, keyword))


def first_item_groups(ds: Dataset, keyword: str) -> list[Dataset]:
    """The groups in the first item of a functional groups sequence; empty when there is none."""
    try:
        items = ds.get(keyword)
        return groups_in(items[0]) if items else []
    except MALFORMED:
        return []


def groups_in(item: Dataset) -> list[Dataset]:
    """The functional groups of one item, and the data sets nested once in them, but no codes and references."""
    outer = _first_items(item)
    return outer + [i for g in outer for i in _first_items(g) if not any(k in i for k in _NO_GROUP)]


def _first_items(item: Dataset) -> list[Dataset]:
    return [element.value[0] for element in item if element.VR == "SQ" and element.value]
