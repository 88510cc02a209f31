"""The geometry proof: objects are decoded again from their bytes and compared with what the pipeline found.

It shares no code with what wrote them, and looks at millimetres in the patient: a result that is mirrored, shifted,
on the wrong image or of the wrong patient is a Fault, in words, and is not to be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.filereader import read_partial

from pipeline.contract import Found
from pipeline.core.errors import LanternError
from pipeline.findings import Findings
from pipeline.marks import MarkedStudy
from pipeline.proof.agreement import Agreement, agreement
from pipeline.proof.fault import Fault, fault
from pipeline.proof.identity import check_identity
from pipeline.proof.images import Identity, Place, place_of
from pipeline.proof.kinds import check_kind, drawn_in, left_out
from pipeline.proof.marked import Seen, read_seen
from pipeline.proof.truth import Truth, contradictions, read_truth

__all__ = ["Agreement", "Fault", "agreements", "prove"]


def prove(files: Sequence[bytes], found: Found, tick: Callable[[], None] = lambda: None) -> tuple[Fault, ...]:
    """All that is wrong with the objects of one run; nothing where they say what the pipeline found, where it did.

    files: DICOM files, complete sets: an object that another one refers to is among them. found: what they were made
    from; its images are read again, headers only. tick: called before each object.

    Never raises, but for what `tick` raises: what cannot be read or compared is a Fault too.
    """
    datasets, faults = _read(files)
    try:
        truth = read_truth(found) if isinstance(found, Findings) else read_seen(found)
        wrong = list(contradictions(truth)) if isinstance(truth, Truth) else []
    except LanternError as error:
        return (*faults, *(fault(uid, error.message) for uid in datasets))
    except Exception as error:  # noqa: BLE001 - whatever findings and headers hold, nothing may be sent unproven
        return (*faults, *(fault(uid, _unforeseen("the findings cannot be compared", error)) for uid in datasets))
    for uid, ds in datasets.items():
        tick()
        words = dict.fromkeys((*wrong, *_words(ds, datasets, found, truth)))
        faults += [fault(uid, said) for said in words]
    return tuple(faults)


def agreements(files: Sequence[bytes], findings: Findings) -> tuple[Agreement, ...]:
    """How well each SEG and RTSTRUCT agrees with each lesion, in numbers. Raises what reading raises."""
    datasets, _ = _read(files)
    truth = read_truth(findings)
    return tuple(agreement(uid, drawn, truth.lattice) for uid, ds in datasets.items() for drawn in drawn_in(ds, truth))


def _read(files: Sequence[bytes]) -> tuple[dict[str, Dataset], list[Fault]]:
    """The objects by SOP Instance UID."""
    datasets: dict[str, Dataset] = {}
    faults = []
    for data in files:
        try:
            ds = dcmread(BytesIO(data))
            uid, said, _ = str(ds.file_meta.MediaStorageSOPInstanceUID), str(ds.SOPInstanceUID), ds.SOPClassUID
        except Exception as error:  # noqa: BLE001 - bytes that do not parse may raise anything
            faults.append(fault(_named(data), _unforeseen("the object cannot be read", error)))
            continue
        if said != uid:
            faults.append(fault(uid, "its file meta information names another object"))
        if uid in datasets:
            faults.append(fault(uid, "two objects have the same SOP Instance UID"))
        datasets[uid] = ds
    return datasets, faults


def _named(data: bytes) -> str:
    """The SOP Instance UID in the file meta information of what can otherwise not be read; "" where there is none."""
    try:
        return str(read_partial(BytesIO(data), lambda *_: True).file_meta.MediaStorageSOPInstanceUID)
    except Exception:  # noqa: BLE001 - bytes that do not parse may raise anything
        return ""


def _words(ds: Dataset, files: Mapping[str, Dataset], found: Found, truth: Truth | Seen) -> list[str]:
    """What is wrong with one object."""
    words: list[str] = []
    try:
        words += _whose(ds, files, found, truth)
        words += check_kind(ds, files, truth)
        if isinstance(truth, Truth):
            words += left_out(ds, files, truth)
    except Exception as error:  # noqa: BLE001 - an object that breaks its decoder is as wrong as one that lies
        words.append(_unforeseen("it cannot be decoded", error))
    return words


def _whose(ds: Dataset, files: Mapping[str, Dataset], found: Found, truth: Truth | Seen) -> Iterator[str]:
    source: Identity = truth.images.identity if isinstance(truth, Truth) else truth.identity
    written = {uid: place_of(other) for uid, other in files.items()}
    yield from check_identity(ds, {**_named_by(found), **written, **source.instances}, source)


def _named_by(found: Found) -> dict[str, Place]:
    """Objects of others that results may speak of."""
    if isinstance(found, MarkedStudy) or found.corrections is None:
        return {}
    edited = found.corrections
    return {edited.sop_instance_uid: (edited.sop_class_uid, edited.series_instance_uid)}


def _unforeseen(words: str, error: Exception) -> str:
    """The type alone: what an exception says may quote the patient."""
    return f"{words} ({type(error).__name__})"
