"""`lantern destinations` of a node that has never run, and in what words a configuration's own wish is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import node as n
from tests.support.peers import StoreScp, free_port
from tests.support.profiled import options
from tests.support.shop import lantern


def _config(folder: Path, port: int, more: str = "", ae_title: str = "PACS") -> Path:
    file = folder / "lantern.toml"
    file.write_text(n.destination("pacs", ae_title, port) + more)
    return file


def _takes(config: Path) -> str:
    (row,) = json.loads(lantern(config, "destinations", "list", "--json")[1])
    return str(row["takes"])


def test_before_the_first_start_a_destination_is_listed_as_never_asked(tmp_path: Path) -> None:
    config = _config(tmp_path, free_port())
    assert _takes(config) == "never asked"
    code, said = lantern(config, "destinations", "show", "pacs")
    assert code == 0, said
    assert "it has not been asked yet" in said
    assert "Does not get" not in said
    assert "It gets everything that is made here, as its configuration wants it." in said
    code, said = lantern(config, "destinations", "probe")
    assert code == 1
    assert "no connection" in said
    assert _takes(config) == "not known yet: it gave no answer"


@pytest.mark.real("dcmtk")
def test_what_is_answered_before_the_first_start_is_kept_and_a_wish_is_no_refusal(
    tmp_path: Path, make_storescp: Callable[..., StoreScp]
) -> None:
    scp = make_storescp(*options(tmp_path))
    config = _config(tmp_path, scp.port, ae_title=scp.ae_title)
    code, said = lantern(config, "destinations", "probe", "pacs")
    assert code == 0, said
    assert _takes(config) == "everything"
    _config(tmp_path, scp.port, 'segments = "none"\n', scp.ae_title)
    assert _takes(config) == "everything; its configuration wants less: see `show`"
    assert 'its configuration says segments = "none"' in lantern(config, "destinations", "show", "pacs")[1]


def test_a_database_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    config = _config(tmp_path, free_port(), '[storage]\ndatabase_url = "sqlite:////proc/nowhere/lantern.db"\n')
    done = n.lantern("destinations", "probe", "--config", str(config))
    assert done.returncode == 1
    assert "database_url" in done.stderr
    assert "Traceback" not in done.stderr
