"""What a run made, written for each of its destinations: in which form, judged, and who gets what of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydicom import Dataset

from node import gate
from node.choose import Choice, choose
from node.gate import Judged
from node.lineage import Lineage, left_there, lineage
from node.profiles import Profiles
from node.sent import Sent, sent_as
from pipeline.contract import Found
from pipeline.core.errors import OurFault
from pipeline.core.forms import DEFAULT_FORM, Form
from pipeline.core.job import Job
from pipeline.core.result import Given, Result, Share
from pipeline.core.route import Destination
from pipeline.core.wishes import Validate, Wishes
from pipeline.encode import Encoded, Stamp, encode
from storage import Archive, Ledger


@dataclass(frozen=True, slots=True)
class Press:
    """What results are written with.

    destinations: by name, those of the configuration; of others nothing is known, and they get the default form.
    profiles:     what they take; None: nobody is asked.
    dciodvfy:     path of the program, where it is installed.
    """

    ledger: Ledger
    archive: Archive
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    profiles: Profiles | None = None
    dciodvfy: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """The results of a run, each once, and what each destination gets of them."""

    results: tuple[Result, ...]
    plan: Mapping[str, Share]

    @property
    def faults(self) -> int:
        """How many results are sent nowhere."""
        return sum(bool(r.fault) for r in self.results)


def produce(press: Press, job: Job, found: Found, stamp: Stamp, tick: Callable[[], None] = lambda: None) -> Written:
    """Encode `found` in every form that the job's destinations need, judge it, keep it, and share it out.

    stamp: without form and lineage. What the default form has in it decides what a run makes at all; it is kept only
    where a destination gets it, or where there is none. Objects that two forms have in common are kept once. What a
    destination has accepted of an earlier attempt and does not get again is named as replaced, and it is told.
    tick: called between the steps and for each object; no step can be interrupted. Raises what `encode` raises, and
    OurFault when two objects have one UID.
    """
    tick()
    usual = lineage(press.ledger, job)
    base = _stamped(stamp, DEFAULT_FORM, usual, usual)
    cut: dict[Stamp, tuple[Encoded, ...]] = {base: encode(found, base)}
    made = sent_as(str(e.dataset.SOPClassUID) for e in cut[base])
    tick()
    chosen = {name: _choice(press, name, made) for name in job.destinations}
    given = {name: press.ledger.given(job.id, name) for name in job.destinations}
    wanted: dict[str, Stamp] = {}
    for name, choice in chosen.items():
        tick()
        one = _stamped(stamp, choice.form, lineage(press.ledger, job, name), usual)
        if _gets_others(found, one, given[name], cut):
            one = _stamped(stamp, choice.form, lineage(press.ledger, job, name, anew=True), usual)
        wanted[name] = one
    for unused in set(cut) - {*wanted.values()} - ({base} if not wanted else set()):
        del cut[unused]
    judged: dict[Stamp, tuple[Judged, ...]] = {}
    for one in dict.fromkeys([*wanted.values()] or [base]):
        tick()
        objects = cut.pop(one, None) or encode(found, one)
        tick()
        strict = _asks_for_checks(press, [name for name, stamp in wanted.items() if stamp == one])
        judged[one] = gate.judge(objects, found, dciodvfy=press.dciodvfy if strict else "", tick=tick)
    results = _kept(press.archive, [j for each in judged.values() for j in each])
    plan = {
        n: _share(judged[one], _told(n, chosen[n], judged[one], given[n]), _wishes(press, n).validate)
        for n, one in wanted.items()
    }
    return Written(results, plan)


def _told(name: str, choice: Choice, judged: Sequence[Judged], given: Sequence[Given]) -> tuple[str, ...]:
    """What the admin is to know of one destination's share."""
    now = {_uid(j) for j in judged}
    left = left_there(name, [g for g in given if g.sop_instance_uid not in now])
    return (*choice.told, *([left] if left else []))


