"""Looks at TLS and certificates: first contact with every port, then an sslyze audit of those that speak TLS."""

import contextlib
import functools
import importlib.metadata
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from secscan.collection.hello import TIMEOUT, SpeaksOther, Unheard, greet
from secscan.collection.sslyze_facts import Ended, Finding, Turn, VersionTried, chain_facts, tls_facts
from secscan.collection.sslyze_process import (
    CONNECTIONS_A_TURN,
    Audit,
    AuditRequest,
    AuditUnavailable,
    Nursery,
)
from secscan.facts import Absent, ChainFacts, Gap, TlsFacts
from secscan.model import Endpoint, Observation, Reason, Record, Unobserved
from secscan.scope import Gate, Refused, canonical_address, canonical_name, utc_now


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """``deadline``: seconds for one endpoint, not counting those it waits for its turn.

    ``processes``: audits at a time; while a server keeps one waiting, it costs some memory and nothing else.
    ``contacts``: endpoints in hand at a time, audits included. ``connections``: to one server at a time.
    ``patience``: seconds without an answer during a handshake, and no more than a quarter of the deadline.
    """

    deadline: float = 60.0
    processes: int = 8
    contacts: int = 24
    connections: int = 5
    patience: float = 5.0


class TlsCollector:
    """Yields what each endpoint offers in TLS, and which certificates it sends."""

    name = "sslyze"
    kinds = (TlsFacts.kind, ChainFacts.kind)

    def __init__(self, settings: TlsSettings | None = None) -> None:
        self._settings = settings or TlsSettings()
        self._nursery = Nursery()

    def collect(self, targets: Sequence[Endpoint], gate: Gate) -> Iterator[Record]:
        """Ends all processes when it is closed early. Raises ProbeLogError."""
        look = _Look(self._settings, self._nursery, gate, targets)
        complete = False
        try:
            yield from look.records()
            complete = True
        finally:
            look.stop()
            if not complete:
                self._nursery.close()

    def close(self) -> None:
        """Ends the process that audits are forked from; another ``collect`` would start another."""
        self._nursery.close()


