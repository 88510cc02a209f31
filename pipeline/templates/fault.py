"""What is wrong with a document, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One departure from the standard.

    where: the content item, as position and names from the root: "1.3.1 Mammography CAD Report > ...".
    what:  a sentence; rule: the row or section that says so.
    """

    where: str
    what: str
    rule: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} ({self.rule})"
