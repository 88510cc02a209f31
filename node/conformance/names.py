"""Names of UIDs: the standard's, and for those that pydicom does not know yet the ones that pynetdicom has."""

from __future__ import annotations

import re

from pydicom.uid import UID
from pynetdicom import sop_class

from node.conformance.model import Term

_KNOWN = {str(uid): name for name, uid in vars(sop_class).items() if isinstance(uid, UID)}


def term(uid: str) -> Term:
    """A UID with its name; the UID itself where nobody has a name for it."""
    name = UID(uid).name
    if name == uid and uid in _KNOWN:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", _KNOWN[uid])
    return Term(str(uid), str(name))
