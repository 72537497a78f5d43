"""Sockets, firewall, mounts, timers and cron entries, from what a host says of itself. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

from secscan.collection.ssh.framing import Reply, Section
from secscan.collection.ssh.reading import (
    MOST,
    UnparsedError,
    blocks,
    bounded,
    command,
    cut_lines,
    lines,
    not_ahead,
    quoted,
    take,
    understood,
    without_login,
)
from secscan.facts import (
    CronEntry,
    Gap,
    Mount,
    MountFacts,
    Reading,
    ScheduleFacts,
    Socket,
    SocketFacts,
    Timer,
)
from secscan.model import Reason

_PROGRAM = re.compile(r'users:\(\("([^"]{1,64})"')
_HEX_SOCKET = re.compile(
    r"(?P<table>tcp6?|udp6?) +\d+: (?P<address>[0-9A-F]{8}|[0-9A-F]{32}):(?P<port>[0-9A-F]{4}) .*"
)
_SHORT = re.compile(r"(?P<schedule>@[a-z]+|(?:\S++[ \t]++){4}\S++)[ \t]++(?P<rest>.+)")
_ENVIRONMENT = re.compile(r"[ \t]*+[A-Za-z_\"'][A-Za-z0-9_\"']*+[ \t]*+=.*")
_SYSTEM_CRONTAB = re.compile(r"/etc/crontab|/etc/cron\.d/.+")
_NO_SYSTEMD = 3

#: Options of mounts that are kept: what they allow, and how they keep what is written; never who logs in with what.
_OPTIONS = frozenset(
    {
        *(
            "rw",
            "ro",
            "relatime",
            "noatime",
            "strictatime",
            "lazytime",
            "nodiratime",
            "nosuid",
            "suid",
            "nodev",
        ),
        *(
            "dev",
            "noexec",
            "exec",
            "sync",
            "async",
            "dirsync",
            "mand",
            "bind",
            "rbind",
            "nofail",
            "noauto",
            "auto",
        ),
        *(
            "user",
            "users",
            "nouser",
            "discard",
            "nodiscard",
            "barrier",
            "nobarrier",
            "errors",
            "data",
            "commit",
        ),
        *("subvol", "subvolid", "compress", "compress-force", "space_cache", "ssd", "nossd", "autodefrag"),
        *("size", "nr_inodes", "nr_blocks", "mode", "uid", "gid", "fmask", "dmask", "umask", "codepage"),
        *("iocharset", "shortname", "utf8", "hidepid", "inode64", "inode32", "attr2", "noquota", "usrquota"),
        *(
            "grpquota",
            "prjquota",
            "quota",
            "acl",
            "noacl",
            "user_xattr",
            "xattr",
            "noxattr",
            "stripe",
            "logbufs",
        ),
        *(
            "logbsize",
            "sunit",
            "swidth",
            "vers",
            "nfsvers",
            "proto",
            "rsize",
            "wsize",
            "namlen",
            "hard",
            "soft",
        ),
        *(
            "timeo",
            "retrans",
            "sec",
            "addr",
            "clientaddr",
            "local_lock",
            "lock",
            "nolock",
            "port",
            "mountport",
        ),
        *("username", "domain", "cache", "seal", "sign", "serverino", "mapposix", "mapchars", "file_mode"),
        *("dir_mode", "forceuid", "forcegid", "noforceuid", "noforcegid", "persistenthandles", "allow_other"),
        *(
            "default_permissions",
            "user_id",
            "group_id",
            "max_read",
            "blksize",
            "reconnect",
            "x-systemd.automount",
        ),
        *(
            "lowerdir",
            "upperdir",
            "workdir",
            "index",
            "metacopy",
            "fs",
            "pgrp",
            "noswap",
            "seclabel",
            "nosharecache",
        ),
    }
)

#: File systems that hold nothing of anybody's.
_PSEUDO = frozenset(
    {
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs"),
        *(
            "efivarfs",
            "fuse.gvfsd-fuse",
            "fuse.lxcfs",
            "fusectl",
            "hugetlbfs",
            "mqueue",
            "nsfs",
            "proc",
            "pstore",
        ),
        *("ramfs", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs"),
    }
)


# --- Sockets ------------------------------------------------------------------------------------------------------


def socket_facts(reply: Reply) -> SocketFacts | Gap:
    """A Gap where neither half could be read."""
    sockets, firewall = take(reply, "sockets", parse_sockets), _firewall(reply)
    return (
        sockets
        if isinstance(sockets, Gap) and isinstance(firewall, Gap)
        else SocketFacts(sockets=sockets, firewall=firewall)
    )


def parse_sockets(text: str) -> tuple[Socket, ...]:
    """`ss -ltunp` with or without its heading, or lines of /proc/net behind the name of their table."""
    found = set()
    # A server with many processes has all of them on one line: of the first alone is anything kept.
    for line in cut_lines(text):
        if line.startswith("Netid"):
            continue
        found.add(_hex_socket(line) or _ss_socket(line))
        if len(found) > MOST:
            raise UnparsedError(f"over {MOST} listening sockets")
    return tuple(sorted(found, key=lambda s: (s.transport, s.port, s.address, s.program)))


def _ss_socket(line: str) -> Socket:
    words = line.split()
    if len(words) < 6 or words[0] not in ("tcp", "udp") or words[1] not in ("LISTEN", "UNCONN"):
        raise UnparsedError(line)
    address, colon, port = words[4].rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or int(port) > 65535:
        raise UnparsedError(line)
    program = _PROGRAM.search(line)
    return Socket(
        transport=words[0],
        address=_address(address.partition("%")[0].strip("[]"), line),
        port=int(port),
        program=program[1] if program else "",
    )


def _hex_socket(line: str) -> Socket | None:
    found = _HEX_SOCKET.fullmatch(line)
    if found is None:
        return None
    # The kernel prints each 32-bit word of an address as its processor holds it: little-endian on all but s390x.
    raw = bytes.fromhex(found["address"])
    plain = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = str(IPv4Address(plain)) if len(plain) == 4 else str(IPv6Address(plain))
    return Socket(transport=found["table"][:3], address=address, port=int(found["port"], 16))


def _address(text: str, line: str) -> str:
    if text == "*":
        return "::"  # both families, as ss says it
    try:
        return str(IPv6Address(text) if ":" in text else IPv4Address(text))
    except ValueError:
        raise UnparsedError(line) from None


def _firewall(reply: Reply) -> Reading[bool]:
    """True where rules are known to be loaded; False only where root looked and there are none."""
    text = reply.output("firewall")
    if isinstance(text, Gap):
        return text
    units: dict[str, bool] = {}
    counts: list[int] = []
    ufw = False
    for line in cut_lines(text):
        words = line[:100].split()
        if len(words) == 3 and words[0] == "unit" and len(units) < MOST:
            units[words[1]] = words[2] == "active"
        elif (
            len(words) == 3
            and words[0] in ("nft", "iptables")
            and re.fullmatch(r"[0-9]{1,9}", words[2], re.ASCII)
        ):
            counts.append(int(words[2]))
        elif line.strip().lower() == "enabled=yes":
            ufw = True
    if (
        any(counts)
        or any(on for unit, on in units.items() if unit != "ufw")
        or (ufw and units.get("ufw", True))
    ):
        return True
    return (
        False
        if counts
        else Gap(Reason.UNREADABLE, "only root can see whether rules of a firewall are loaded")
    )


# --- Mounts --------------------------------------------------------------------------------------------------------


def mount_facts(reply: Reply) -> MountFacts | Gap:
    sizes = _sizes(reply)

    def parse(text: str) -> tuple[Mount, ...]:
        found: dict[str, Mount] = {}
        for line in cut_lines(text):
            words = line.split(" ", 4)
            if len(words) < 4:
                raise UnparsedError(line)
            device, path, kind, options = (_unescaped(word) for word in words[:4])
            if kind in _PSEUDO:
                continue
            # The last mount at a place is the one that shows.
            found[path] = Mount(
                path=bounded(path),
                device=bounded(without_login(device)),
                type=bounded(kind),
                # What follows a comma within a password looks like an option of its own: only known ones are kept.
                options=tuple(bounded(o) for o in options.split(",") if o.partition("=")[0] in _OPTIONS)[:50],
                size=sizes.get(path, 0),
            )
            if len(found) > MOST:
                raise UnparsedError(f"over {MOST} mounts")
        return tuple(found[path] for path in sorted(found))

    mounts = take(reply, "mounts", parse)
    return mounts if isinstance(mounts, Gap) else MountFacts(mounts=mounts, wanted=_wanted(reply))


def _wanted(reply: Reply) -> Reading[tuple[str, ...]]:
    """Paths of /etc/fstab that are to be mounted at boot: the section on backups reads it."""
    text = reply.output("backup-host")
    if isinstance(text, Gap):
        return text
    lines = text.splitlines()
    if "fstab read" not in lines:
        return Gap(Reason.UNREADABLE, "/etc/fstab can't be read")
    wanted = {_unescaped(line[len("wanted ") :]) for line in lines if line.startswith("wanted /")}
    return tuple(sorted(map(bounded, wanted)))[:MOST]


def _sizes(reply: Reply) -> dict[str, int]:
    """Bytes by path, as far as `df -P -k` came: one dead network mount makes it fail and does not spoil the rest."""
    section = reply.section("sizes")
    if not isinstance(section, Section):
        return {}
    found: dict[str, int] = {}
    for line in cut_lines(section.text):
        # Names of devices have blanks as well as paths: the columns between are counted from where the path begins.
        head, percent, path = line.partition("% /")
        if not percent:
            head, percent, path = line.partition(" - /")
        blocks = head.split()[-4 if line[len(head)] == "%" else -3 :][:1] if percent else []
        if blocks and re.fullmatch(r"[0-9]{1,18}", blocks[0], re.ASCII) and len(found) < MOST:
            found[f"/{path}"] = int(blocks[0]) * 1024
    return found


def _unescaped(word: str) -> str:
    """getmntent(3): blanks, tabs, newlines and backslashes are written in octal."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda m: chr(int(m[1], 8)), word)


