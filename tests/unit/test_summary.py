"""What `summary.json` says of a plan."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from node.analyze import Analysis, summary
from pipeline import registry
from pipeline.core.study import Study
from pipeline.encode import encode
from pipeline.findings import Findings
from pipeline.sessions.case import Wishes
from pipeline.sessions.told import as_data
from tests.support.findings import STAMP, Grid, findings_on, planned, sited, spheres, write_classic

GRID = Grid((24, 44, 40))
LABELS = spheres(GRID, ((6, 14, 12), 9.0), ((17, 30, 28), 8.0), ((12, 12, 30), 5.0))


def told(findings: Findings) -> dict[str, Any]:
    files = tuple((e, Path(f"{e.name}.dcm")) for e in encode(findings, STAMP))
    done = Analysis("completed", "", Study("1.2.3", ()), None, findings, files)
    return dict(json.loads(json.dumps(summary(done, "srs", registry.get("srs"), {}))))


def test_each_lesion_has_its_sessions_and_prescription_and_the_plan_stands_whole(tmp_path: Path) -> None:
    bare = sited(findings_on(write_classic(tmp_path, GRID), GRID, LABELS))
    names = [n.short_label for n in bare.lesions]
    found = planned(bare, Wishes(sessions=2, excluded=frozenset(names[2:])), gy={names[0]: (18.0, 2)})
    assert found.planned is not None
    said = told(replace(found, planned=replace(found.planned, remarks=("Found before the plan.",))))
    assert [f["sessions"] for f in said["findings"]] == [list(found.planned.session_of(n)) for n in names]
    assert said["findings"][0]["sessions"] == [1, 2]
    assert said["findings"][0]["prescription"] == {"dose_gy": 18.0, "fractions": 2, "source": "a table of the test"}
    assert (said["findings"][2]["sessions"], said["findings"][2]["prescription"]) == ([], None)
    wanted = json.loads(json.dumps(as_data(found.planned.plan, found.planned.case)))
    assert said["plan"] == wanted | {"remarks": ["Found before the plan.", *wanted["remarks"]]}
    assert said["plan"]["use"].startswith("ESTIMATE - NOT FOR TREATMENT")
    doses = [(o["part"], o["number"], o["file"]) for o in said["objects"] if o["number"]]
    assert doses == [
        ("PM", 1, "PM_1.dcm"),
        ("PM", 2, "PM_2.dcm"),
        ("RTDOSE", 1, "RTDOSE_1.dcm"),
        ("RTDOSE", 2, "RTDOSE_2.dcm"),
        ("SC", 1, "SC_1.dcm"),
        ("SC", 2, "SC_2.dcm"),
    ]


def test_without_a_plan_it_is_null(tmp_path: Path) -> None:
    said = told(findings_on(write_classic(tmp_path, GRID), GRID, LABELS))
    assert said["plan"] is None
    assert [(f["sessions"], f["prescription"]) for f in said["findings"]] == [(None, None)] * 3
    assert [f["origin"] for f in said["findings"]] == ["AUTOMATIC"] * 3
