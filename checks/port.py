"""What answers on an address: services nobody declared, services that should not be reachable, services that are down.

No check here sends a packet: they judge what the port scan saw. A *filtered* port is one the scanner could not
reach. Where the claim is about reach ("no database answers"), filtered is as good as closed, from where the scan
ran and only from there; unless the inventory declares a service there: then something is known to be behind the
filter, and what it is can't be told. Where the claim is that something works ("every declared service answers"),
filtered tells nothing.
"""

from collections.abc import Iterator

from pydantic import Field

from secscan.check import Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._protocols import (
    DATABASES,
    FILE_SHARING,
    FILE_TRANSFER,
    MAIL_ACCESS,
    MANAGEMENT,
    REMOTE_DESKTOP,
    REMOTE_LOGIN,
    SMALL_SERVICES,
)
from secscan.checks._reach import (
    Port,
    PortLimits,
    ReachLimits,
    SurveyLimits,
    asked_count,
    declared_places,
    described,
    hidden_places,
    is_identified,
    is_tarpit,
    maybe_open,
    name_of,
    names_of,
    reach,
    tarpit_verdicts,
    too_few_asked,
    usual_ports,
)
from secscan.facts import PortFacts, PortStatus
from secscan.facts.ports import port_ranges
from secscan.model import Earlier, Host, Observation, Reason, Severity

# --- Limits -------------------------------------------------------------------------------------------


class UnexpectedLimits(SurveyLimits):
    usual: frozenset[Port] = Field(
        default=frozenset({22, 80, 443}),
        description="TCP ports expected on a host that declares no service.",
    )
    usual_udp: frozenset[Port] = Field(
        default=frozenset(),
        description="UDP ports expected, whatever the host declares.",
    )


class ExpectedLimits(PortLimits):
    expected: frozenset[Port] = Field(
        default=frozenset(),
        description="TCP ports that must accept connections on a host that declares no service: what its role is for.",
    )


class CountLimits(SurveyLimits):
    most: int = Field(default=30, ge=1, le=65535, description="Most TCP ports that may be open.")


class RemoteLoginLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(REMOTE_LOGIN)


class FileTransferLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(FILE_TRANSFER)


class RemoteDesktopLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(REMOTE_DESKTOP)


class ManagementLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(MANAGEMENT)


class DatabaseLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(DATABASES)


class FileSharingLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(FILE_SHARING)


class MailAccessLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(MAIL_ACCESS)


class SmallServicesLimits(ReachLimits):
    ports: frozenset[Port] = usual_ports(SMALL_SERVICES)


# --- What should not be reachable ---------------------------------------------------------------------


@check("port.remote-login", severity=Severity.HIGH)
def remote_login(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: RemoteLoginLimits, host: Host
) -> Iterator[Verdict]:
    """No telnet, rlogin, rsh or rexec server was recognised on any port that was asked.

    Why: These protocols carry passwords and whole sessions unencrypted, and rlogin and rsh believe the
    address a client claims to have. Whoever is on the way reads along and can take the session over. A server
    is recognised by what it answers; where that was not identified, by its port number. An SSH server on port
    23 is no telnet, a telnet server on port 2323 is one. The check sends nothing: it judges what the port
    scan saw, and a filtered port counts as not reachable from where the scan ran, unless the inventory
    declares a service there.

    Fix: Stop and remove the server (systemctl disable --now telnet.socket; on network equipment: no telnet) and
    use SSH. Where old equipment knows nothing else, allow it only from a management network.
    """
    yield from reach(seen.facts, before, limits, host, REMOTE_LOGIN, encrypted_counts=False)


@check("port.file-transfer", severity=Severity.MEDIUM)
def file_transfer(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: FileTransferLimits, host: Host
) -> Iterator[Verdict]:
    """No FTP server that starts unencrypted was recognised on any port that was asked.

    Why: FTP sends passwords and files in the clear unless every client asks for TLS (RFC 4217), which the
    port scan can't see the server insist on. TFTP, over UDP, is port.udp-services' to judge. FTP inside TLS from
    the first byte is not counted. The check sends nothing: it judges what the port scan saw, and a filtered
    port counts as not reachable from where the scan ran, unless the inventory declares a service there.

    Fix: Offer SFTP (part of OpenSSH) or HTTPS instead and stop the FTP server. If FTP must stay, make TLS
    mandatory (vsftpd: ssl_enable=YES, force_local_logins_ssl=YES, force_local_data_ssl=YES) and limit who
    reaches it.
    """
    yield from reach(seen.facts, before, limits, host, FILE_TRANSFER, encrypted_counts=False)


@check("port.remote-desktop", severity=Severity.HIGH)
def remote_desktop(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: RemoteDesktopLimits, host: Host
) -> Iterator[Verdict]:
    """No remote desktop server (RDP, VNC, X11, Radmin, pcAnywhere, TeamViewer) was recognised on any port asked.

    Why: A desktop reachable from the network is one guessed password or one unpatched flaw away from full
    control; exposed RDP is among the most frequent ways in for ransomware (CISA, #StopRansomware Guide,
    2023). The check sends nothing: it judges what the port scan saw, and a filtered port counts as not
    reachable from where the scan ran, unless the inventory declares a service there.

    Fix: Let the firewall admit remote desktops only from a VPN or a management network, with a second factor.
    Switch off what nobody uses.
    """
    yield from reach(seen.facts, before, limits, host, REMOTE_DESKTOP)


