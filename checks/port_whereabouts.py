"""What answers where: newly opened ports, services in one another's places, printers, and who sees the management.

No check here sends a packet: they judge what the port scan saw.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

from pydantic import Field

from secscan.check import Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._protocols import MANAGEMENT, PRINTERS, REMOTE_DESKTOP
from secscan.checks._reach import (
    Port,
    PortLimits,
    ReachLimits,
    asked_count,
    declared_places,
    described,
    is_identified,
    is_tarpit,
    name_of,
    names_of,
    reach,
    tarpit_verdicts,
    usual_ports,
)
from secscan.facts import PortFacts, PortState, PortStatus, Release
from secscan.model import Earlier, Host, Observation, Reason, Severity
from secscan.reference import EndOfLife

#: Port -> the names by which nmap and we call what belongs there: the IANA registry; nmap-services of nmap 7.93.
_BELONGS: dict[int, frozenset[str]] = {
    21: frozenset({"ftp", "ftp-proxy"}),
    22: frozenset({"ssh"}),
    23: frozenset({"telnet", "telnet-proxy", "tn3270"}),
    25: frozenset({"smtp", "smtp-proxy"}),
    53: frozenset({"domain"}),
    80: frozenset({"http", "http-proxy", "https", "websocket"}),
    110: frozenset({"pop3", "pop3-proxy", "pop2"}),
    143: frozenset({"imap", "imap-proxy"}),
    389: frozenset({"ldap"}),
    443: frozenset({"http", "http-proxy", "https", "websocket"}),
    445: frozenset({"microsoft-ds", "netbios-ssn"}),
    465: frozenset({"smtp", "smtps", "smtp-proxy"}),
    587: frozenset({"smtp", "submission", "smtp-proxy"}),
    636: frozenset({"ldap", "ldaps"}),
    993: frozenset({"imap", "imaps", "imap-proxy"}),
    995: frozenset({"pop3", "pop3s", "pop3-proxy"}),
    3306: frozenset({"mysql"}),
    3389: frozenset({"ms-wbt-server", "ms-wbt-server-proxy"}),
    5432: frozenset({"postgresql", "pgbouncer"}),
    8080: frozenset({"http", "http-proxy", "https", "websocket"}),
    8443: frozenset({"http", "http-proxy", "https", "websocket"}),
}

#: A version that is one, and no range or guess.
_VERSION = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}")
#: Words of versions whose package a distribution looks after, beyond what its makers say (Debian's 9.2p1-2+deb12u3).
_DISTRIBUTED = re.compile(
    r"(?i)debian|ubuntu|[+~.-](?:deb|el|amzn|fc|suse)[0-9]*|red ?hat|centos|alpine|freebsd"
)


class PrinterLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(PRINTERS)


class ZoneLimits(PortLimits):
    management_zones: frozenset[str] = Field(
        default=frozenset({"management"}),
        description="Network zones from which management interfaces may be seen.",
    )
    expected: frozenset[Port] = Field(
        default=frozenset(),
        description="TCP ports of management interfaces and desktops that are what the host is for. What the other "
        "rules hold against a host anywhere is not judged again here.",
    )


class NewLimits(PortLimits):
    days: int = Field(
        default=14, ge=1, le=365, description="Days for which a port that was opened counts as new."
    )


@check("port.printer", severity=Severity.LOW)
def printer(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: PrinterLimits, host: Host
) -> Iterator[Verdict]:
    """No printing service (JetDirect, LPD, IPP) was recognised on any port that was asked.

    Why: Printers keep what they print, and hand it and their settings to whoever connects; a print service on a server
    is one more program that parses strangers' data (CVE-2024-47176, cups-browsed). The check sends nothing: it judges
    what the port scan saw, and nothing is ever sent to port 9100, where it would be printed. A filtered port counts as
    not reachable from where the scan ran, unless the inventory declares a service there.

    Fix: Keep printers in a network of their own behind a print server, and remove printing from servers that print
    nothing (systemctl disable --now cups cups-browsed).
    """
    yield from reach(seen.facts, before, limits, host, PRINTERS)


@check("port.management-zone", severity=Severity.HIGH)
def management_zone(seen: Observation[PortFacts], limits: ZoneLimits, host: Host) -> Iterator[Verdict]:
    """Management interfaces that a host is meant to have are seen from the management network alone.

    Why: What administers a whole data centre is there on purpose; that everybody else is kept away from it is for a look
    from elsewhere to show. Judged are the ports that the host's role expects; what no role expects is judged by
    port.management and port.remote-desktop, wherever the scan looks from. The check sends nothing: it judges what the
    port scan saw from its own zone, which the operator states (zone, under [collection] in secscan.toml).

    Fix: Let the firewall admit these ports from the management network alone.
    """
    facts = seen.facts
    if not limits.expected:
        yield not_applicable("No management interface is expected of this host.")
        return
    if not isinstance(facts.seen_from, str):
        yield not_applicable(
            "From which network zone the scan looked is not stated; state it as zone under [collection] in secscan.toml."
        )
        return
    zone = facts.seen_from
    if zone in limits.management_zones:
        yield not_applicable("The scan looked from {zone}, where these may be seen.", zone=zone)
        return
    tarpit = list(tarpit_verdicts(facts, limits))
    declared = declared_places(host)
    judged = sorted(p for p in limits.expected if not declared or ("tcp", p) in declared)
    labels = {port: p.label for p in (*MANAGEMENT, *REMOTE_DESKTOP) for port in p.tcp}
    gaps = list(tarpit)
    found = False
    for port in judged:
        name, label = f"tcp/{port}", labels.get(port, f"tcp/{port}")
        match facts.status("tcp", port):
            case PortStatus.OPEN if not tarpit:
                found = True
                yield failed(
                    "{port} ({protocol}) is open to the zone {zone}; only {zones} may see it.",
                    object=name,
                    port=name,
                    protocol=label,
                    zone=zone,
                    zones=", ".join(sorted(limits.management_zones)) or "-",
                )
            case None:
                gaps.append(unknown(Reason.NOT_COLLECTED, "{port} was not asked.", object=name, port=name))
            case _:
                pass
    yield from gaps
    if not found and not gaps:
        yield passed(
            "None of the management interfaces of this host ({ports}) is open to the zone {zone}.",
            ports=names_of(("tcp", port) for port in judged) or "-",
            zone=zone,
        )


@check("port.new", severity=Severity.LOW)
def new(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: NewLimits, host: Host, at: datetime
) -> Iterator[Verdict]:
    """No port was opened lately that the inventory does not declare.

    Why: A port that opens on a host that is in service is a change: somebody installed something, a firewall was opened
    for a day and stayed open, or an intruder left a way back in. The check sends nothing: it holds what the port scan saw
    against what earlier scans saw. After some days the port is no news any more, and port.unexpected still names it.

    Fix: Find out who opened it, and why. Close it, or declare it in the inventory.
    """
    facts = seen.facts
    tarpit = list(tarpit_verdicts(facts, limits))
    if tarpit:
        yield from tarpit
        return
    declared = declared_places(host)
    since = at - timedelta(days=limits.days)
    found = False
    for state in facts.ports:
        place = (state.transport, state.port)
        if state.status is not PortStatus.OPEN or place in declared:
            continue
        last = _last_not_open(before, state)
        if last is not None and last >= since:
            found = True
            name = name_of(state)
            yield failed(
                "{port} is open ({service}) and was not on {date}; the inventory does not declare it.",
                object=name,
                port=name,
                service=described(state),
                date=last.date().isoformat(),
            )
    if not found:
        yield passed(
            "No undeclared port has been opened in the last {days} days, as far as earlier scans tell.",
            days=limits.days,
        )


@check("port.misplaced", severity=Severity.LOW)
def misplaced(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: PortLimits
) -> Iterator[Verdict]:
    """On no well-known port something else answers than belongs there.

    Why: SSH on the port of HTTPS is how firewalls are evaded, by administrators in a hurry and by intruders; rules that
    go by port numbers let it pass. Judged are ports where what answers said who it is, and whose number is given to
    another protocol by the IANA registry. The check sends nothing: it judges what the port scan saw.

    Fix: Move the service to its own port, and let the firewall say who may reach it.
    """
    facts = seen.facts
    if is_tarpit(facts, limits):
        yield from tarpit_verdicts(facts, limits)
        return
    settled = True
    for state in facts.open("tcp"):
        place = name_of(state)
        if _is_misplaced(state):
            settled = False
            yield failed(
                "{port} answers as {service}; {expected} belongs there.",
                object=place,
                port=place,
                service=described(state),
                expected=sorted(_BELONGS[state.port])[0],
            )
        elif not is_identified(state) and (once := _once(before, state, _is_misplaced)) is not None:
            settled = False
            yield unknown(
                Reason.UNPARSED,
                "{port} answered as {service} before; what is there now can't be told.",
                object=place,
                port=place,
                service=described(once),
            )
    if settled:
        yield passed(
            "Of {count} TCP ports asked, on none something else answers than belongs there.",
            count=asked_count(facts),
        )


@check("port.end-of-life", severity=Severity.LOW)
def end_of_life(
    seen: Observation[PortFacts], before: Earlier[PortFacts], dates: EndOfLife, at: datetime
) -> Iterator[Verdict]:
    """No server program was recognised whose makers have ended its support.

    Why: What nobody mends any more keeps every flaw that is found in it. Judged are programs that named their version
    exactly when the port scan asked them, and for which dates were imported (endoflife.date's JSON of the product). A
    distribution may look after a version longer than its makers; where the version says that it is a distribution's, it
    is left to patch.end-of-life, and where it does not say so, this can't be told from outside: so this is a low
    finding. The check sends nothing: it judges what the port scan saw.

    Fix: Move to a version that is supported, or make sure that your distribution still mends the one you have.
    """
    judged = False
    for state in seen.facts.open("tcp"):
        told = _support(state, dates)
        place = name_of(state)
        if told is None:
            once = _once(before, state, lambda earlier: _support(earlier, dates) is not None)
            if once is not None and not (is_identified(state) and _is_another(state, once)):
                judged = True
                yield unknown(
                    Reason.UNPARSED,
                    "{port} named its version before ({service}), and does not now.",
                    object=place,
                    port=place,
                    service=described(once),
                )
            continue
        judged = True
        name, version, ends = told
        if ends is not None and at.date() > ends:
            yield failed(
                "{port} runs {product} {version}, whose makers ended its support on {date}.",
                object=place,
                port=place,
                product=name,
                version=version,
                date=ends.isoformat(),
            )
        else:
            yield passed(
                "{port} runs {product} {version}, which is supported{until}.",
                object=place,
                port=place,
                product=name,
                version=version,
                until=f" ({ends.isoformat()})" if ends else "",
            )
    if not judged:
        yield not_applicable("No program named a version for which dates of end of life were imported.")


# --- What they ask of the facts -----------------------------------------------------------------------


def _last_not_open(before: Earlier[PortFacts], state: PortState) -> datetime | None:
    """When the port was last seen closed or filtered, if ever."""
    for look in before.looks:
        status = look.facts.status(state.transport, state.port)
        if status in (PortStatus.CLOSED, PortStatus.FILTERED):
            return look.observed_at
    return None


def _once(
    before: Earlier[PortFacts], state: PortState, holds: Callable[[PortState], bool]
) -> PortState | None:
    """The port as it was when it was last identified, where ``holds`` was true of it and it was not closed since.

    A server that gave itself away and then says less is the same server: saying less is no way to pass.
    """
    for look in before.looks:
        if look.facts.status(state.transport, state.port) is PortStatus.CLOSED:
            return None
        for earlier in look.facts.open(state.transport):
            if earlier.port == state.port and is_identified(earlier):
                return earlier if holds(earlier) else None
    return None


def _is_misplaced(state: PortState) -> bool:
    belongs, identity = _BELONGS.get(state.port), state.identity
    if belongs is None or identity is None or not is_identified(state):
        return False
    name = identity.name.removeprefix("ssl/")
    return name not in belongs and name not in ("", "unknown", "tcpwrapped", "ssl", "tls")


def _is_another(state: PortState, once: PortState) -> bool:
    """Two identified servers of which one is not the other that merely hides its version."""
    now, then = state.identity, once.identity
    return now is not None and then is not None and now.product != then.product and bool(now.product)


def _support(state: PortState, dates: EndOfLife) -> tuple[str, str, date | None] | None:
    """The product, its version and the last day of support; None where that is not known for certain."""
    identity = state.identity
    if identity is None or identity.how != "probe" or not _VERSION.fullmatch(identity.version):
        return None
    if _DISTRIBUTED.search(f"{identity.version} {identity.extra}"):
        return None
    for product in _products(identity.cpes):
        parts = identity.version.split(".")
        for length in range(len(parts), 0, -1):
            lifetime = dates.lifetime(Release(id=product, version=".".join(parts[:length])))
            if lifetime is not None:
                return identity.product or product, identity.version, lifetime.ends
    return None


def _products(cpes: tuple[str, ...]) -> Iterator[str]:
    """The names of programs (not of systems or hardware), as CPE 2.2 has them: ``cpe:/a:vendor:product:version``."""
    for cpe in cpes:
        parts = cpe.split(":")
        if len(parts) >= 4 and parts[1] == "/a":
            yield parts[3].replace("_", "-")
