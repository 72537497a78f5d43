"""What answers on an address: services nobody declared, services that should not be reachable, services that are down.

No check here sends a packet: they judge what the port scan saw. A *filtered* port is one the scanner could not
reach. Where the claim is about reach ("no database answers"), filtered is as good as closed, from where the scan
ran and only from there; unless the inventory declares a service there: then something is known to be behind the
filter, and what it is can't be told. Where the claim is that something works ("every declared service answers"),
filtered tells nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.facts import PortFacts, PortState, PortStatus
from secscan.facts.ports import port_ranges, ports_in
from secscan.model import Earlier, Host, Observation, Reason, Severity

Port = Annotated[int, Field(ge=1, le=65535)]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a protocol is told: by what its server says (nmap's service names and products), else by its ports."""

    label: str
    names: frozenset[str]
    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()
    #: Parts of product names, in lower case; for what is spoken over HTTP and has no service name of its own.
    products: tuple[str, ...] = ()


def _protocol(
    label: str,
    *names: str,
    tcp: tuple[int, ...] = (),
    udp: tuple[int, ...] = (),
    products: tuple[str, ...] = (),
) -> Protocol:
    return Protocol(label, frozenset(names), tcp, udp, products)


# Ports: the IANA registry of service names and port numbers, and the vendors' defaults where they differ from it.
# Names and products: nmap-service-probes of nmap 7.93.

REMOTE_LOGIN = (
    _protocol("telnet", "telnet", "telnet-proxy", "tn3270", tcp=(23,)),
    _protocol("rexec", "exec", "rexec", tcp=(512,)),
    _protocol("rlogin", "login", tcp=(513,)),
    _protocol("rsh", "shell", tcp=(514,)),
)

FILE_TRANSFER = (
    _protocol("FTP", "ftp", "ftp-proxy", tcp=(21,)),
    _protocol("TFTP", "tftp", udp=(69,)),
)

REMOTE_DESKTOP = (
    _protocol("Remote Desktop (RDP)", "ms-wbt-server", "ms-wbt-server-proxy", tcp=(3389,)),
    _protocol("VNC", "vnc", "vnc-http", tcp=(5800, 5900, 5901)),
    _protocol("X11", "X11", tcp=(6000,)),
    _protocol("Radmin", "radmin", tcp=(4899,)),
    _protocol("pcAnywhere", "pc-anywhere", tcp=(5631,)),
    _protocol("TeamViewer", "teamviewer", tcp=(5938,)),
)

MANAGEMENT = (
    _protocol("WinRM", "wsman", tcp=(5985, 5986), products=("microsoft httpapi",)),
    _protocol(
        "VMware vSphere",
        "vmware-auth",
        "ssl/vmware-auth",
        tcp=(902, 5480),
        products=("vmware esx", "vmware vcenter", "vmware vsphere"),
    ),
    _protocol("Docker", "docker", tcp=(2375,), products=("docker remote api",)),
    _protocol("Kubernetes", tcp=(10250,), products=("kubernetes",)),
    _protocol("Proxmox", tcp=(8006,), products=("proxmox",)),
    _protocol("Webmin", "webmin", tcp=(10000,), products=("webmin", "miniserv")),
    _protocol("Intel AMT", tcp=(16992, 16993), products=("intel active management", "intel(r) active")),
    _protocol("MikroTik Winbox", "winbox", tcp=(8291,)),
    _protocol("Cockpit", products=("cockpit web service", "cockpit management")),
    _protocol("SNMP", "snmp", udp=(161,)),
    _protocol("IPMI", "asf-rmcp", udp=(623,)),
)

