"""The protocols that port checks know, and how each is told: by what its server says, else by its ports."""

from dataclasses import dataclass


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

PRINTERS = (
    _protocol("JetDirect", "jetdirect", tcp=(9100,)),
    _protocol("LPD", "printer", tcp=(515,)),
    _protocol("IPP", "ipp", tcp=(631,), products=("cups",)),
)
