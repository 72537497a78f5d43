"""What the tests of certificate checks share: a case, the servers that it can be about, and how it is judged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from secscan.check import Check, Limits, TrustAnchors, Verdict
from secscan.checks import (
    certificate,
    certificate_form,
    certificate_keys,
    certificate_path,
    certificate_revocation,
)
from secscan.facts import ChainFacts
from secscan.model import Agency, Host, Outcome, Reason, Service, Severity
from secscan.reference import FleetKeys, RevocationLists
from tests.factories import (
    AT,
    Issued,
    a_host,
    a_service,
    anchors,
    chain_facts,
    issue,
    issue_authority,
    seen,
)

PASS, FAIL, UNKNOWN, NOT_APPLICABLE = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)

MODULES = (certificate, certificate_form, certificate_path, certificate_keys, certificate_revocation)
#: The checks of all families of files, by the names of their functions.
checks = SimpleNamespace(
    **{name: each for module in MODULES for name, each in vars(module).items() if isinstance(each, Check)}
)
ALL = list(vars(checks).values())


@lru_cache
def root() -> Issued:
    return issue_authority("Root", key="rsa-2048")


@lru_cache
def sub() -> Issued:
    return issue_authority("Issuing", by=root(), key="rsa-2048")


def private_root() -> Issued:
    return issue_authority("Private root")


def trusted() -> TrustAnchors:
    return anchors(public=[root()], private=[private_root()])


def server(**changes: Any) -> ChainFacts:
    """A server certificate below the public root, sent with its issuer."""
    return chain_facts(issue(by=sub(), **changes), sub())


def private_server(**changes: Any) -> ChainFacts:
    return chain_facts(issue(by=private_root(), **changes))


@dataclass(frozen=True)
class Case:
    """What a check says of ``facts`` at ``object``. The facts are made when the case is run."""

    check: Check
    label: str
    facts: Callable[[], ChainFacts]
    outcome: Outcome
    says: str = ""
    object: str = "ECDSA/0"
    severity: Severity | None = None
    reason: Reason | None = None
    at: datetime = AT
    limits: dict[str, Any] = field(default_factory=dict)
    anchors: Callable[[], TrustAnchors] = trusted
    fleet: Callable[[], FleetKeys] = FleetKeys
    lists: Callable[[], Iterable[bytes]] = tuple
    service: Service = a_service()  # noqa: RUF009 - frozen
    host: Host = a_host()  # noqa: RUF009 - frozen


def verdicts(case: Case) -> list[Verdict]:
    given: dict[str, Any] = {name: seen(case.facts(), service=case.service) for name in case.check.observes}
    for name, wanted in case.check.asks.items():
        if issubclass(wanted, Limits):
            given[name] = wanted(**case.limits)
        else:
            given[name] = {
                datetime: case.at,
                Service: case.service,
                Host: case.host,
                Agency: Agency("ministry", {}),
                TrustAnchors: case.anchors() if wanted is TrustAnchors else None,
                RevocationLists: RevocationLists(tuple(case.lists())),
                FleetKeys: case.fleet(),
            }[wanted]
    return list(case.check(**given))


def judge(case: Case) -> None:
    """Asserts that the check says what the case expects."""
    said = {verdict.object: verdict for verdict in verdicts(case)}
    verdict = said[case.object]
    assert verdict.outcome is case.outcome, str(verdict.evidence)
    assert case.says in str(verdict.evidence)
    assert verdict.severity is case.severity
    if case.reason is not None:
        assert verdict.reason is case.reason


def lacking(cases: Sequence[Case], *tested: Check) -> list[str]:
    """Which of pass, fail and unknown no case of a check expects."""
    expected = {(case.check.id, case.outcome) for case in cases}
    return [
        f"{check.id}: {outcome}"
        for check in tested
        for outcome in (PASS, FAIL, UNKNOWN)
        if (check.id, outcome) not in expected
    ]


GARBAGE = b"\x30\x03\x02\x01\x05"


def broken_extension() -> ChainFacts:
    broken = (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.32"), b"\x04\x7f"), False)
    return server(extra=[broken])