DATABASES = (
    _protocol("PostgreSQL", "postgresql", "pgbouncer", tcp=(5432,)),
    _protocol("MySQL", "mysql", tcp=(3306, 33060)),
    _protocol("Microsoft SQL Server", "ms-sql-s", "ms-sql-m", tcp=(1433,), udp=(1434,)),
    _protocol("Oracle", "oracle-tns", "oracle", tcp=(1521,)),
    _protocol("Db2", "ibm-db2", "drda", tcp=(50000,)),
    _protocol("Redis", "redis", tcp=(6379,)),
    _protocol("memcached", "memcached", "memcache", tcp=(11211,), udp=(11211,)),
    _protocol("MongoDB", "mongodb", tcp=(27017,), products=("mongodb",)),
    _protocol("Elasticsearch", "elasticsearch", tcp=(9200, 9300), products=("elasticsearch", "opensearch")),
    _protocol("CouchDB", tcp=(5984,), products=("couchdb",)),
    _protocol("Cassandra", "cassandra-native", tcp=(9042,)),
    _protocol("etcd", tcp=(2379,), products=("etcd",)),
)

FILE_SHARING = (
    _protocol("SMB", "microsoft-ds", "netbios-ssn", tcp=(139, 445)),
    _protocol("NetBIOS", "netbios-ns", udp=(137,)),
    _protocol("Windows RPC", "msrpc", tcp=(135,)),
    _protocol("rpcbind", "rpcbind", tcp=(111,), udp=(111,)),
    _protocol("NFS", "nfs", "nfs_acl", "mountd", tcp=(2049,)),
    _protocol("AFP", "afp", tcp=(548,)),
    _protocol("rsync", "rsync", tcp=(873,)),
    _protocol("iSCSI", "iscsi", tcp=(3260,)),
)

MAIL_ACCESS = (
    _protocol("POP3", "pop3", "pop3-proxy", "pop2", tcp=(110,)),
    _protocol("IMAP", "imap", "imap-proxy", tcp=(143,)),
)

SMALL_SERVICES = (
    _protocol("echo", "echo", tcp=(7,), udp=(7,)),
    _protocol("discard", "discard", tcp=(9,), udp=(9,)),
    _protocol("systat", "systat", tcp=(11,), udp=(11,)),
    _protocol("daytime", "daytime", tcp=(13,), udp=(13,)),
    _protocol("netstat", "netstat", tcp=(15,)),
    _protocol("quote of the day", "qotd", tcp=(17,), udp=(17,)),
    _protocol("chargen", "chargen", tcp=(19,), udp=(19,)),
    _protocol("time", "time", tcp=(37,), udp=(37,)),
    _protocol("finger", "finger", tcp=(79,)),
)


# --- Limits -------------------------------------------------------------------------------------------


class PortLimits(Limits):
    """When an address that answers on every port is no longer believed."""

    tarpit_ports: int = Field(
        default=100,
        ge=1,
        le=65535,
        description="With more open TCP ports than this, of which almost none is identified, "
        "something answers for all of them and the rule is unknown.",
    )
    tarpit_identified_percent: int = Field(
        default=10,
        ge=0,
        le=100,
        description="Almost none: fewer than this share of the open ports, in percent.",
    )


class SurveyLimits(PortLimits):
    least_asked: int = Field(
        default=100,
        ge=1,
        le=65535,
        description="TCP ports that must have been asked before the rule can pass.",
    )


class UnexpectedLimits(SurveyLimits):
    usual: frozenset[Port] = Field(
        default=frozenset({22, 80, 443}),
        description="TCP ports expected on a host that declares no service.",
    )


class ExpectedLimits(PortLimits):
    expected: frozenset[Port] = Field(
        default=frozenset(),
        description="TCP ports that must accept connections on a host that declares no service: what its role is for.",
    )


class CountLimits(SurveyLimits):
    most: int = Field(default=30, ge=1, le=65535, description="Most TCP ports that may be open.")


class ReachLimits(PortLimits):
    """``ports`` and ``udp_ports`` are also what a baseline has the port scan ask, whatever else it asks."""

    ports: frozenset[Port]
    udp_ports: frozenset[Port] = Field(
        default=frozenset(),
        description="UDP ports that must have been asked, and that count by their number.",
    )
    allowed: frozenset[Port] = Field(
        default=frozenset(),
        description="TCP ports where such a server is what the host is for, and not held against it. "
        "On a host that declares services, only those that it declares.",
    )


