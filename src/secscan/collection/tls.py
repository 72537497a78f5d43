"""Looks at TLS and certificates: a sweep of every endpoint, and audits by sslyze of those that speak TLS."""

import asyncio
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from secscan.collection.deep import Auditor, Nursery, Question
from secscan.collection.hello import TIMEOUT, SpeaksOther, SpeaksTls, greet
from secscan.collection.starttls import BY_PORT
from secscan.collection.sweep import SweepSettings, Swept, sweep
from secscan.facts import (
    Absent,
    ChainFacts,
    Depth,
    Gap,
    SuiteClass,
    TlsAuditFacts,
    TlsFacts,
    TlsVersion,
    VersionAudit,
)
from secscan.facts.suites import in_class
from secscan.model import Endpoint, Observation, Reason, Record, Unobserved
from secscan.scope import Gate, Refused, ScopeError, canonical_address, canonical_name, utc_now


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How to look at TLS.

    ``depth`` is how much a sweep asks. ``audit``: sslyze is asked for everything too. ``robot``: without that, it is
    asked for ROBOT alone, of servers that accept RSA key exchange. ``deadline``: seconds for one audit, not counting those it waits for its turn;
    ``patience``: seconds it waits for an answer; ``connections``: of one audit at a time. ``sweeps`` and ``audits``:
    endpoints at a time.
    """

    depth: Depth = Depth.VERDICT
    audit: bool = False
    robot: bool = True
    deadline: float = 60.0
    patience: float = 5.0
    connections: int = 5
    sweeps: int = 64
    audits: int = 8
    sweep: SweepSettings = field(default_factory=SweepSettings)


class TlsCollector:
    """Yields what each endpoint offers in TLS, which certificates it sends, and what sslyze says of it where asked."""

    name = "sweep"
    #: Of each there is a record whenever a server was swept, so that no audit outlives a newer sweep.
    kinds = (TlsFacts.kind, ChainFacts.kind, TlsAuditFacts.kind)

    def __init__(self, settings: TlsSettings | None = None) -> None:
        self._settings = settings or TlsSettings()
        self._nursery = Nursery()

    def collect(self, targets: Sequence[Endpoint], gate: Gate) -> Iterator[Record]:
        """Ends all connections and processes when it is closed early. Raises ProbeLogError."""
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
    """One ``collect``: a thread with a loop for all sweeps, threads for audits, and what they see.

    The virtual hosts of one server are seen one after the other: it should not notice that they are many.
    """

    def __init__(
        self, settings: TlsSettings, nursery: Nursery, gate: Gate, targets: Sequence[Endpoint]
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._auditor = Auditor(
            nursery,
            gate,
            deadline=settings.deadline,
            patience=settings.patience,
            connections=settings.connections,
        )
        servers: dict[tuple[str, int], list[Endpoint]] = {}
        for target in targets:
            servers.setdefault((target.address, target.service.port), []).append(target)
        self._servers = iter(servers.values())
        # Those that wait for an audit hold up no sweep.
        self._at_once = min(len(servers), settings.sweeps + 2 * settings.audits)
        self._seen: queue.SimpleQueue[Record | BaseException | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._guard = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="tls", daemon=True)

    def records(self) -> Iterator[Record]:
        if not self._at_once:
            return
        self._thread.start()
        while (seen := self._seen.get()) is not None:
            if isinstance(seen, BaseException):
                raise seen
            yield seen

    def stop(self) -> None:
        """Ends every audit and every sweep that is under way, and waits until their connections are closed."""
        with self._guard:
            self._stopped = True
            if self._loop is not None and self._work is not None:
                self._loop.call_soon_threadsafe(self._work.cancel)
        self._auditor.stop()
        if self._thread.is_alive():
            self._thread.join(_LONGEST_FAREWELL)

    def _run(self) -> None:
        try:
            asyncio.run(self._look())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by records(), in the caller's thread
            self._seen.put(error)
        finally:
            self._seen.put(None)

    async def _look(self) -> None:
        with self._guard:
            if self._stopped:
                return
            self._loop, self._work = asyncio.get_running_loop(), asyncio.current_task()
        sweeping = asyncio.Semaphore(self._settings.sweeps)
        contacts = ThreadPoolExecutor(self._settings.sweeps, thread_name_prefix="tls contact")
        audits = ThreadPoolExecutor(self._settings.audits, thread_name_prefix="tls audit")
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._at_once):
                    group.create_task(self._serve(sweeping, contacts, audits))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            with self._guard:
                self._loop = self._work = None
            # One may wait for its turn at the gate when nobody wants to know any more.
            contacts.shutdown(wait=False, cancel_futures=True)
            audits.shutdown(wait=False, cancel_futures=True)

    async def _serve(
        self, sweeping: asyncio.Semaphore, contacts: ThreadPoolExecutor, audits: ThreadPoolExecutor
    ) -> None:
        """Takes one server after the other, as long as there are any."""
        for endpoints in self._servers:
            for endpoint in endpoints:
                async with sweeping:
                    at = utc_now()
                    seen, question = await self._sweep(endpoint, at, contacts)
                if question is not None:
                    loop = asyncio.get_running_loop()
                    # First the audit: who resumes an interrupted run takes an endpoint for done that was swept.
                    self._seen.put(await loop.run_in_executor(audits, self._auditor.audit, question))
                for record in seen:
                    self._seen.put(record)

    async def _sweep(
        self, endpoint: Endpoint, at: datetime, contacts: ThreadPoolExecutor
    ) -> tuple[list[Record], Question | None]:
        """What was seen of it, and what to ask sslyze about it."""
        service = endpoint.service
        if service.transport != "tcp":
            gap = Gap(Reason.NOT_COLLECTED, f"TLS over {service.transport} is not looked at")
            return self._unobserved(endpoint, at, gap), None
        try:
            server_name = canonical_name(service.server_name) if service.server_name else ""
            address = canonical_address(endpoint.address)
        except ValueError as error:
            return self._unobserved(endpoint, at, Gap(Reason.NOT_ATTEMPTED, str(error))), None
        try:
            swept = await self._heard(endpoint, address, server_name, contacts)
        except Exception as error:  # noqa: BLE001 - a server that found a mistake of ours must not cost the others
            first = _first(error)
            if isinstance(first, ScopeError):
                raise first from None
            gap = Gap(Reason.BUG, f"the sweep failed: {type(first).__name__}: {first}"[:200])
            return self._unobserved(endpoint, at, gap), None
        volatile = {**swept.volatile, "connections": str(swept.connections)} if swept.connections else {}
        seen = [
            _record(endpoint, TlsFacts.kind, at, swept.tls, volatile),
            _record(endpoint, ChainFacts.kind, at, swept.chain, volatile),
        ]
        if not isinstance(swept.tls, TlsFacts):
            # Nobody to ask: it speaks no TLS, or nothing that could be heard.
            return [_record(endpoint, TlsAuditFacts.kind, at, swept.tls, {}), *seen], None
        if not self._settings.audit and not (self._settings.robot and accepts_rsa_transport(swept.tls)):
            return [_record(endpoint, TlsAuditFacts.kind, at, _NOT_ASKED, {}), *seen], None
        question = Question(
            endpoint=endpoint,
            address=address,
            server_name=server_name,
            starttls=swept.tls.starttls,
            at=at,
            robot_alone=not self._settings.audit,
        )
        return seen, question

    async def _heard(
        self, endpoint: Endpoint, address: str, server_name: str, contacts: ThreadPoolExecutor
    ) -> Swept:
        """The sweep is the first contact where TLS may begin with the first byte, and finds it does, mostly.

        Raises ScopeError.
        """
        said_first = endpoint.service.port in BY_PORT
        swept = None if said_first else await self._swept(endpoint)
        if swept is not None and not (
            isinstance(swept.tls, Gap) and swept.tls.reason in _MAY_SPEAK_OTHERWISE
        ):
            return swept
        loop = asyncio.get_running_loop()
        try:
            greeting = await loop.run_in_executor(
                contacts,
                lambda: greet(
                    endpoint.service,
                    address,
                    self._gate,
                    server_name=server_name,
                    timeout=min(TIMEOUT, self._settings.sweep.deadline / 3),
                ),
            )
        except Refused as refused:
            gap = Gap(refused.refusal.reason, refused.refusal.detail)
            return swept or Swept(gap, gap)
        match greeting:
            case SpeaksTls(starttls="") if swept is not None:
                return swept
            case SpeaksTls(starttls=protocol):
                return await self._swept(endpoint, protocol)
            case SpeaksOther(heard=heard, protocol=protocol):
                absent = Absent(heard=heard[:200], protocol=protocol)
                return Swept(absent, absent)
        gap = Gap(greeting.reason, greeting.detail)
        return Swept(gap, gap)

    async def _swept(self, endpoint: Endpoint, starttls: str = "") -> Swept:
        settings = self._settings
        swept = await sweep(
            endpoint, self._gate, depth=settings.depth, settings=settings.sweep, starttls=starttls
        )
        if _came_to_nothing(swept):
            gap = Gap(Reason.TIMED_OUT, "it answered a TLS hello, and never came to the end of its answer")
            return replace(swept, tls=gap, chain=gap)
        return swept

    def _unobserved(self, endpoint: Endpoint, at: datetime, gap: Gap) -> list[Record]:
        return [_record(endpoint, kind, at, gap, {}) for kind in reversed(TlsCollector.kinds)]


#: A server that a sweep heard nothing from may speak another protocol, or begin in one, or wait for its client to.
_MAY_SPEAK_OTHERWISE = (Reason.MALFORMED, Reason.TIMED_OUT, Reason.REFUSED)

#: Not an Unobserved: nobody tried, and nothing went wrong.
_NOT_ASKED = TlsAuditFacts(versions=tuple(VersionAudit(version=version) for version in TlsVersion))

#: Seconds for connections to be closed and threads to notice, when nobody waits for what they see any more.
_LONGEST_FAREWELL = 5.0


def _came_to_nothing(swept: Swept) -> bool:
    """Whether a server began to answer, and then kept everybody waiting: nobody ever got a connection from it.

    What it chose in its first words could be believed, but would be credit for a service that nobody can use.
    """
    if not isinstance(swept.tls, TlsFacts) or not isinstance(swept.chain, Gap):
        return False
    readings = [offer.offered for offer in swept.tls.versions]
    return any(isinstance(reading, Gap) and reading.reason is Reason.TIMED_OUT for reading in readings)


def _first(error: BaseException) -> BaseException:
    """Of several that came together, one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def accepts_rsa_transport(facts: TlsFacts) -> bool:
    """Whether a suite was seen to be accepted whose key exchange could be an oracle (ROBOT)."""
    return any(
        in_class(suite.name, SuiteClass.RSA_TRANSPORT)
        for offer in facts.versions
        if not isinstance(offer.suites, Gap)
        for suite in offer.suites
    )


def _record(
    endpoint: Endpoint,
    kind: str,
    at: datetime,
    seen: TlsFacts | ChainFacts | TlsAuditFacts | Absent | Gap,
    volatile: Mapping[str, str],
) -> Record:
    if isinstance(seen, Gap):
        return Unobserved(endpoint, TlsCollector.name, kind, at, seen.reason, seen.detail)
    return Observation(endpoint, TlsCollector.name, kind, at, seen, dict(volatile))
