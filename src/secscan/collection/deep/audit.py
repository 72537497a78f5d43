"""What to ask one server with sslyze's connections and probes. For the audit's own process."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from secscan.collection.deep.certificates import (
    ask_ecdsa_certificate,
    ask_newest_certificate,
    ask_old_certificates,
    ask_rsa_certificate,
)
from secscan.collection.deep.findings import Finding, Measured, NoCertificate
from secscan.collection.deep.gaps import gap_of
from secscan.collection.deep.groups import ask_groups
from secscan.collection.deep.handshake import Server
from secscan.collection.deep.offers import RENEGOTIABLE, VERSIONS, Offers, Trial, batches, is_rsa_transport
from secscan.collection.deep.probes import (
    ask_ccs_injection,
    ask_client_certificate,
    ask_early_data,
    ask_extended_master_secret,
    ask_fallback,
    ask_heartbleed,
    ask_renegotiation,
    ask_robot,
)
from secscan.collection.deep.process import AuditRequest
from secscan.facts import Gap
from secscan.model import Reason


def audit(request: AuditRequest, tell: Callable[[Finding], None]) -> Gap | None:
    """Asks one server what the request is for, and tells each finding as soon as it is made.

    Returns why it gave up early, or None. Raises nothing that the server could bring about.
    """
    server = Server(request)
    if request.robot_alone:
        _ask_robot_alone(server, tell)
    else:
        _ask_everything(server, request.concurrency, tell)
    if server.stalled:
        detail = f"it answered a first TLS hello, then stayed silent for {request.patience:.2g} s in every handshake"
        return Gap(Reason.TIMED_OUT, detail)
    return None


def warm_up() -> None:
    """Makes the lists of suites, once for all audits of this process."""
    for version in VERSIONS:
        batches(version)


def _ask_everything(server: Server, concurrency: int, tell: Callable[[Finding], None]) -> None:
    trials = [Trial(version) for version in VERSIONS]
    with ThreadPoolExecutor(concurrency) as pool:
        for trial, future in [(trial, pool.submit(trial.run, server)) for trial in trials]:
            trial.note(future.exception())
        offers = Offers(trials)
        if offers:
            again = [t for t in trials if t.closed]
            for trial, future in [(t, pool.submit(t.run_again, server, offers.control)) for t in again]:
                trial.note(future.exception())
            offers = Offers(trials)
        for trial in trials:
            tell(trial.finding())
        quick = {pool.submit(probe.ask, server, offers): probe for probe in QUICK} if offers else {}
        for done in as_completed(quick):
            for finding in _findings(quick[done], done):
                tell(finding)
        for probe in SLOW if offers else ():
            for finding in _findings(probe, pool.submit(probe.ask, server, offers)):
                tell(finding)


def _ask_robot_alone(server: Server, tell: Callable[[Finding], None]) -> None:
    """Of a server that is known to accept RSA key exchange: nothing else is settled, and nothing else is told."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(_robot, server)
        for finding in _findings(ROBOT, done):
            tell(finding)


def _robot(server: Server) -> list[Finding]:
    for version in RENEGOTIABLE:
        trial = Trial(version)
        if trial.find_one(server, is_rsa_transport):
            return ROBOT.ask(server, Offers([trial]))
    gap = Gap(Reason.CONTRADICTORY, "it accepted RSA key exchange, and refused it afterwards")
    return [Measured(field="robot", value=gap)]


# --- The questions, in their order --------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """A question that takes a few connections, and the fields of TlsAuditFacts it answers."""

    fields: tuple[str, ...]
    ask: "Callable[[Server, Offers], list[Finding]]"


def _findings(probe: Probe, done: "Future[list[Finding]]") -> list[Finding]:
    error = done.exception()
    if error is None:
        return done.result()
    gap = gap_of(error)
    return [Measured(field=field, value=gap) for field in probe.fields] or [NoCertificate(gap=gap)]


ROBOT = Probe(("robot",), ask_robot)

QUICK = (
    Probe((), ask_newest_certificate),
    Probe((), ask_rsa_certificate),
    Probe((), ask_ecdsa_certificate),
    Probe((), ask_old_certificates),
    Probe(("extended_master_secret",), ask_extended_master_secret),
    Probe(("fallback_scsv",), ask_fallback),
    Probe(("groups",), ask_groups),
)

#: These wait for what may not come, or keep a connection busy; a server that can serve but one at a time would let
#: all others wait with them. So each is asked alone, and the longest last.
SLOW = (
    Probe(("client_certificate",), ask_client_certificate),
    Probe(("early_data",), ask_early_data),
    Probe(("heartbleed",), ask_heartbleed),
    Probe(("ccs_injection",), ask_ccs_injection),
    Probe(("secure_renegotiation", "compression", "client_renegotiation"), ask_renegotiation),
    ROBOT,
)