def _usual_ports(family: Iterable[Protocol]) -> Any:
    return Field(
        default=frozenset(port for protocol in family for port in protocol.tcp),
        description="TCP ports that must have been asked, and that count by their number "
        "where what answers is not identified.",
    )


class RemoteLoginLimits(ReachLimits):
    ports: frozenset[Port] = _usual_ports(REMOTE_LOGIN)


class FileTransferLimits(ReachLimits):
    ports: frozenset[Port] = _usual_ports(FILE_TRANSFER)


class RemoteDesktopLimits(ReachLimits):
    ports: frozenset[Port] = _usual_ports(REMOTE_DESKTOP)


class ManagementLimits(ReachLimits):
    ports: frozenset[Port] = _usual_ports(MANAGEMENT)


class DatabaseLimits(ReachLimits):
    ports: frozenset[Port] = _usual_ports(DATABASES)


class FileSharingLimits(ReachLimits):
    ports: frozenset[Port] = _usual_ports(FILE_SHARING)


class MailAccessLimits(ReachLimits):
    ports: frozenset[Port] = _usual_ports(MAIL_ACCESS)


class SmallServicesLimits(ReachLimits):
    ports: frozenset[Port] = _usual_ports(SMALL_SERVICES)


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
    yield from _reach(seen.facts, before, limits, host, REMOTE_LOGIN, encrypted_counts=False)


@check("port.file-transfer", severity=Severity.MEDIUM)
def file_transfer(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: FileTransferLimits, host: Host
) -> Iterator[Verdict]:
    """No FTP or TFTP server that starts unencrypted was recognised on any port that was asked.

    Why: FTP sends passwords and files in the clear unless every client asks for TLS (RFC 4217), which the
    port scan can't see the server insist on; TFTP has neither passwords nor encryption. FTP inside TLS from
    the first byte is not counted. The check sends nothing: it judges what the port scan saw, and a filtered
    port counts as not reachable from where the scan ran, unless the inventory declares a service there.

    Fix: Offer SFTP (part of OpenSSH) or HTTPS instead and stop the FTP server. If FTP must stay, make TLS
    mandatory (vsftpd: ssl_enable=YES, force_local_logins_ssl=YES, force_local_data_ssl=YES) and limit who
    reaches it.
    """
    yield from _reach(seen.facts, before, limits, host, FILE_TRANSFER, encrypted_counts=False)


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
    yield from _reach(seen.facts, before, limits, host, REMOTE_DESKTOP)