# --- Timers and cron -------------------------------------------------------------------------------------------------


def schedule_facts(reply: Reply) -> ScheduleFacts | Gap:
    """A Gap where neither half could be read."""
    timers, cron = _timers(reply), take(reply, "cron", parse_cron)
    if isinstance(timers, Gap) and isinstance(cron, Gap):
        return timers
    if isinstance(cron, Gap):
        return ScheduleFacts(timers=timers, cron=cron, cron_unread=cron)
    return ScheduleFacts(timers=timers, cron=cron[0], cron_unread=cron[1])


def _timers(reply: Reply) -> Reading[tuple[Timer, ...]]:
    section = reply.section("timers")
    if isinstance(section, Gap):
        return section
    if section.status == _NO_SYSTEMD:
        return ()
    text = reply.output("timers")
    if isinstance(text, Gap):
        return text
    services = reply.output("services")
    if isinstance(services, Gap):
        return services

    def parse(text: str) -> tuple[Timer, ...]:
        units = {unit["Id"]: unit for unit in _units(services) if "Id" in unit}
        found = [_timer(unit, units) for unit in _units(text)]
        return tuple(sorted(found, key=lambda t: t.name))

    timers = understood("timers", text, parse)
    if isinstance(timers, Gap):
        return timers
    for at in (at for timer in timers for at in (timer.triggered_at, timer.ended_at) if at):
        if isinstance(gap := not_ahead(reply, "timers", at), Gap):
            return gap
    return timers


