"""One renewal is one certificate, wherever it is served."""

from datetime import timedelta
from typing import Any

from secscan.engine.renewals import Renewal, renewals
from secscan.model import Agency, Evidence, Host, Inventory, Membership, Service
from tests.engine.fleet import evidence
from tests.factories import AT, Issued, issue, issue_authority

OWNERS = {"web-1": "a", "web-2": "a", "web-3": "b"}
DAY = timedelta(days=1)


def listed(
    seen: dict[str, Evidence], *, agencies: tuple[str, ...] = (), **owners: Any
) -> tuple[Renewal, ...]:
    inventory = Inventory(
        {"a": Agency("a", {}), "b": Agency("b", {})},
        {id: Host(id) for id in OWNERS},
        tuple(Membership(host, agency) for host, agency in OWNERS.items()),
    )
    return renewals(inventory, seen.items(), AT, agencies=agencies)


def ending(days: float, subject: str = "www") -> Issued:
    return issue(subject, by=issue_authority("CA"), start=AT - 300 * DAY, end=AT + days * DAY)


def test_the_first_to_end_is_the_first() -> None:
    late, soon, over = ending(90, "late"), ending(5, "soon"), ending(-1, "over")
    seen = {
        "web-1": evidence("web-1", late),
        "web-2": evidence("web-2", over),
        "web-3": evidence("web-3", soon),
    }
    assert [one.certificate.subject for one in listed(seen)] == ["CN=over", "CN=soon", "CN=late"]


def test_time_left_is_counted_to_the_second() -> None:
    [one] = listed({"web-1": evidence("web-1", ending(5))})
    assert (one.left(AT), one.left(AT + 6 * DAY)) == (5 * DAY, -DAY)


def test_a_certificate_of_many_services_is_one_renewal() -> None:
    shared = ending(5)
    [one] = listed({id: evidence(id, shared) for id in OWNERS})
    assert [(use.agency, use.service.host) for use in one.uses] == [
        ("a", "web-1"),
        ("a", "web-2"),
        ("b", "web-3"),
    ]


def test_others_than_those_asked_for_are_counted() -> None:
    shared = ending(5)
    [one] = listed({id: evidence(id, shared) for id in OWNERS}, agencies=("b",))
    assert ([use.service for use in one.uses], one.elsewhere) == ([Service("web-3", "tcp", 443)], 2)


def test_what_those_asked_for_do_not_use_is_left_out() -> None:
    assert listed({"web-1": evidence("web-1", ending(5))}, agencies=("b",)) == ()


def test_issuers_and_garbage_are_no_renewals() -> None:
    authority = issue_authority("CA")
    seen = {"web-1": evidence("web-1", ending(5), authority), "web-2": evidence("web-2", b"\x30\x00")}
    assert [one.certificate.subject for one in listed(seen)] == ["CN=www"]