class _Look:
    """One ``collect``: threads that take one server after the other, and what they see."""

    def __init__(
        self, settings: TlsSettings, nursery: Nursery, gate: Gate, targets: Sequence[Endpoint]
    ) -> None:
        self._settings = settings
        self._nursery = nursery
        self._gate = gate
        # The virtual hosts of one server are seen one after the other: it should not notice that they are many.
        servers: dict[tuple[str, int], list[Endpoint]] = {}
        for target in targets:
            servers.setdefault((target.address, target.service.port), []).append(target)
        self._servers: queue.SimpleQueue[list[Endpoint]] = queue.SimpleQueue()
        for endpoints in servers.values():
            self._servers.put(endpoints)
        self._threads = min(settings.contacts, len(servers))
        self._seen: queue.SimpleQueue[Record | BaseException | None] = queue.SimpleQueue()
        self._slots = threading.Semaphore(settings.processes)
        self._guard = threading.Lock()
        self._running: set[Audit] = set()
        self._stopped = False

    def records(self) -> Iterator[Record]:
        for number in range(self._threads):
            # Daemons: one may wait for its turn at the gate when nobody wants to know any more.
            threading.Thread(target=self._work, name=f"tls {number}", daemon=True).start()
        busy = self._threads
        while busy:
            seen = self._seen.get()
            if seen is None:
                busy -= 1
            elif isinstance(seen, BaseException):
                raise seen
            else:
                yield seen

    def stop(self) -> None:
        """Ends every audit that is under way; the threads end as soon as they notice."""
        with self._guard:
            self._stopped = True
            running = tuple(self._running)
        for audit in running:
            audit.kill()

    def _work(self) -> None:
        try:
            while not self._stopped:
                for endpoint in self._servers.get_nowait():
                    if self._stopped:
                        break
                    for record in self._examine(endpoint):
                        self._seen.put(record)
        except queue.Empty:
            self._seen.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again by records(), in the caller's thread
            self._seen.put(error)

    def _examine(self, endpoint: Endpoint) -> Iterator[Record]:
        at = utc_now()
        service = endpoint.service
        if service.transport != "tcp":
            detail = f"TLS over {service.transport} is not looked at"
            return _unobserved(endpoint, at, Gap(Reason.NOT_COLLECTED, detail))
        try:
            server_name = canonical_name(service.server_name) if service.server_name else ""
            address = canonical_address(endpoint.address)
        except ValueError as error:
            return _unobserved(endpoint, at, Gap(Reason.NOT_ATTEMPTED, str(error)))
        began = time.monotonic()
        try:
            greeting = greet(
                service,
                address,
                self._gate,
                server_name=server_name,
                timeout=min(TIMEOUT, self._settings.deadline / 2),
            )
        except Refused as refused:
            return _unobserved(endpoint, at, Gap(refused.refusal.reason, refused.refusal.detail))
        if isinstance(greeting, Unheard):
            return _unobserved(endpoint, at, Gap(greeting.reason, greeting.detail))
        if isinstance(greeting, SpeaksOther):
            absent = Absent(heard=greeting.heard[:200], protocol=greeting.protocol)
            return _observed(endpoint, at, absent, absent, {})
        spent = time.monotonic() - began
        audited = self._audit(endpoint, address, server_name, greeting.starttls, spent)
        tls = audited.tls(greeting.starttls)
        return _observed(endpoint, at, tls, audited.chain(tls), audited.volatile)

    def _audit(
        self, endpoint: Endpoint, address: str, server_name: str, starttls: str, spent: float
    ) -> "_Audited":
        """``spent``: the seconds of the deadline that have gone by."""
        settings = self._settings
        audited = _Audited()
        deadline = _Deadline(max(settings.deadline - spent, settings.deadline / 2))
        request = AuditRequest(
            address=address,
            port=endpoint.service.port,
            server_name=server_name,
            starttls=starttls,
            patience=min(settings.patience, settings.deadline / 4),
            concurrency=settings.connections,
            lifetime=10 * settings.deadline + 600,
        )
        with self._slots:
            try:
                self._admit(endpoint)
                with self._started(request) as audit, deadline.running():
                    for message in audit.messages(deadline):
                        match message:
                            case Turn():
                                with deadline.paused():
                                    self._admit(endpoint)
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
                audited.rest = Gap(Reason.TIMED_OUT, audited.so_far(settings.deadline))
        return audited

    def _admit(self, endpoint: Endpoint) -> None:
        self._gate.admit(
            endpoint.address,
            what="tls audit",
            ports=str(endpoint.service.port),
            name=endpoint.service.server_name,
            connections=CONNECTIONS_A_TURN,
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

    def tls(self, starttls: str) -> TlsFacts | Gap:
        try:
            return tls_facts(self.findings, rest=self.rest, starttls=starttls)
        except msgspec.ValidationError as error:
            return Gap(Reason.UNPARSED, f"the audit said what makes no sense: {error}"[:200])

    def chain(self, tls: TlsFacts | Gap) -> ChainFacts | Absent | Gap:
        return chain_facts(self.findings, rest=tls if isinstance(tls, Gap) else self.rest)

    def so_far(self, deadline: float) -> str:
        asked = [f.version for f in self.findings if isinstance(f, VersionTried)]
        done = f"it had been asked about {', '.join(asked)}" if asked else "no version had been settled"
        return f"the audit was ended at its deadline of {deadline:g} s; {done}"


def _observed(
    endpoint: Endpoint,
    at: datetime,
    tls: TlsFacts | Absent | Gap,
    chain: ChainFacts | Absent | Gap,
    volatile: dict[str, str],
) -> Iterator[Record]:
    for kind, seen in ((TlsFacts.kind, tls), (ChainFacts.kind, chain)):
        if isinstance(seen, Gap):
            yield Unobserved(endpoint, TlsCollector.name, kind, at, seen.reason, seen.detail)
        else:
            yield Observation(endpoint, TlsCollector.name, kind, at, seen, dict(volatile))


def _unobserved(endpoint: Endpoint, at: datetime, gap: Gap) -> Iterator[Record]:
    return _observed(endpoint, at, gap, gap, {})