def _timer(timer: dict[str, str], units: dict[str, dict[str, str]]) -> Timer:
    if not timer.get("Id"):
        raise UnparsedError(repr(timer))
    name = timer.get("Unit", "")
    unit = units.get(name, {})
    arguments = unit.get("ExecStart", "").partition("argv[]=")[2].partition(" ; ignore_errors=")[0]
    status = unit.get("ExecMainStatus", "")
    ended = _when(unit.get("ExecMainExitTimestamp", ""))
    return Timer(
        name=bounded(timer["Id"]),
        unit=bounded(name),
        enabled=timer.get("UnitFileState", "")
        in ("enabled", "enabled-runtime", "static", "generated", "transient"),
        command=command(arguments),
        result=bounded(unit.get("Result", "")),
        triggered_at=_when(timer.get("LastTriggerUSec", "")),
        ended_at=ended,
        # Before a unit ever ran, systemd says 0 here too.
        exit_status=int(status) if ended and re.fullmatch(r"[0-9]{1,3}", status, re.ASCII) else None,
    )


def _units(text: str) -> Iterator[dict[str, str]]:
    """`systemctl show`: a property a line, an empty line between units. Raises UnparsedError over too many."""
    for number, block in enumerate(blocks(text)):
        if number >= MOST:
            raise UnparsedError(f"over {MOST} units")
        yield {key: value for key, _, value in (line.partition("=") for line in cut_lines(block))}


