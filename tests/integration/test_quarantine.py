"""What is wrong stays here, whoever was to get it: real encoder, gate and ledger, real archives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from node import produce
from node.sent import LABELMAP, RTSTRUCT, SEG, SR_3D
from pipeline.contract import Found
from pipeline.core.job import State
from pipeline.core.result import DeliveryState
from pipeline.core.wishes import ObjectsWish, SegmentsWish, Validate, Wishes
from pipeline.encode import Encoded, Stamp, encode
from tests.support.peers import StoreScp
from tests.support.profiled import options
from tests.support.shop import Shop

pytestmark = pytest.mark.real("dcmtk")
Make = Callable[..., StoreScp]


def plant(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Dataset], None], modality: str) -> None:
    """Let the encoder spoil every object of one modality."""

    def spoiled(found: Found, stamp: Stamp) -> tuple[Encoded, ...]:
        made = encode(found, stamp)
        for each in made:
            if each.dataset.Modality == modality:
                spoil(each.dataset)
        return made

    monkeypatch.setattr(produce, "encode", spoiled)


def shift(ds: Dataset) -> None:
    """Every contour 5 mm to the left."""
    for roi in ds.ROIContourSequence:
        for contour in roi.ContourSequence:
            points = [float(v) for v in contour.ContourData]
            contour.ContourData = [v + 5 if k % 3 == 0 else v for k, v in enumerate(points)]


def lose_type_1(ds: Dataset) -> None:
    ds.ContentLabel = ""


def test_an_object_that_is_wrong_is_sent_nowhere_and_the_job_says_so(
    tmp_path: Path, make_storescp: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, {"pacs": make_storescp(*options(tmp_path))})
    shop.receive()
    with monkeypatch.context() as patched:
        plant(patched, shift, "RTSTRUCT")
        shop.work()
    shop.deliver()
    assert shop.received("pacs").keys() == {"SEG"}  # what refers to the structures stays here with them
    (job,) = shop.node.jobs()
    assert job.state is State.FAILED
    assert "quarantined; RTSTRUCT to pacs" in job.reason
    shown = json.loads(shop.lantern("jobs", "show", str(job.id), "--json")[1])
    held = {d["kind"]: d["error"] for d in shown["deliveries"] if d["state"] == "quarantined"}
    assert "mm" in held["RTSTRUCT"]
    assert {q["kind"] for q in shown["quarantined"]} == set(held) == {"RTSTRUCT", "SR", "KO"}
    assert "Quarantined" in shop.lantern("jobs", "show", str(job.id))[1]
    assert '"quarantined": 3' in shop.lantern("destinations", "list", "--json")[1]
    assert "mm" in shop.lantern("results", str(job.id), "--json")[1]

    shop.node.ledger.retry(job.id, "admin")  # computed again, by an encoder that is mended
    shop.work()
    shop.deliver()
    assert shop.node.states() == [State.DELIVERED]
    assert shop.received("pacs").keys() == {"SEG", "RTSTRUCT", "SR", "KO"}
    contour = shop.received("pacs")["RTSTRUCT"].ROIContourSequence[0].ContourSequence[0]
    again = shop.node.ledger.results(job_id=job.id)
    assert contour.ContourData
    assert {r.fault for _, r in again} == {""}


def test_off_warn_and_block_hold_for_each_destination_of_one_job(
    tmp_path: Path, make_storescp: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, lose_type_1, "SEG")
    wishes = {v.value: Wishes(validate=v) for v in Validate}
    shop = Shop(tmp_path, {name: make_storescp(*options(tmp_path)) for name in wishes}, wishes)
    shop.receive()
    shop.work()
    shop.deliver()
    assert shop.received("off").keys() == shop.received("warn").keys() == {"SEG", "RTSTRUCT", "SR", "KO"}
    assert shop.received("block").keys() == {"RTSTRUCT"}
    (job,) = shop.node.jobs()
    assert job.state is State.FAILED
    deliveries = {(d.destination, d.result.kind.value): d for d in shop.node.ledger.deliveries(job_id=job.id)}
    assert "ContentLabel" in deliveries["warn", "SEG"].warning
    assert deliveries["off", "SEG"].warning == ""
    assert deliveries["block", "SEG"].state is DeliveryState.QUARANTINED
    assert "ContentLabel" in deliveries["block", "SEG"].error
    assert "it refers to" in deliveries["block", "SR"].error
    assert "SEG to block" in job.reason
    assert {r.fault for _, r in shop.node.ledger.results(job_id=job.id)} == {""}


def test_what_is_malformed_in_the_images_themselves_is_a_warning_and_blocks_nothing(
    tmp_path: Path, make_storescp: Make
) -> None:
    shop = Shop(tmp_path, {"pacs": make_storescp(*options(tmp_path))}, {"pacs": Wishes(validate=Validate.BLOCK)})
    for file in shop.files:
        ds = dcmread(file)
        ds.PatientBirthDate = "31.01.1957"
        ds.save_as(file)
    shop.receive()
    shop.work()
    shop.deliver()
    assert shop.node.states() == [State.DELIVERED]
    assert shop.received("pacs").keys() == {"SEG", "RTSTRUCT", "SR", "KO"}
    deliveries = shop.node.ledger.deliveries()
    assert all("PatientBirthDate" in d.warning for d in deliveries)
    assert {d.error for d in deliveries} == {""}
    assert not [d for d in deliveries if "1957" in d.warning]
    assert shop.received("pacs")["SEG"].PatientBirthDate == "31.01.1957"


def test_what_an_archive_refuses_today_is_written_again_as_it_takes_it(tmp_path: Path, make_storescp: Make) -> None:
    shop = Shop(tmp_path, {"pacs": make_storescp(*options(tmp_path))})
    shop.receive()
    shop.work()
    # Between the job and its delivery somebody has configured the archive anew, at the same address.
    shop.peers["pacs"].stop()
    small = make_storescp(*options(tmp_path, SEG, LABELMAP))
    known = shop.profiles.of(shop.destinations["pacs"])
    shop.peers["pacs"] = small
    assert known is not None
    assert shop.profiles.of(shop.destinations["pacs"]) is None  # another port: another archive
    shop.deliver()
    (job,) = shop.node.jobs()
    assert job.state is State.FAILED
    assert f"lantern jobs retry {job.id} --compute" in job.reason
    assert shop.lantern("jobs", "retry", str(job.id), "--compute")[0] == 0
    shop.work()
    shop.deliver()
    assert shop.node.states() == [State.DELIVERED]
    assert {"RTSTRUCT", "OT"} <= shop.received("pacs").keys()
    assert "SEG" not in shop.received("pacs")


def test_results_that_replace_others_name_only_what_the_same_archive_was_given(
    tmp_path: Path, make_storescp: Make
) -> None:
    shop = Shop(
        tmp_path, {"flat": make_storescp(*options(tmp_path, SR_3D)), "whole": make_storescp(*options(tmp_path))}
    )
    for files in (shop.files[:7], shop.files[7:]):
        shop.receive(files)
        shop.work()
        shop.deliver()
    first, second = shop.node.jobs()
    for name in ("flat", "whole"):
        ((_, old),) = [r for r in shop.node.ledger.results(job_id=first.id, destination=name) if r[1].kind == "SR"]
        reports = [ds for ds in map(dcmread, shop.peers[name].files()) if ds.Modality == "SR"]
        (new,) = [ds for ds in reports if "rev 2" in ds.SeriesDescription]
        (named,) = new.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
        assert named.ReferencedSOPInstanceUID == old.sop_instance_uid
    assert second.state is State.DELIVERED


def test_wishes_of_two_destinations_make_two_sets_of_one_run(tmp_path: Path, make_storescp: Make) -> None:
    wishes = {"planning": Wishes(SegmentsWish.NONE, objects=ObjectsWish.LESION), "pacs": Wishes()}
    shop = Shop(tmp_path, {name: make_storescp(*options(tmp_path)) for name in wishes}, wishes)
    shop.receive()
    shop.work()
    shop.deliver()
    assert shop.node.states() == [State.DELIVERED]
    (job,) = shop.node.jobs()
    kinds = {n: [r.kind for _, r in shop.node.ledger.results(job_id=job.id, destination=n)] for n in wishes}
    assert kinds["planning"].count(RTSTRUCT.kind) == 2  # as many as lesions
    assert SEG.kind not in kinds["planning"]
    assert kinds["pacs"].count(RTSTRUCT.kind) == 1
    assert 'segments = "none"' in shop.node.ledger.notes(job.id)["planning"]
    assert "pacs" not in shop.node.ledger.notes(job.id)
