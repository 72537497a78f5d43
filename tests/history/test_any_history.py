"""Any sequence of runs, with any coverage: the same states live or replayed, nothing lost, nothing closed unseen."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from secscan.history import Lifecycle, State, retire, settle
from secscan.model import Finding, Outcome, Service, Severity, Subject, Text

START = datetime(2026, 11, 1, tzinfo=UTC)
HOSTS = ("h1", "h2", "h3")
CHECKS = ("port.telnet", "tls.null")
PLACES = [
    (host, subject, check)
    for host in HOSTS
    for subject in (Subject.of_host(host), Subject.of_service(Service(host, "tcp", 443)))
    for check in CHECKS
]

#: What a host is found to be, when it is looked at: the outcome of each object of each place.
Looks = Mapping[tuple[Subject, str, str], Outcome]
looks = st.dictionaries(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(["", "a", "b"])), st.sampled_from(list(Outcome))
)


class AnyHistory(RuleBasedStateMachine):
    """Runs look at some hosts, and are judged by the newest look at every host, as the engine does it."""

    def __init__(self) -> None:
        super().__init__()
        self.at = START
        self.newest: dict[str, tuple[Finding, ...]] = {}
        self.there = set(HOSTS)
        self.live: dict[str, Lifecycle] = {}
        self.judged: list[tuple[datetime, tuple[Finding, ...], frozenset[str]]] = []

    @rule(covered=st.sets(st.sampled_from(HOSTS)), found=looks)
    def run(self, covered: set[str], found: dict[tuple[tuple[str, Subject, str], str], Outcome]) -> None:
        self.at += timedelta(days=1)
        for host in covered & self.there:
            self.newest[host] = self._findings(host, found)
        self._judge(covered)

    @rule()
    def judge_again(self) -> None:
        """The same evidence once more, later: nothing but time has passed, so that nothing changes."""
        before = self.live
        self.at += timedelta(hours=1)
        self._judge(set())
        assert self.live == before

    @rule(host=st.sampled_from(HOSTS))
    def remove(self, host: str) -> None:
        if len(self.there) > 1:
            self.there.discard(host)
            self.newest.pop(host, None)
            self.at += timedelta(hours=1)
            self._judge(set())

    @rule()
    def bring_back(self) -> None:
        self.there = set(HOSTS)

    def _findings(
        self, host: str, found: Mapping[tuple[tuple[str, Subject, str], str], Outcome]
    ) -> tuple[Finding, ...]:
        """At least one finding for each rule, as evaluation promises for a host that it covers."""
        said = [
            Finding(subject, check, object, outcome, Severity.HIGH, Text("seen"), observed_at=self.at)
            for ((of, subject, check), object), outcome in found.items()
            if of == host
        ]
        silent = set(CHECKS) - {finding.check for finding in said}
        return (
            *said,
            *(
                Finding(Subject.of_host(host), check, "", Outcome.UNKNOWN, Severity.HIGH, Text("not seen"))
                for check in sorted(silent)
            ),
        )

    def _judge(self, covered: set[str]) -> None:
        findings = tuple(f for host in sorted(self.newest) for f in self.newest[host])
        there = frozenset(self.there)
        self.judged.append((self.at, findings, there))
        before = self.live
        self.live = step(before, findings, self.at, there)
        self._nothing_closed_unseen(before, findings)
        # Judging only what was covered comes to the same: the rest is as it was.
        partly = tuple(f for f in findings if f.subject.host in covered)
        assert step(before, partly, self.at, there) == self.live

    def _nothing_closed_unseen(self, before: Mapping[str, Lifecycle], findings: tuple[Finding, ...]) -> None:
        passed = {f.id for f in findings if f.outcome is Outcome.PASS}
        doubtful = {(f.subject, f.check) for f in findings if f.outcome in (Outcome.UNKNOWN, Outcome.ERROR)}
        doubtful |= {(f.subject, f.check) for f in findings if f.outcome is Outcome.FAIL and not f.object}
        judged = {(f.subject, f.check) for f in findings if f.outcome is not Outcome.NOT_APPLICABLE}
        for id, life in before.items():
            rule = (life.subject, life.check)
            if life.is_open and self.live[id].state is State.RESOLVED:
                assert id in passed or (rule in judged and rule not in doubtful)

    @invariant()
    def nothing_is_lost(self) -> None:
        failed = {f.id for _, findings, _ in self.judged for f in findings if f.outcome is Outcome.FAIL}
        assert self.live.keys() == failed

    @invariant()
    def what_fails_is_open(self) -> None:
        for findings in self.newest.values():
            for finding in findings:
                if self.judged and finding in self.judged[-1][1] and finding.outcome is Outcome.FAIL:
                    assert self.live[finding.id].state is State.OPEN

    @invariant()
    def a_replay_comes_to_the_same(self) -> None:
        replayed: dict[str, Lifecycle] = {}
        for at, findings, there in self.judged:
            replayed = step(replayed, tuple(reversed(findings)), at, there)
        assert replayed == self.live

    @invariant()
    def times_are_in_order(self) -> None:
        for life in self.live.values():
            assert life.first_seen <= life.opened_at <= (life.resolved_at or self.at)
            assert life.first_seen <= life.last_seen <= self.at
            assert life.is_open == (life.resolved_at is None)


def step(
    lives: Mapping[str, Lifecycle], findings: tuple[Finding, ...], at: datetime, there: frozenset[str]
) -> dict[str, Lifecycle]:
    return retire(settle(lives, findings, at), at, stands=lambda host, _check: host in there)


AnyHistory.TestCase.settings = settings(max_examples=80, stateful_step_count=12, deadline=None)
TestAnyHistory = AnyHistory.TestCase
