"""What the node says that it sends is what its encoders write."""

from __future__ import annotations

from pathlib import Path

from node.conformance.made_up import cases
from node.sent import ALL, PLAIN
from pipeline.encode import Part


def test_every_object_in_every_form_has_its_class_and_syntax_on_the_list_and_nothing_else_is_on_it(
    tmp_path: Path,
) -> None:
    made = [encoded for case in cases(tmp_path) for encoded in case.made]
    written = {(e.kind, str(e.dataset.SOPClassUID), str(e.dataset.file_meta.TransferSyntaxUID)) for e in made}
    listed = {(s.kind, s.sop_class_uid, syntax) for s in ALL for syntax in s.syntaxes}
    assert {e.part for e in made} == set(Part)
    assert written <= listed
    # Beside what is written there is only what `node.scu` rewrites it to.
    assert {(kind, uid) for kind, uid, _ in written} == {(s.kind, s.sop_class_uid) for s in ALL}
    assert {entry for entry in listed if entry[2] not in PLAIN} <= written