@check("port.management", severity=Severity.HIGH)
def management(
    seen: Observation[PortFacts], before: Earlier[PortFacts], limits: ManagementLimits, host: Host
) -> Iterator[Verdict]:
    """No management interface (WinRM, vSphere, Docker, Kubernetes, Webmin and the like) was recognised on any port asked.

    Why: Management interfaces give whoever gets in the whole machine, often many machines. They belong in a
    network of their own (CISA Binding Operational Directive 23-02 takes them off the Internet for US
    agencies). SNMP and IPMI speak UDP: they count by their numbers where the baseline has the scan ask them.
    The check sends nothing: it judges what the port scan saw, and a filtered port counts as not reachable
    from where the scan ran, unless the inventory declares a service there.

    Fix: Bind the interface to a management network or to localhost, and let the firewall admit it only from there.
    """
    yield from _reach(seen.facts, before, limits, host, MANAGEMENT)


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
    yield from _reach(seen.facts, before, limits, host, DATABASES)


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
    yield from _reach(seen.facts, before, limits, host, FILE_SHARING)


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
    yield from _reach(seen.facts, before, limits, host, MAIL_ACCESS, encrypted_counts=False)


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
    yield from _reach(seen.facts, before, limits, host, SMALL_SERVICES)


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
    declared = _declared(host)
    expected = declared or {("tcp", port) for port in limits.usual}
    surplus = [p for p in facts.ports if (p.transport, p.port) not in expected]
    gaps = [
        *_tarpit_verdicts(facts, limits),
        *_too_few_asked(facts, limits),
        *_maybe_open({(p.transport, p.port) for p in surplus if p.status is PortStatus.UNCERTAIN}),
    ]
    opened = [p for p in surplus if p.status is PortStatus.OPEN]
    if _is_tarpit(facts, limits):
        opened = [p for p in opened if _is_identified(p)]
    for state in opened:
        name, service = _name(state), _described(state)
        if declared:
            yield failed(
                "{port} is open ({service}); the inventory declares only {declared}.",
                object=name,
                port=name,
                service=service,
                declared=_names(declared),
            )
        else:
            yield failed(
                "{port} is open ({service}); the inventory declares no service, and usual are {usual}.",
                object=name,
                port=name,
                service=service,
                usual=_names(expected) or "-",
            )
    yield from gaps
    if not opened and not gaps:
        yield passed(
            "Of {count} TCP ports asked, none is open but those expected ({expected}).",
            count=_asked_count(facts),
            expected=_names(expected) or "-",
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
    tarpit = _is_tarpit(seen.facts, limits)
    identified = {(p.transport, p.port) for p in seen.facts.ports if _is_identified(p)}
    declared = _declared(host) or {("tcp", port) for port in limits.expected}
    for transport, port in sorted(declared):
        name = f"{transport}/{port}"
        match seen.facts.status(transport, port):
            case PortStatus.OPEN if tarpit and (transport, port) not in identified:
                yield from _tarpit_verdicts(seen.facts, limits, name)
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
    hidden = _hidden(facts, host, {"tcp"})
    gaps = [*_tarpit_verdicts(facts, limits), *_too_few_asked(facts, limits)]
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
    if opened > limits.most and not _is_tarpit(facts, limits):
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
            asked=_asked_count(facts),
            count=opened,
            most=limits.most,
        )


# --- Who answers --------------------------------------------------------------------------------------

#: How an identity is known by what was said, and not by the port number alone.
_BY_ANSWER = frozenset({"probe", "banner", "tls"})
#: nmap's names for having heard something and learned nothing. tcpwrapped: accepted, and closed at once.
_SAYS_NOTHING = frozenset({"", "unknown", "tcpwrapped", "ssl", "tls"})
_HTTP = frozenset({"http", "https"})


def _reach(
    facts: PortFacts,
    before: Earlier[PortFacts],
    limits: ReachLimits,
    host: Host,
    family: tuple[Protocol, ...],
    *,
    encrypted_counts: bool = True,
) -> Iterator[Verdict]:
    """A failure for each open port of the family, what could not be told, and a pass if there is neither."""

    def belongs(state: PortState) -> Protocol | None:
        return None if _is_encrypted(state) and not encrypted_counts else _by_answer(state, family)

    tarpit = list(_tarpit_verdicts(facts, limits))
    meant = _meant(limits, host)
    failing: set[tuple[str, int]] = set()
    for state in facts.ports:
        if state.status is not PortStatus.OPEN or (_is_encrypted(state) and not encrypted_counts):
            continue
        if (state.transport, state.port) in meant:
            continue
        name = _name(state)
        protocol = _by_answer(state, family)
        usual = _by_number(state, family, limits)
        if protocol is not None:
            failing.add((state.transport, state.port))
            yield failed(
                "{port} is open and answers as {protocol} ({service}).",
                object=name,
                port=name,
                protocol=protocol.label,
                service=_described(state),
            )
        elif usual is not None and not tarpit:
            failing.add((state.transport, state.port))
            yield failed(
                "{port} is open, the usual port of {protocol}; what answers there was not identified.",
                object=name,
                port=name,
                protocol=usual,
            )
    listed = {("tcp", port) for port in limits.ports} | {("udp", port) for port in limits.udp_ports}
    listed -= meant
    # A baseline that lists no UDP port has nobody ask any: a declared name server must not leave all rules unknown.
    hidden = _hidden(facts, host, {"tcp", "udp"} if limits.udp_ports else {"tcp"}) - meant
    gaps = [*tarpit, *_maybe_open({p for p in listed - hidden if facts.status(*p) is PortStatus.UNCERTAIN})]
    unasked = {place for place in listed | hidden if facts.status(*place) is None}
    if unasked:
        gaps.append(unknown(Reason.NOT_COLLECTED, "Not asked: {ports}.", ports=_names(unasked)))
    # One for each, so that a server that was recognised there before is not taken for gone.
    for transport, port in sorted(hidden - unasked):
        name = f"{transport}/{port}"
        gaps.append(
            unknown(
                Reason.TIMED_OUT,
                "{port} is declared and gave no answer, so what is behind it can't be told.",
                object=name,
                port=name,
            )
        )
    for place, (once, date) in _no_longer_recognised(facts, before, belongs, family).items():
        if place not in meant | failing:
            gaps.append(
                unknown(
                    Reason.UNPARSED,
                    "{port} answered as {protocol} on {date}; what is there now can't be told.",
                    object=_names({place}),
                    port=_names({place}),
                    protocol=once.label,
                    date=date.date().isoformat(),
                )
            )
    yield from gaps
    if not failing and not gaps and meant:
        yield passed(
            "None of {protocols} answers, but where this host may have them ({allowed}); their usual ports were asked "
            "({ports}) among {count} TCP ports.",
            protocols=", ".join(protocol.label for protocol in family),
            allowed=_names(meant),
            ports=_names(listed),
            count=_asked_count(facts),
        )
    elif not failing and not gaps:
        yield passed(
            "None of {protocols} answers; their usual ports were asked ({ports}) among {count} TCP ports.",
            protocols=", ".join(protocol.label for protocol in family),
            ports=_names(listed),
            count=_asked_count(facts),
        )


