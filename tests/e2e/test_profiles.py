"""Archives that do not take everything: what they get instead, and where the admin sees why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from node.sent import LABELMAP, SEG, SR_3D
from pipeline.core.job import State
from tests.support import node as n
from tests.support.blobs import write_blobs
from tests.support.bright import NAME
from tests.support.peers import StoreScp
from tests.support.profiled import options
from tests.support.shop import Shop, lantern

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
        told = json.loads(lantern(node.config, "jobs", "show", str(job.id), "--json")[1])
        explained = lantern(node.config, "routes", "explain", job.work.study_instance_uid)[1]
        examined = {r["what"]: r for r in json.loads(lantern(node.config, "doctor", "--json")[1])}
        listed = json.loads(lantern(node.config, "destinations", "list", "--json")[1])
        probed = lantern(node.config, "destinations", "probe", "pacs2")
    assert set(got(scp)) == {"RTSTRUCT", "SR", "OT", "KO"}
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
    assert probed[0] == 0
    assert "Traceback" not in node.log()


def test_an_archive_that_refuses_reports_in_space_gets_one_on_images(tmp_path: Path, make_storescp: Make) -> None:
    flat, whole = make_storescp(*options(tmp_path, SR_3D)), make_storescp(*options(tmp_path))
    shop = Shop(tmp_path, {"flat": flat, "whole": whole})
    shop.receive()
    shop.work()
    shop.deliver()
    assert shop.node.states() == [State.DELIVERED]
    assert got(flat)["SR"] == "Comprehensive SR Storage"
    assert got(whole)["SR"] == "Comprehensive 3D SR Storage"
    assert list(shop.node.ledger.notes(shop.node.jobs()[0].id)) == ["flat"]
    same = [{str(shop.received(n)[m].SOPInstanceUID) for m in ("SEG", "RTSTRUCT")} for n in ("flat", "whole")]
    assert same[0] == same[1]  # what both take is one object


def test_an_archive_that_is_down_gets_the_usual_set_later(tmp_path: Path, make_storescp: Make) -> None:
    scp = make_storescp(*options(tmp_path))
    scp.stop()
    shop = Shop(tmp_path, {"pacs": scp})
    shop.receive()
    shop.work()
    shop.deliver()
    (job,) = shop.node.jobs()
    assert job.state is State.DELIVERING
    assert "has not said yet what it takes" in shop.node.ledger.notes(job.id)["pacs"]
    assert shop.lantern("destinations", "probe")[0] == 1
    scp.start()
    shop.node.clock.advance(3600)
    shop.deliver()
    assert shop.node.states() == [State.DELIVERED]
    assert set(got(scp)) == {"SEG", "RTSTRUCT", "SR", "KO"}
    assert shop.lantern("destinations", "probe")[0] == 0
