"""Audits by sslyze, as a collector has them made: within the gate, a deadline, and a number at a time."""

import contextlib
import functools
import importlib.metadata
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

import msgspec

from secscan.collection.deep.findings import Ended, Finding, Turn, VersionTried, audit_facts
from secscan.collection.deep.process import (
    CONNECTIONS_A_TURN,
    Audit,
    AuditRequest,
    AuditUnavailable,
    Nursery,
)
from secscan.facts import Gap, TlsAuditFacts
from secscan.model import Endpoint, Observation, Reason, Record, Unobserved
from secscan.scope import Gate, Refused

#: Connections of an audit that asks for ROBOT alone: a few to find the suite, and then some 20.
_CONNECTIONS_FOR_ROBOT = 24


@dataclass(frozen=True, slots=True)
class Question:
    """What to audit, and when it was swept: both are of one instant, and so can be compared.

    ``address`` and ``server_name`` are canonical. ``robot_alone``: the server is known to accept RSA key exchange,
    and nothing else is asked.
    """

    endpoint: Endpoint
    address: str
    server_name: str
    starttls: str
    at: datetime
    robot_alone: bool = False


class Auditor:
    """Makes audits, each in a process of its own. Threads may share it; ``close`` ends all of them.

    ``deadline``: seconds for one; ``patience``: seconds without an answer during a handshake, and no more than a
    quarter of the deadline; ``connections``: to one server at a time.
    """

    name: ClassVar[str] = "sslyze"

    def __init__(
        self, nursery: Nursery, gate: Gate, *, deadline: float, patience: float = 5.0, connections: int = 5
    ) -> None:
        self._nursery = nursery
        self._gate = gate
        self._deadline = deadline
        self._patience = min(patience, deadline / 4)
        self._connections = connections
        self._guard = threading.Lock()
        self._running: set[Audit] = set()
        self._stopped = False

    def audit(self, question: Question) -> Record:
        """What sslyze says, or why it says nothing. Raises ProbeLogError."""
        audited = _Audited()
        deadline = _Deadline(self._deadline)
        turn = _CONNECTIONS_FOR_ROBOT if question.robot_alone else CONNECTIONS_A_TURN
        request = AuditRequest(
            address=question.address,
            port=question.endpoint.service.port,
            server_name=question.server_name,
            starttls=question.starttls,
            patience=self._patience,
            concurrency=self._connections,
            connections=turn,
            lifetime=10 * self._deadline + 600,
            robot_alone=question.robot_alone,
        )
        try:
            self._admit(question.endpoint, turn)
            with self._started(request) as audit, deadline.running():
                for message in audit.messages(deadline):
                    match message:
                        case Turn(connections=more):
                            with deadline.paused():
                                self._admit(question.endpoint, more)
                            audit.grant()
                        case Ended(volatile=volatile, gap=gap):
                            audited.volatile.update(volatile)
                            audited.rest = gap or audited.rest
                        case finding:
                            audited.findings.append(finding)
        except Refused as refused:
            audited.rest = Gap(refused.refusal.reason, refused.refusal.detail)
        except AuditUnavailable as unavailable:
            audited.rest = Gap(Reason.TOOL_MISSING, str(unavailable))
        except TimeoutError:
            audited.rest = Gap(Reason.TIMED_OUT, audited.so_far(self._deadline))
        return audited.record(question)

    def stop(self) -> None:
        """Ends every audit that is under way, and lets no other begin."""
        with self._guard:
            self._stopped = True
            running = tuple(self._running)
        for audit in running:
            audit.kill()

    def _admit(self, endpoint: Endpoint, connections: int) -> None:
        self._gate.admit(
            endpoint.address,
            what="tls audit",
            ports=str(endpoint.service.port),
            name=endpoint.service.server_name,
            connections=connections,
        )

    @contextlib.contextmanager
    def _started(self, request: AuditRequest) -> Iterator[Audit]:
        """An audit that ``stop`` ends. Raises AuditUnavailable."""
        # Under the guard: after ``stop`` nothing may start, or it would start the nursery again.
        with self._guard:
            if self._stopped:
                raise AuditUnavailable("nobody waits for the answer any more")
            audit = self._nursery.start(request)
            self._running.add(audit)
        try:
            with audit:
                yield audit
        finally:
            with self._guard:
                self._running.discard(audit)


class _Deadline:
    """An instant that moves on while the clock is paused."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._at = 0.0

    def __call__(self) -> float:
        return self._at

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._at = time.monotonic() + self._left
        yield

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._at += time.monotonic() - began


@functools.cache
def _sslyze_version() -> str:
    return importlib.metadata.version("sslyze")


@dataclass(slots=True)
class _Audited:
    """What an audit said. ``rest`` is why it said no more."""

    findings: list[Finding] = field(default_factory=list)
    rest: Gap = field(default_factory=Gap)
    volatile: dict[str, str] = field(default_factory=lambda: {"sslyze": _sslyze_version()})

    def record(self, question: Question) -> Record:
        rest = self.rest
        if question.robot_alone and not rest.detail:
            rest = Gap(Reason.NOT_COLLECTED, "the audit was for ROBOT alone")
        try:
            facts = audit_facts(self.findings, rest=rest)
        except msgspec.ValidationError as error:
            facts = Gap(Reason.UNPARSED, f"the audit said what makes no sense: {error}"[:200])
        about = (question.endpoint, Auditor.name, TlsAuditFacts.kind, question.at)
        if isinstance(facts, Gap):
            return Unobserved(*about, facts.reason, facts.detail)
        return Observation(*about, facts, self.volatile)

    def so_far(self, deadline: float) -> str:
        asked = [f.version for f in self.findings if isinstance(f, VersionTried)]
        done = f"it had been asked about {', '.join(asked)}" if asked else "no version had been settled"
        return f"the audit was ended at its deadline of {deadline:g} s; {done}"