def _no_longer_recognised(
    facts: PortFacts,
    before: Earlier[PortFacts],
    belongs: Callable[[PortState], Protocol | None],
    family: tuple[Protocol, ...],
) -> dict[tuple[str, int], tuple[Protocol, datetime]]:
    """Ports where a server of the family was recognised, neither seen closed nor recognised as another since; and when.

    A server that gave itself away and then says less is the same server: saying less is no way to pass.
    """
    once = {(s.transport, s.port) for look in before.looks for s in look.facts.ports if belongs(s)}
    lost: dict[tuple[str, int], tuple[Protocol, datetime]] = {}
    settled = _settled(facts, once, family)
    for look in before.looks:
        for state in look.facts.ports:
            place = (state.transport, state.port)
            protocol = belongs(state)
            if protocol is not None and place not in settled:
                lost[place] = (protocol, look.observed_at)
        settled |= _settled(look.facts, once, family)
    return lost


def _settled(
    facts: PortFacts, places: set[tuple[str, int]], family: tuple[Protocol, ...]
) -> set[tuple[str, int]]:
    """Those of ``places`` that are closed, or where what answers said who it is."""
    over_http = any(protocol.products for protocol in family)

    def says_who(state: PortState) -> bool:
        identity = state.identity
        bare = identity is not None and identity.name in _HTTP and not identity.product
        return _is_identified(state) and not (bare and over_http)

    named = {(s.transport, s.port) for s in facts.ports if says_who(s)}
    return (places & named) | {p for p in places - named if facts.status(*p) is PortStatus.CLOSED}


def _meant(limits: ReachLimits, host: Host) -> set[tuple[str, int]]:
    """The ports where such a server is expected: what the inventory declares is more exact than what a role allows."""
    allowed = {("tcp", port) for port in limits.allowed}
    return allowed & _declared(host) if host.services else allowed


def _hidden(facts: PortFacts, host: Host, transports: set[str]) -> set[tuple[str, int]]:
    """The declared ports that may be open, for all that was seen."""
    told = (PortStatus.OPEN, PortStatus.CLOSED)
    return {p for p in _declared(host) if p[0] in transports and facts.status(*p) not in told}


def _declared(host: Host) -> set[tuple[str, int]]:
    return {(declared.service.transport, declared.service.port) for declared in host.services}