@check("port.management", severity=Severity.HIGH)
def management(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: ManagementLimits, host: Host
) -> Iterator[Verdict]:
    """No management interface (WinRM, vSphere, Docker, Kubernetes, Webmin and the like) was recognised on any port asked.

    Why: Management interfaces give whoever gets in the whole machine, often many machines. They belong in a
    network of their own (CISA Binding Operational Directive 23-02 takes them off the Internet for US
    agencies). SNMP and IPMI speak UDP: port.udp-management judges them.
    The check sends nothing: it judges what the port scan saw, and a filtered port counts as not reachable
    from where the scan ran, unless the inventory declares a service there.

    Fix: Bind the interface to a management network or to localhost, and let the firewall admit it only from there.
    """
    yield from reach(seen.facts, before, limits, host, MANAGEMENT)


@check("port.database", severity=Severity.HIGH)
def database(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: DatabaseLimits, host: Host
) -> Iterator[Verdict]:
    """No database or cache server was recognised on any port that was asked.

    Why: Databases belong behind the application that uses them. Caches such as Redis and memcached often ask
    for no password at all; whether this one does is not tried here. The check sends nothing: it judges what
    the port scan saw, and a filtered port counts as not reachable from where the scan ran, unless the
    inventory declares a service there.

    Fix: Bind the server to localhost or the application network (listen_addresses, bind-address, bind) and let
    the firewall admit only the application's hosts.
    """
    yield from reach(seen.facts, before, limits, host, DATABASES)


@check("port.file-sharing", severity=Severity.HIGH)
def file_sharing(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: FileSharingLimits, host: Host
) -> Iterator[Verdict]:
    """No file sharing or its helpers (SMB, NetBIOS, Windows RPC, NFS, AFP, rsync, iSCSI) was recognised on any port asked.

    Why: These protocols were made for one trusted network. Worms have crossed whole countries through
    reachable SMB (WannaCry and NotPetya, 2017), and NFS and rsync often serve files to whoever asks. The
    check sends nothing: it judges what the port scan saw, and a filtered port counts as not reachable from
    where the scan ran, unless the inventory declares a service there.

    Fix: Let the firewall admit file sharing only from the hosts that need it, and switch it off on all others.
    """
    yield from reach(seen.facts, before, limits, host, FILE_SHARING)


@check("port.cleartext-mail", severity=Severity.LOW)
def cleartext_mail(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: MailAccessLimits, host: Host
) -> Iterator[Verdict]:
    """No POP3 or IMAP server that starts unencrypted was recognised on any port that was asked.

    Why: On these ports a session begins in the clear and may be upgraded (STARTTLS). Somebody on the way can
    suppress the upgrade, and a client that is not strict then sends its password readable. RFC 8314 asks for
    TLS from the first byte instead. Whether the server demands the upgrade is not tried here, so this is a
    low finding. The check sends nothing: it judges what the port scan saw, and a filtered port counts as not
    reachable from where the scan ran, unless the inventory declares a service there.

    Fix: Offer IMAP on port 993 and POP3 on port 995 with TLS from the first byte, move the clients there, and
    close ports 143 and 110.
    """
    yield from reach(seen.facts, before, limits, host, MAIL_ACCESS, encrypted_counts=False)


@check("port.small-services", severity=Severity.LOW)
def small_services(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: SmallServicesLimits, host: Host
) -> Iterator[Verdict]:
    """No echo, discard, systat, daytime, netstat, quote, chargen, time or finger server was recognised on any port asked.

    Why: These services of the early Internet have no use today. They tell strangers who is logged in, and
    echo and chargen can be set on each other or on others (CERT CA-1996-01). That they run shows that nobody
    looked at what the system starts. The check sends nothing: it judges what the port scan saw, and a
    filtered port counts as not reachable from where the scan ran, unless the inventory declares a service
    there.

    Fix: Remove them from inetd or xinetd, or switch off "Simple TCP/IP Services" on Windows.
    """
    yield from reach(seen.facts, before, limits, host, SMALL_SERVICES)


# --- What should be there, and nothing else -----------------------------------------------------------