def _when(text: str) -> datetime | None:
    """systemd.time(7), as printed with TZ=UTC: ``Sun 2026-11-22 16:00:00 UTC``; None for ``n/a`` and nothing."""
    if text in ("", "n/a", "0"):
        return None
    try:
        return datetime.strptime(text.partition(" ")[2], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    except ValueError:
        raise UnparsedError(text) from None


def parse_cron(text: str) -> tuple[tuple[CronEntry, ...], tuple[str, ...]]:
    """Entries, and what could not be read or understood, each sorted."""
    entries: set[CronEntry] = set()
    unread: set[str] = set()
    file = ""
    for line in lines(text):
        word, _, rest = line.partition(" ")
        if word == "file":
            file = rest
        elif word == "own":
            file = ""
        elif word == "unread":
            unread.add(bounded(rest))
        elif word == "run":
            period, _, path = rest.partition(" ")
            entries.add(
                CronEntry(
                    file=bounded(path), schedule=f"@{bounded(period)}", user="root", command=bounded(path)
                )
            )
        elif word == "line" and not _ENVIRONMENT.fullmatch(rest):
            entry = _entry(file, rest)
            if entry is None:
                unread.add(bounded(f"{file}: not understood: {quoted(rest)}"))
            else:
                entries.add(entry)
        if len(entries) + len(unread) > MOST:
            raise UnparsedError(f"over {MOST} cron entries")
    return tuple(sorted(entries, key=_place)), tuple(sorted(unread))


def _entry(file: str, line: str) -> CronEntry | None:
    if file == "/etc/anacrontab":
        job = re.fullmatch(r"\s*+(\S++)\s++(\d++)\s++\S++\s++(.+)", line)
        return job and CronEntry(file=file, schedule=bounded(job[1]), user="root", command=command(job[3]))
    found = _SHORT.fullmatch(line.strip())
    if found is None:
        return None
    rest, user = found["rest"], bounded(file.rpartition("/")[2])
    if _SYSTEM_CRONTAB.fullmatch(file):
        user, _, rest = (part.strip() for part in re.sub(r"[ \t]+", " ", rest, count=1).partition(" "))
    if not rest:
        return None
    return CronEntry(
        file=bounded(file), schedule=bounded(found["schedule"]), user=bounded(user), command=command(rest)
    )


def _place(entry: CronEntry) -> tuple[str, str, str, str]:
    return entry.file, entry.schedule, entry.user, entry.command
