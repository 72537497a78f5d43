"""By which private roots a host is judged: those of all, of its zone, and of its agency."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from secscan.check import TrustAnchors, Verdict, check, passed
from secscan.evaluation import judge_host
from secscan.facts import Gap, SystemFacts
from secscan.model import Agency, Evidence, Host, HostTarget, Observation, Severity
from tests.rules import baseline

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@check("made.anchors", severity=Severity.HIGH)
def counts_anchors(seen: Observation[SystemFacts], anchors: TrustAnchors) -> Iterator[Verdict]:
    """Hosts are judged by the anchors of their place.

    Why: A made rule.

    Fix: Nothing.
    """
    yield passed("{trusted}", trusted=b" ".join(anchors.private).decode())


ANCHORS = TrustAnchors(
    (),
    private=(b"everywhere",),
    of_zones=(("dmz", (b"in-dmz", b"everywhere")),),
    of_agencies=(("a", (b"of-a",)),),
)


@pytest.mark.parametrize(
    ("host_zone", "agency_zone", "agency", "trusted"),
    [
        ("", "", "b", "everywhere"),
        ("dmz", "", "b", "everywhere in-dmz"),
        ("", "dmz", "b", "everywhere in-dmz"),
        ("office", "dmz", "b", "everywhere"),
        ("", "", "a", "everywhere of-a"),
        ("dmz", "", "a", "everywhere in-dmz of-a"),
    ],
)
def test_private_anchors_hold_in_their_zone_and_for_their_agency(
    host_zone: str, agency_zone: str, agency: str, trusted: str
) -> None:
    facts = SystemFacts(family="linux", release=Gap(), architecture="", kernel="")
    record = Observation(HostTarget("h"), "test", "system", NOW, facts)
    [finding] = judge_host(
        Host("h", zone=host_zone),
        Evidence({(record.target, record.kind): record}),
        baseline=baseline((counts_anchors,)),
        agency=Agency(agency, {}, zone=agency_zone),
        references={TrustAnchors: ANCHORS},
        at=NOW,
    )
    assert str(finding.evidence) == trusted
