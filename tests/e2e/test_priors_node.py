"""A node as hospitals run it: the earlier study comes from Orthanc by C-GET or C-MOVE, lesions of two dates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from pipeline.core.job import State
from pipeline.core.result import Kind
from pipeline.core.route import PRIORS
from tests.support import node as n
from tests.support.blobs import write_blobs
from tests.support.mr import edit
from tests.support.peers import OrthancPeer
from tests.support.pipelines import dotted


def written(folder: Path, date: str) -> Path:
    edit(write_blobs(folder / date, int(date), study=date, date=date), PatientID="P1")
    return folder / date


def peer(pacs: OrthancPeer, retrieve: str) -> str:
    where = f'host = "127.0.0.1"\nport = {pacs.dicom_port}\nretrieve = "{retrieve}"\n'
    return f'[[peer]]\nname = "pacs"\nae_title = "{pacs.ae_title}"\n{where}'


@pytest.mark.real("orthanc")
@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_the_second_date_is_told_of_the_first_and_of_our_results_on_it(
    make_orthanc: Callable[..., OrthancPeer], tmp_path: Path, retrieve: str
) -> None:
    pacs = make_orthanc()
    follows = n.route(["pacs"], dotted("FOLLOWS_UP"), 1.0, 'priors_from = "pacs"')
    sends = n.destination("pacs", pacs.ae_title, pacs.dicom_port)
    with n.RunningNode(tmp_path / "node", peer(pacs, retrieve), sends, follows).serve() as node:
        pacs.know("lantern", n.AE, "127.0.0.1", node.port)
        pacs.upload(*sorted(written(tmp_path, "20250101").iterdir()))
        n.dcmsend(node.port, tmp_path / "20250101")
        (first,) = node.ended()
        n.dcmsend(node.port, written(tmp_path, "20250601"))
        second = node.ended(2)[1]
        assert (first.state, second.state) == (State.DELIVERED, State.DELIVERED)
        ((_, sr),) = node.ledger.results(job_id=second.id, kind=Kind.SR)
        said = str(dcmread(node.folder / "data/archive" / sr.path))
        for words in ("prior_0_MR: 8", "prior_0_SEG: 1", "prior_0_SR: 1"):
            assert words in said
        assert list((node.folder / "data/archive/priors").iterdir()) == []
        moved = [r.called_ae for r in node.ledger.receptions() if r.called_ae == PRIORS]
        assert moved == ([PRIORS] if retrieve == "move" else [])
        assert len(node.ledger.jobs()) == 2
        assert "P1" not in node.log()
        told = json.loads(node.run("doctor", "--json").stdout)
        assert f"offers C-FIND and C-{retrieve.upper()} for earlier studies" in json.dumps(told)


def test_check_says_what_a_route_with_earlier_studies_still_needs(tmp_path: Path) -> None:
    lacking = '[[peer]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 104\n'
    with n.RunningNode(tmp_path / "node", lacking, n.route([], "srs", 1.0, 'priors_from = "pacs"')) as node:
        told = node.run("check")
    assert told.returncode != 0
    assert "nothing can be fetched from peer 'pacs'" in told.stdout + told.stderr