def _gets_others(found: Found, one: Stamp, given: Sequence[Given], cut: dict[Stamp, tuple[Encoded, ...]]) -> bool:
    """Whether a destination that has accepted results of the last attempt would not get all of them again.

    cut: what was encoded already; what has to be for this is added.
    """
    present = {g.sop_instance_uid for g in given if not g.replaced}
    if not present:
        return False
    if one not in cut:
        cut[one] = encode(found, one)
    return not present <= {str(e.dataset.SOPInstanceUID) for e in cut[one]}


def _stamped(stamp: Stamp, form: Form, own: Lineage, usual: Lineage) -> Stamp:
    return replace(
        stamp,
        seed=own.set_apart(stamp.seed, usual),
        form=form,
        supersedes=own.supersedes,
        cad_reports=own.cad_reports,
        replaces=own.replaces,
    )


def _wishes(press: Press, name: str) -> Wishes:
    known = press.destinations.get(name)
    return known.wishes if known else Wishes()


def _asks_for_checks(press: Press, names: Sequence[str]) -> bool:
    """Whether anybody wants to know what other programs say: a destination, or nobody gets the results at all."""
    return not names or any(_wishes(press, n).validate is not Validate.OFF for n in names)


def _choice(press: Press, name: str, made: Collection[Sent]) -> Choice:
    destination = press.destinations.get(name)
    if destination is None or press.profiles is None:  # it is parked with its reason, or nobody asks in this house
        return replace(choose(made, name, None, _wishes(press, name)), told=())
    return choose(made, name, press.profiles.for_job(destination), destination.wishes)


def _kept(archive: Archive, judged: Iterable[Judged]) -> tuple[Result, ...]:
    """Put every object into the archive, once. Raises OurFault when a UID stands for two contents."""
    results: dict[str, Result] = {}
    for j in judged:
        new = _result(archive, j)
        known = results.setdefault(new.sop_instance_uid, new)
        if known.sha256 != new.sha256:
            raise OurFault(f"two forms make different objects under one UID: {new.kind.value} {new.sop_instance_uid}")
        if new.fault and not known.fault:
            results[new.sop_instance_uid] = new
    return tuple(results.values())


def _result(archive: Archive, judged: Judged) -> Result:
    ds, stored = judged.encoded.dataset, archive.put(judged.data)
    return Result(
        sop_instance_uid=str(ds.SOPInstanceUID),
        sop_class_uid=str(ds.SOPClassUID),
        series_instance_uid=str(ds.SeriesInstanceUID),
        kind=judged.encoded.kind,
        path=stored.path,
        sha256=stored.sha256,
        transfer_syntax_uid=str(ds.file_meta.TransferSyntaxUID),
        fault=judged.fault,
    )


def _share(judged: Sequence[Judged], told: Sequence[str], validate: Validate) -> Share:
    doubts = {_uid(j): "; ".join(j.doubts) for j in judged if j.doubts}
    held = {_uid(j): j.fault for j in judged if j.fault}
    if validate is Validate.BLOCK:
        held = {**{u: f'validate = "block": {said}' for u, said in doubts.items()}, **held}
        held = _with_those_that_refer(judged, held)
    copied = {_uid(j): "; ".join(j.copied) for j in judged if j.copied}
    warned = () if validate is Validate.OFF else (doubts, copied)
    warnings = {u: "; ".join(w[u] for w in warned if u in w) for w in warned for u in w if u not in held}
    return Share(tuple(_uid(j) for j in judged), " ".join(told), held, warnings)


def _with_those_that_refer(judged: Sequence[Judged], held: Mapping[str, str]) -> dict[str, str]:
    """What refers to an object that does not come is not sent either: the reference would lead nowhere."""
    found = dict(held)
    refers = {_uid(j): _referred(j.encoded.dataset) for j in judged} if held else {}
    while True:
        more = {u: to & set(found) for u, to in refers.items() if u not in found and to & set(found)}
        if not more:
            return found
        found |= {u: f"it refers to {min(to)}, which is quarantined" for u, to in more.items()}


def _referred(dataset: Dataset) -> set[str]:
    return {str(e.value) for e in dataset.iterall() if e.keyword == "ReferencedSOPInstanceUID"}


def _uid(judged: Judged) -> str:
    return str(judged.encoded.dataset.SOPInstanceUID)
