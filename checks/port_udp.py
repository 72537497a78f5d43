"""What answers over UDP. Silence is neither: a datagram may be lost, dropped, or have reached nobody.

One question was sent to each port of a short list, twice where nothing came back; a server that is there has to answer
it. A port that the host itself called closed is closed; one that stays silent leaves the claim unknown.
"""

from collections.abc import Iterator

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._reach import Port, declared_places
from secscan.facts import PortFacts, PortStatus, known
from secscan.model import Earlier, Host, Observation, Reason, Severity

#: The IANA registry of service names and port numbers.
_LABELS = {
    69: "TFTP",
    137: "NetBIOS",
    161: "SNMP",
    500: "IKE",
    623: "IPMI",
    1900: "UPnP",
    5353: "multicast DNS",
}
_NTP = ("udp", 123)


class UdpLimits(Limits):
    datagram_ports: frozenset[Port]
    allowed: frozenset[Port] = Field(
        default=frozenset(),
        description="UDP ports where such a server is what the host is for. What the inventory declares is meant too.",
    )


class UdpManagementLimits(UdpLimits):
    datagram_ports: frozenset[Port] = Field(
        default=frozenset({161, 623}), description="UDP ports that must have been asked."
    )


class UdpServicesLimits(UdpLimits):
    datagram_ports: frozenset[Port] = Field(
        default=frozenset({69, 137, 1900, 5353}), description="UDP ports that must have been asked."
    )


@check("port.udp-management", severity=Severity.MEDIUM)
def udp_management(
    seen: Observation[PortFacts], limits: UdpManagementLimits, host: Host
) -> Iterator[Verdict]:
    """No management protocol over UDP (SNMP, IPMI) answers.

    Why: SNMP's first two versions protect what they tell by a word that goes over the wire readable, and IPMI 2.0 hands
    out what a password can be guessed from, to anybody who asks; both belong in a network of their own. What is sent: to
    SNMP the discovery of version 3, which needs no community and no user (RFC 3414, section 4), to IPMI the presence
    ping. No community and no password is tried.

    Fix: Let the firewall admit UDP ports 161 and 623 from the management network alone, use SNMP version 3 with
    authentication and privacy, and give management controllers a network of their own.
    """
    yield from _answering(seen.facts, limits, host)


@check("port.udp-services", severity=Severity.LOW)
def udp_services(seen: Observation[PortFacts], limits: UdpServicesLimits, host: Host) -> Iterator[Verdict]:
    """No service for a local network alone (TFTP, NetBIOS, UPnP, multicast DNS) answers over UDP.

    Why: TFTP gives files to whoever asks, without a password; the others tell strangers what a machine is, and answer
    with more than they were asked, which is used to flood others (CISA, alert TA14-017A). What is sent: to TFTP a
    request for a file that is not there, to NetBIOS one for the status of the node, to UPnP a search, to multicast DNS
    the question which services there are.

    Fix: Stop what nobody uses (tftpd, nmbd, avahi-daemon, "Network discovery" on Windows), and let the firewall admit
    the rest from where it is needed.
    """
    yield from _answering(seen.facts, limits, host)


@check("port.ntp-monlist", severity=Severity.MEDIUM)
def ntp_monlist(seen: Observation[PortFacts], before: Earlier[PortFacts]) -> Iterator[Verdict]:
    """No NTP server tells strangers whom it spoke to last (monlist).

    Why: One small datagram is answered with up to a hundred large ones: sent in somebody else's name they flood them
    (CVE-2013-5211). What is sent: where a server answers to an ordinary client, one request of mode 7, MON_GETLIST,
    which changes nothing.

    Fix: Update ntpd to 4.2.7p26 or newer, or add ``disable monitor`` and ``restrict default noquery`` to ntp.conf.
    """
    facts = seen.facts
    status = facts.status(*_NTP)
    if status is PortStatus.OPEN and known(facts.monlist):
        yield failed("The server answered a request for its list of clients (udp/123, mode 7).")
    elif status is PortStatus.OPEN:
        yield passed("The server answers clients, and did not answer a request for its list of clients.")
    elif status is None:
        yield unknown(Reason.NOT_COLLECTED, "udp/123 was not asked.")
    elif status is PortStatus.UNCERTAIN and any(
        look.facts.status(*_NTP) is PortStatus.OPEN for look in before.looks
    ):
        yield unknown(Reason.TIMED_OUT, "An NTP server answered on udp/123 before, and gives no answer now.")
    else:
        yield not_applicable("No NTP server answers on udp/123.")


def _answering(facts: PortFacts, limits: UdpLimits, host: Host) -> Iterator[Verdict]:
    """A failure for each port that answers and is not meant to, what could not be told, and a pass if there is neither."""
    meant = {port for transport, port in declared_places(host) if transport == "udp"} | limits.allowed
    settled = True
    for port in sorted(limits.datagram_ports - meant):
        name, label = f"udp/{port}", _LABELS.get(port, f"udp/{port}")
        match facts.status("udp", port):
            case PortStatus.OPEN:
                settled = False
                yield failed("{port} answers as {protocol}.", object=name, port=name, protocol=label)
            case PortStatus.UNCERTAIN:
                settled = False
                yield unknown(
                    Reason.TIMED_OUT,
                    "{port} ({protocol}) gave no answer, so it is open or filtered.",
                    object=name,
                    port=name,
                    protocol=label,
                )
            case None:
                settled = False
                yield unknown(
                    Reason.NOT_COLLECTED,
                    "{port} ({protocol}) was not asked.",
                    object=name,
                    port=name,
                    protocol=label,
                )
            case PortStatus.CLOSED | PortStatus.FILTERED:
                pass
    if settled:
        asked = ", ".join(_LABELS.get(port, f"udp/{port}") for port in sorted(limits.datagram_ports - meant))
        yield passed("None of {protocols} answers: the host, or a firewall, says so.", protocols=asked or "-")
