"""Asking a PACS by C-FIND how many images a study has (PS3.4 C.4.1, Study Root)."""

from __future__ import annotations

import ssl

from node.ask import Asker, asking, number_of, text_of
from pipeline.core.route import Peer


def count_instances(
    peer: Peer,
    study_instance_uid: str,
    *,
    calling_ae: str,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
) -> int | None:
    """How many instances of a study `peer` holds; None when it knows no such study.

    Asked in the order of cost: NumberOfStudyRelatedInstances, the sum of NumberOfSeriesRelatedInstances (both are
    optional keys, PS3.4 C.6.2.1.2 and C.6.2.1.3), and, where the peer has neither, the images themselves.
    timeout_s bounds opening the association and all answers together, each. Raises PeerUnreachable whenever there is
    no answer to be trusted: no association, silence, a failure status.
    """
    without = "remove verify_with of the route"
    with asking(peer, calling_ae=calling_ae, timeout_s=timeout_s, tls=tls, hint=without) as asker:
        return count_by_asking(asker, study_instance_uid)


def count_by_asking(asker: Asker, study: str) -> int | None:
    """The same over an open association. Raises PeerUnreachable."""
    studies = asker.ask("STUDY", StudyInstanceUID=study, NumberOfStudyRelatedInstances="")
    if not studies:
        return None
    counts = [number_of(s, "NumberOfStudyRelatedInstances") for s in studies]
    known = [c for c in counts if c is not None]
    return max(known) if known else _count_by_series(asker, study)


def _count_by_series(asker: Asker, study: str) -> int:
    asked = {"StudyInstanceUID": study, "SeriesInstanceUID": "", "NumberOfSeriesRelatedInstances": ""}
    counts = {
        text_of(s, "SeriesInstanceUID"): number_of(s, "NumberOfSeriesRelatedInstances")
        for s in asker.ask("SERIES", **asked)
    }
    return sum(_count_images(asker, study, series) if count is None else count for series, count in counts.items())


def _count_images(asker: Asker, study: str, series: str) -> int:
    asked = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": ""}
    return len({text_of(i, "SOPInstanceUID") for i in asker.ask("IMAGE", **asked)})