def _by_answer(state: PortState, family: Iterable[Protocol]) -> Protocol | None:
    """The protocol that what answers gave itself away as."""
    identity = state.identity
    if identity is None or identity.how not in _BY_ANSWER:
        return None
    product = identity.product.casefold()
    for protocol in family:
        if identity.name in protocol.names or any(part in product for part in protocol.products):
            return protocol
    return None


def _by_number(state: PortState, family: Iterable[Protocol], limits: ReachLimits) -> str | None:
    """What usually is on this port, where the baseline counts it and nothing that was said speaks against it."""
    if state.port not in (limits.ports if state.transport == "tcp" else limits.udp_ports):
        return None
    usual = next((p for p in family if state.port in (p.tcp if state.transport == "tcp" else p.udp)), None)
    identity = state.identity
    if identity is not None and _is_identified(state):
        # A bare HTTP answer with no product fits whatever is spoken over HTTP: Elasticsearch, WinRM, Docker.
        fits = usual is not None and usual.products and identity.name in _HTTP and not identity.product
        return usual.label if usual is not None and fits else None
    return usual.label if usual is not None else _name(state)


def _is_identified(state: PortState) -> bool:
    """Whether what answers said who it is."""
    identity = state.identity
    if identity is None or identity.how not in _BY_ANSWER:
        return False
    return identity.name not in _SAYS_NOTHING or bool(identity.product)


def _is_encrypted(state: PortState) -> bool:
    return state.identity is not None and (state.identity.tls or state.identity.how == "tls")


# --- What could not be told ---------------------------------------------------------------------------


def _is_tarpit(facts: PortFacts, limits: PortLimits) -> bool:
    """A tarpit, or a firewall that completes every handshake itself: open ports then mean nothing.

    Ports where something said who it is are believed all the same, for a tarpit says nothing. Without version
    detection nobody is asked who he is; then a host with this many open ports is unknown as well, and rightly.
    """
    opened = facts.open("tcp")
    identified = sum(_is_identified(state) for state in opened)
    return len(opened) > limits.tarpit_ports and 100 * identified < limits.tarpit_identified_percent * len(
        opened
    )


def _tarpit_verdicts(facts: PortFacts, limits: PortLimits, object: str = "") -> Iterator[Verdict]:
    if _is_tarpit(facts, limits):
        opened = facts.open("tcp")
        yield unknown(
            Reason.TARPIT,
            "{count} TCP ports are open and {identified} of them are identified: something answers for all of them.",
            object=object,
            count=len(opened),
            identified=sum(_is_identified(state) for state in opened),
        )


def _too_few_asked(facts: PortFacts, limits: SurveyLimits) -> Iterator[Verdict]:
    asked = _asked_count(facts)
    if asked < limits.least_asked:
        yield unknown(
            Reason.NOT_COLLECTED,
            "{asked} TCP ports were asked; {least} are the least that can tell.",
            asked=asked,
            least=limits.least_asked,
        )


def _maybe_open(places: set[tuple[str, int]]) -> Iterator[Verdict]:
    if places:
        yield unknown(
            Reason.TIMED_OUT,
            "No answer, so open or filtered: {ports}.",
            ports=_names(places),
        )


# --- How it is shown ----------------------------------------------------------------------------------


def _asked_count(facts: PortFacts) -> int:
    return len(ports_in(facts.asked.get("tcp", "")))


def _name(state: PortState) -> str:
    return f"{state.transport}/{state.port}"


def _names(places: Iterable[tuple[str, int]]) -> str:
    """``tcp/22,80-81 udp/53``."""
    by_transport: dict[str, set[int]] = {}
    for transport, port in places:
        by_transport.setdefault(transport, set()).add(port)
    return " ".join(
        f"{transport}/{port_ranges(by_transport[transport])}" for transport in sorted(by_transport)
    )


def _described(state: PortState) -> str:
    """Who answers, as far as it said so, in the scanner's words; a question mark where only the number is known."""
    identity = state.identity
    if identity is None or not identity.name:
        return "?"
    known = " ".join(filter(None, (identity.name, identity.product, identity.version)))
    return known if identity.how in _BY_ANSWER else f"{known}?"
