"""Archives that do not take everything: what they get instead, and where the admin sees why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from node.sent import LABELMAP, SEG, SR_3D
from pipeline.core.job import State
from pipeline.core.result import DeliveryState
from tests.support import node as n
from tests.support.blobs import write_blobs
from tests.support.bright import NAME
from tests.support.peers import StoreScp, eventually
from tests.support.profiled import options

pytestmark = pytest.mark.real("dcmtk")
Make = Callable[..., StoreScp]


def to(name: str, scp: StoreScp, more: str = "") -> str:
    return n.destination(name, scp.ae_title, scp.port) + more + "\n"


def got(scp: StoreScp) -> dict[str, str]:
    """Modality -> SOP Class, of what has arrived."""
    return {ds.Modality: ds.SOPClassUID.name for ds in map(dcmread, scp.files())}


def test_an_archive_that_refuses_seg_gets_structures_a_page_and_the_report_and_the_admin_sees_why(
    tmp_path: Path, make_storescp: Make
) -> None:
    scp = make_storescp(*options(tmp_path, SEG, LABELMAP))
    write_blobs(tmp_path / "series")
    with n.RunningNode(tmp_path / "node", to("pacs2", scp), n.route(["pacs2"], NAME)).serve() as node:
        n.dcmsend(node.port, tmp_path / "series")
        (job,) = node.ended()
        assert job.state is State.DELIVERED, node.log()
        shown = json.loads(node.run("destinations", "show", "pacs2", "--json").stdout)
        told = json.loads(node.run("jobs", "show", str(job.id), "--json").stdout)
        explained = node.run("routes", "explain", job.work.study_instance_uid).stdout
        examined = {r["what"]: r for r in json.loads(node.run("doctor", "--json").stdout)}
        listed = json.loads(node.run("destinations", "list", "--json").stdout)
        probed = node.run("destinations", "probe", "pacs2")
    assert set(got(scp)) == {"RTSTRUCT", "SR", "OT"}
    assert got(scp)["OT"] == "Secondary Capture Image Storage"
    why = "pacs2 takes no Segmentation (1.2.840.10008.5.1.4.1.1.66.4) and no Label Map Segmentation"
    assert why in told["notes"]["pacs2"]
    assert shown["negotiated"] is True
    assert shown["lost"][0].startswith(why)
    assert {k["kind"]: k["taken"] for k in shown["kinds"]} | {"SEG": "no"} == {
        k["kind"]: "no" if k["kind"] == "SEG" else "yes" for k in shown["kinds"]
    }
    assert why in explained
    assert examined["what pacs2 takes"]["state"] == "warn"
    assert listed[0]["takes"] == "not everything: see `show`"
    assert probed.returncode == 0
    assert "Traceback" not in node.log()


def test_an_archive_that_refuses_reports_in_space_gets_one_on_images(tmp_path: Path, make_storescp: Make) -> None:
    scp, whole = make_storescp(*options(tmp_path, SR_3D)), make_storescp(*options(tmp_path))
    write_blobs(tmp_path / "series")
    tables = [to("flat", scp), to("whole", whole), n.route(["flat", "whole"], NAME)]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        n.dcmsend(node.port, tmp_path / "series")
        (job,) = node.ended()
        assert job.state is State.DELIVERED, node.log()
        notes = node.ledger.notes(job.id)
    assert got(scp)["SR"] == "Comprehensive SR Storage"
    assert got(whole)["SR"] == "Comprehensive 3D SR Storage"
    assert list(notes) == ["flat"]
    same = [{ds.SOPInstanceUID for ds in map(dcmread, s.files()) if ds.Modality != "SR"} for s in (scp, whole)]
    assert same[0] == same[1]  # what both take is one object
    assert len(same[0]) == 2


def test_an_archive_that_is_down_gets_the_usual_set_later(tmp_path: Path, make_storescp: Make) -> None:
    scp = make_storescp(*options(tmp_path))
    scp.stop()
    write_blobs(tmp_path / "series")
    with n.RunningNode(tmp_path / "node", to("pacs", scp), n.route(["pacs"], NAME)).serve() as node:
        n.dcmsend(node.port, tmp_path / "series")
        eventually(lambda: [d for d in node.ledger.deliveries() if d.attempts], within_s=60)
        assert node.run("destinations", "probe").returncode == 1
        scp.start()
        (job,) = node.ended()
        assert job.state is State.DELIVERED, node.log()
        assert "has not said yet what it takes" in node.ledger.notes(job.id)["pacs"]
    assert set(got(scp)) == {"SEG", "RTSTRUCT", "SR"}


def test_what_was_refused_is_written_again_as_the_archive_takes_it_when_the_admin_asks(
    tmp_path: Path, make_storescp: Make
) -> None:
    whole = make_storescp(*options(tmp_path))
    write_blobs(tmp_path / "series")
    with n.RunningNode(tmp_path / "node", to("pacs", whole), n.route(["pacs"], NAME)) as node:
        assert node.run("clean").returncode == 0
        assert node.run("destinations", "probe").returncode == 0
        whole.stop()
        small = make_storescp(*options(tmp_path, SEG, LABELMAP))
        # The same address takes less than it did: somebody has configured it anew.
        node.config.write_text(node.config.read_text().replace(f"port = {whole.port}", f"port = {small.port}"))
        _pretend_known(node, f"STORESCP@127.0.0.1:{small.port}")
        node.serve()
        n.dcmsend(node.port, tmp_path / "series")
        (job,) = node.ended()
        assert job.state is State.FAILED
        assert f"lantern jobs retry {job.id} --compute" in job.reason
        eventually(lambda: "not everything" in node.run("destinations", "list").stdout, within_s=30)
        assert node.run("jobs", "retry", str(job.id), "--compute").returncode == 0
        eventually(lambda: node.ledger.job(job.id).state is State.DELIVERED, within_s=60)
        assert {d.state for d in node.ledger.deliveries(job_id=job.id)} == {DeliveryState.SENT}
    assert set(got(small)) == {"RTSTRUCT", "SR", "OT"}


def _pretend_known(node: n.RunningNode, endpoint: str) -> None:
    from dataclasses import replace

    import sqlalchemy as sa

    from storage import tables as t

    with node.ledger._db.read() as db:
        old = db.execute(sa.select(t.profile.c.endpoint)).scalar_one()
    known = node.ledger.profile("pacs", old)
    assert known is not None
    node.ledger.keep_profile("pacs", replace(known, endpoint=endpoint))
