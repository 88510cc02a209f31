"""The gate: what leaves has the geometry that was found, and is what its kind of object has to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from node.dciodvfy import Opinions
from pipeline.contract import Found
from pipeline.encode import Encoded, to_bytes
from pipeline.iod import Breach, check_set, gathered, lost_text, references
from pipeline.proof import prove


@dataclass(frozen=True, slots=True)
class Judged:
    """One object and the verdict on it.

    data:   the file; these bytes are what was judged, and so what is kept and sent.
    fault:  why it is wrong: it is sent nowhere. "" when the proof held.
    doubts: breaches of its IOD, a sentence each: destinations may warn of them or take no such object.
    copied: likewise, of what stands like that in the images: nobody's reason to do without the object.
    """

    encoded: Encoded
    data: bytes
    fault: str = ""
    doubts: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()

    @property
    def sop_instance_uid(self) -> str:
        """Of the object."""
        return str(self.encoded.dataset.SOPInstanceUID)


def judge(
    objects: Sequence[Encoded], found: Found, *, dciodvfy: str = "", tick: Callable[[], None] = lambda: None
) -> tuple[Judged, ...]:
    """Every object with its verdict, in their order.

    found:    what they were made from.
    dciodvfy: the program (see `node.dciodvfy.find`); "" does without. It has `dciodvfy.WITHIN_ALL_S` for all of them.
    tick:     called for each object, before each step with it; what it raises ends the judging.

    An object that refers to a faulty one is faulty too: a reader that follows the reference would find nothing.
    """
    files = [to_bytes(e.dataset) for e in _ticking(objects, tick)]
    faults = _with_referring(objects, files, _proven(files, found, tick))
    breaches = check_set(files)
    second = Opinions(dciodvfy)
    return tuple(
        _judged(e, data, faults.get(_uid(e), ""), (*_lost(e), *known, *second.on(data)))
        for e, data, known in zip(_ticking(objects, tick), files, breaches, strict=True)
    )


def _ticking(objects: Sequence[Encoded], tick: Callable[[], None]) -> Iterator[Encoded]:
    for each in objects:
        tick()
        yield each


def _uid(encoded: Encoded) -> str:
    return str(encoded.dataset.SOPInstanceUID)


def _lost(encoded: Encoded) -> tuple[Breach, ...]:
    return gathered(lost_text(encoded.dataset))


def _judged(encoded: Encoded, data: bytes, fault: str, breaches: tuple[Breach, ...]) -> Judged:
    doubts = tuple(dict.fromkeys(b.words for b in breaches if not b.copied))
    return Judged(encoded, data, fault, doubts, tuple(dict.fromkeys(b.words for b in breaches if b.copied)))


def _proven(files: Sequence[bytes], found: Found, tick: Callable[[], None]) -> dict[str, str]:
    """SOP Instance UID -> what is wrong with it."""
    faults: dict[str, list[str]] = {}
    for fault in prove(files, found, tick):
        faults.setdefault(fault.sop_instance_uid, []).append(fault.words)
    return {uid: " ".join(dict.fromkeys(words)) for uid, words in faults.items()}


def _with_referring(objects: Sequence[Encoded], files: Sequence[bytes], proven: Mapping[str, str]) -> dict[str, str]:
    """With what refers to a faulty object, and what refers to that. What nobody can say of which it is, is of all."""
    names = {_uid(e): e.name for e in objects}
    anyone = " ".join(words for uid, words in proven.items() if uid not in names)
    faults = {uid: proven.get(uid, anyone) for uid in names if proven.get(uid, anyone)}
    named = {_uid(e): references(data) for e, data in zip(objects, files, strict=True)} if faults else {}
    spread = bool(faults)
    while spread:
        spread = False
        for uid in names:
            cause = next((other for other in names if other in faults and other in named[uid]), "")
            if cause and uid not in faults:
                faults[uid] = f"It refers to {names[cause]} ({cause}), which is held back"
                spread = True
    return faults