@check("port.unexpected", severity=Severity.MEDIUM)
def unexpected(seen: Observation[PortFacts], limits: UnexpectedLimits, host: Host) -> Iterator[Verdict]:
    """Every open port belongs to a service the inventory declares; on a host that declares none, to the usual ones.

    Why: A service nobody answers for is a service nobody patches. What is open and not declared was
    forgotten, started by accident, or put there by somebody else. The check sends nothing: it judges what the
    port scan saw, and speaks only of the ports that were asked.

    Fix: Stop the service or close its port in the firewall. If it is meant, declare it in the inventory of its
    host, so that it is known who wanted it and what for.
    """
    facts = seen.facts
    declared = declared_places(host)
    expected = declared or {("tcp", port) for port in limits.usual}
    expected = expected | {("udp", port) for port in limits.usual_udp}
    surplus = [p for p in facts.ports if (p.transport, p.port) not in expected]
    gaps = [
        *tarpit_verdicts(facts, limits),
        *too_few_asked(facts, limits),
        *maybe_open(
            {
                (p.transport, p.port)
                for p in surplus
                if p.transport == "tcp" and p.status is PortStatus.UNCERTAIN
            }
        ),
    ]
    opened = [p for p in surplus if p.status is PortStatus.OPEN]
    if is_tarpit(facts, limits):
        opened = [p for p in opened if is_identified(p)]
    for state in opened:
        name, service = name_of(state), described(state)
        if declared:
            yield failed(
                "{port} is open ({service}); the inventory declares only {declared}.",
                object=name,
                port=name,
                service=service,
                declared=names_of(declared),
            )
        else:
            yield failed(
                "{port} is open ({service}); the inventory declares no service, and usual are {usual}.",
                object=name,
                port=name,
                service=service,
                usual=names_of(p for p in expected if p[0] == "tcp") or "-",
            )
    yield from gaps
    if not opened and not gaps:
        yield passed(
            "Of {count} TCP ports asked, none is open but those expected ({expected}).",
            count=asked_count(facts),
            expected=names_of(p for p in expected if p[0] == "tcp" or p in declared) or "-",
        )


@check("port.expected-service", severity=Severity.MEDIUM)
def expected_service(seen: Observation[PortFacts], limits: ExpectedLimits, host: Host) -> Iterator[Verdict]:
    """Every service that the inventory declares, or that a host of this role is for, accepts connections.

    Why: A declared service that is closed is down, was moved without anybody saying so, or was declared by
    mistake; all three make what this report says of it untrue. A filtered port tells nothing, since a
    firewall may admit others and not the scanner. What a role is for is the profile's word, and counts on hosts
    that declare no service: what the inventory says is more exact. The check sends nothing: it judges what the port scan saw.

    Fix: Start the service, or remove it from the inventory if it is gone for good. Where the role expects what this host
    does not offer, declare the services that it does.
    """
    tarpit = is_tarpit(seen.facts, limits)
    identified = {(p.transport, p.port) for p in seen.facts.ports if is_identified(p)}
    declared = declared_places(host) or {("tcp", port) for port in limits.expected}
    for transport, port in sorted(declared):
        name = f"{transport}/{port}"
        match seen.facts.status(transport, port):
            case PortStatus.OPEN if tarpit and (transport, port) not in identified:
                yield from tarpit_verdicts(seen.facts, limits, name)
            case PortStatus.OPEN:
                yield passed("{port} accepts connections.", object=name, port=name)
            case PortStatus.CLOSED:
                if host.services:
                    yield failed("{port} is declared in the inventory and closed.", object=name, port=name)
                else:
                    text = "{port} is what a host of the role {role} is for, and closed."
                    yield failed(text, object=name, port=name, role=host.role or "-")
            case None:
                yield unknown(
                    Reason.NOT_COLLECTED, "{port} is expected and was not asked.", object=name, port=name
                )
            case PortStatus.FILTERED | PortStatus.UNCERTAIN:
                yield unknown(
                    Reason.TIMED_OUT,
                    "{port} is expected and gave no answer: it may be down, or closed to the scanner alone.",
                    object=name,
                    port=name,
                )
    if not declared:
        yield not_applicable("The inventory declares no service of this host, and its role is for none.")


@check("port.count", severity=Severity.LOW)
def count(seen: Observation[PortFacts], limits: CountLimits, host: Host) -> Iterator[Verdict]:
    """No more TCP ports are open than one server should need.

    Why: Each open port is one more program to patch and one more way in. A server that does one thing, and is
    administered by SSH, needs a handful; a number far beyond that is a machine that does everything, or one
    without a firewall. The check sends nothing: it judges what the port scan saw, and speaks only of the
    ports that were asked.

    Fix: Stop what nobody uses, let services that only the machine itself uses listen on localhost, and put a
    firewall in front that admits what is declared.
    """
    facts = seen.facts
    opened = len(facts.open("tcp"))
    hidden = hidden_places(facts, host, {"tcp"})
    gaps = [*tarpit_verdicts(facts, limits), *too_few_asked(facts, limits)]
    if opened + len(hidden) > limits.most:
        gaps.append(
            unknown(
                Reason.TIMED_OUT,
                "{count} TCP ports are open and {hidden} more are declared and gave no answer; {most} may be open.",
                count=opened,
                hidden=len(hidden),
                most=limits.most,
            )
        )
    if opened > limits.most and not is_tarpit(facts, limits):
        yield failed(
            "{count} TCP ports are open, more than {most}: {ports}.",
            count=opened,
            most=limits.most,
            ports=port_ranges({p.port for p in facts.open("tcp")}),
        )
    elif gaps:
        yield gaps[0]
    else:
        yield passed(
            "Of {asked} TCP ports asked, {count} are open, not more than {most}.",
            asked=asked_count(facts),
            count=opened,
            most=limits.most,
        )
