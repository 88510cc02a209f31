"""Archives that take some kinds of objects and refuse others, as real ones do: DCMTK's storescp with a profile."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from node.sent import ALL, Sent

_HEAD = """\
[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = LittleEndianImplicit
TransferSyntax3 = RLELossless
[Explicit]
TransferSyntax1 = LittleEndianExplicit
[[PresentationContexts]]
[Some]
PresentationContext1 = VerificationSOPClass\\Plain
"""


def options(
    folder: Path, *refused: Sent, only: Collection[Sent] = ALL, syntaxes: str = "Plain"
) -> tuple[str | Path, ...]:
    """The options of a storescp that takes `only` these, but none of `refused`; in `syntaxes` "Plain" or "Explicit"."""
    taken = [s for s in only if s not in refused]
    contexts = (f"PresentationContext{k} = {s.sop_class_uid}\\{syntaxes}\n" for k, s in enumerate(taken, start=2))
    file = folder / f"profile-{abs(hash((refused, tuple(only), syntaxes)))}.cfg"
    file.write_text(_HEAD + "".join(contexts) + "[[Profiles]]\n[Lantern]\nPresentationContexts = Some\n")
    return ["-xf", file, "Lantern"]
