"""How a host is kept up to date: pending updates, repositories, metadata, automatic updates. Pure."""

import re
from datetime import datetime

from secscan.collection.ssh.framing import Reply, Section
from secscan.collection.ssh.packages import pacman_changed, rpm_changed
from secscan.collection.ssh.reading import (
    LONGEST_LINE,
    MOST,
    UnparsedError,
    bounded,
    cut_lines,
    instants,
    lines,
    not_ahead,
    take,
    understood,
    without_password,
)
from secscan.collection.ssh.system import enabled_repositories
from secscan.facts import Gap, PackageFacts, PendingUpdate, Reading, Repository, UpdateFacts
from secscan.model import Reason

_APT_INST = re.compile(
    r"Inst (?P<name>\S+) (?:\[(?P<old>[^\]]*)\] )?\((?P<new>\S+) (?P<origin>[^\[\]]*)\[(?P<arch>[^\]]+)\]\).*"
)
_APK_PENDING = re.compile(
    r"(?P<name>\S+)-(?P<old>\d[^\s-]*(?:-r\d+)?)\s+<\s+(?P<new>\S+)(?: (?P<origin>@\S+))?"
)
_PACMAN_PENDING = re.compile(r"(?P<name>\S+) (?P<old>\S+) -> (?P<new>\S+)(?: \[ignored\])?")
_SETTING = re.compile(r'(?P<key>[A-Za-z:-]+) "(?P<value>[^"]*)";')

_MIXED = Gap(Reason.NOT_COLLECTED, "security updates are not in a repository of their own here")
_UNNAMED = Gap(Reason.NOT_COLLECTED, "the package manager does not say which updates are for security")
#: dnf keeps a cache under /var/tmp for every account that asks it, and nothing is written on a host.
_NEEDS_ROOT = Gap(
    Reason.UNREADABLE,
    "dnf and yum write a cache for ordinary accounts; see secscan explain-access for reading as root",
)


def update_facts(reply: Reply, packages: PackageFacts | Gap) -> UpdateFacts | Gap:
    """How the host is kept; a Gap where not even its package manager is known."""
    if isinstance(packages, Gap):
        return packages
    match packages.manager:
        case "dpkg":
            return UpdateFacts(
                pending=take(reply, "apt-pending", _apt_pending),
                repositories=take(reply, "apt-origins", _apt_repositories),
                metadata_at=not_ahead(reply, "apt-metadata", take(reply, "apt-metadata", _apt_metadata)),
                automatic=_apt_automatic(reply, packages),
                changed_at=not_ahead(reply, "changed", take(reply, "changed", dpkg_changed)),
                hotfixes=_NOT_WINDOWS,
            )
        case "rpm":
            return UpdateFacts(
                pending=_rpm_pending(reply, packages),
                repositories=take(reply, "rpm-origins", _rpm_repositories),
                metadata_at=not_ahead(reply, "rpm-metadata", _rpm_metadata(reply)),
                automatic=_rpm_automatic(reply),
                changed_at=not_ahead(reply, "rpm", take(reply, "rpm", rpm_changed)),
                hotfixes=_NOT_WINDOWS,
            )
        case "apk":
            return UpdateFacts(
                pending=_apk_pending(reply),
                repositories=take(reply, "apk-origins", _apk_repositories),
                metadata_at=not_ahead(reply, "apk-metadata", take(reply, "apk-metadata", _oldest)),
                automatic=_cron_automatic(reply, "apk", re.compile("upgrade")),
                changed_at=not_ahead(
                    reply, "changed", take(reply, "changed", lambda text: _one(text, "/lib/apk/db/installed"))
                ),
                hotfixes=_NOT_WINDOWS,
            )
        case _:
            return UpdateFacts(
                pending=_pacman_pending(reply),
                repositories=take(reply, "pacman-origins", _pacman_repositories),
                metadata_at=not_ahead(
                    reply, "pacman-origins", take(reply, "pacman-origins", _pacman_metadata)
                ),
                automatic=_cron_automatic(reply, "pacman", re.compile("-Sy*+u.*")),
                changed_at=not_ahead(reply, "pacman", take(reply, "pacman", pacman_changed)),
                hotfixes=_NOT_WINDOWS,
            )


_NOT_WINDOWS = Gap(Reason.NOT_COLLECTED, "hotfixes are counted on Windows only")


# --- Debian and its like --------------------------------------------------------------------------------------


def _apt_pending(text: str) -> tuple[PendingUpdate, ...]:
    """`apt-get -s dist-upgrade`, without what would newly come along: that is not installed yet."""
    pending: list[PendingUpdate] = []
    for line in lines(text):
        if not line.startswith("Inst "):
            continue
        update = _APT_INST.fullmatch(line)
        if update is None:
            raise UnparsedError(line)
        if update["old"] is None:
            continue
        origin = update["origin"].strip()
        _one_more(
            pending,
            PendingUpdate(
                name=bounded(update["name"]),
                architecture=bounded(update["arch"]),
                installed=bounded(update["old"]),
                candidate=bounded(update["new"]),
                origin=bounded(origin),
                security=_is_security(origin),
            ),
        )
    return _in_order(pending)


def _apt_repositories(text: str) -> tuple[Repository, ...]:
    found = {}
    for line in lines(text):
        if not line:
            continue
        fields = line.split("\t")
        if len(fields) != 6:
            raise UnparsedError(line)
        address, configured, suite, codename, origin, label = fields
        security = any(_is_security(field) for field in (configured, suite, codename, origin, label))
        repository = Repository(
            address=without_password(address), suite=bounded(configured or suite), security=security
        )
        found[repository.address, repository.suite] = repository
        if len(found) > MOST:
            raise UnparsedError(f"over {MOST} repositories")
    return tuple(found[key] for key in sorted(found))


def _apt_metadata(text: str) -> datetime:
    """When the lists last changed, or apt last noted that they need not.

    The lists' own instants are those of the archive. The folder's instant does not move while nothing changes
    there, and an archive that does not change for weeks is what a frozen mirror looks like.
    """
    seen = instants(text)
    known = [
        seen[path]
        for path in ("/var/lib/apt/lists", "/var/lib/apt/periodic/update-success-stamp")
        if path in seen
    ]
    if not known or not any(path.startswith("/var/lib/apt/lists/") for path in seen):
        raise UnparsedError("the host has no package lists")
    return max(known)


def _apt_automatic(reply: Reply, packages: PackageFacts) -> Reading[bool]:
    """Both halves must be on (apt.conf's APT::Periodic), the program there, and its timer not turned off."""
    text = reply.output("apt-settings")
    if isinstance(text, Gap):
        return text
    settings: dict[str, list[str]] = {}
    for line in lines(text):
        if setting := _SETTING.fullmatch(line.strip()):
            settings.setdefault(setting["key"].rstrip(":"), []).append(setting["value"])

    def on(name: str) -> bool:
        values = settings.get(f"APT::Periodic::{name}", ["0"])
        return values[-1] not in ("", "0")

    origins = settings.get("Unattended-Upgrade::Origins-Pattern", []) + settings.get(
        "Unattended-Upgrade::Allowed-Origins", []
    )
    units = _units(reply)
    return (
        on("Update-Package-Lists")
        and on("Unattended-Upgrade")
        and settings.get("APT::Periodic::Enable", ["1"])[-1] != "0"
        and any(package.name == "unattended-upgrades" for package in packages.packages)
        and any(_is_security(origin) for origin in origins)
        and units.get("apt-daily-upgrade.timer", "enabled") in ("enabled", "enabled-runtime", "static", "")
    )


# --- Red Hat, SUSE and their like -------------------------------------------------------------------------------


def _rpm_pending(reply: Reply, packages: PackageFacts) -> Reading[tuple[PendingUpdate, ...]]:
    section = reply.section("rpm-pending")
    if isinstance(section, Gap):
        return section
    if section.status == 126:
        return _NEEDS_ROOT
    # dnf(8), check-update: 100 where there are updates, 0 where there is none, 1 for an error.
    if section.status not in (0, 100):
        return Gap(Reason.UNREADABLE, f"rpm-pending: the command failed with status {section.status}")
    if "|" in section.text:
        return understood("rpm-pending", section.text, _zypper_pending)
    return understood("rpm-pending", section.text, lambda text: _dnf_pending(text, reply, packages))


def _dnf_pending(text: str, reply: Reply, packages: PackageFacts) -> tuple[PendingUpdate, ...]:
    """``name.arch version repository``, by words: dnf breaks lines at 80 columns wherever a name is long."""
    words: list[str] = []
    for line in lines(text):
        if line == "Obsoleting Packages":
            break
        words += line.split()
        if len(words) > 3 * MOST:
            raise UnparsedError(f"over {MOST} pending updates")
    if len(words) % 3:
        raise UnparsedError(text.strip())
    installed = {(p.name, p.architecture): p.version for p in packages.packages}
    security = _dnf_security(reply)
    pending: list[PendingUpdate] = []
    for named, candidate, origin in zip(words[::3], words[1::3], words[2::3], strict=True):
        name, dot, architecture = named.rpartition(".")
        if not dot:
            raise UnparsedError(named)
        _one_more(
            pending,
            PendingUpdate(
                name=bounded(name),
                architecture=bounded(architecture),
                installed=installed.get((name, architecture), ""),
                candidate=bounded(candidate),
                origin=bounded(origin),
                security=security if isinstance(security, Gap) else (name, architecture) in security,
            ),
        )
    return _in_order(pending)


def _dnf_security(reply: Reply) -> set[tuple[str, str]] | Gap:
    """Names and architectures of `updateinfo list --security`: advisory, severity, and package on a line."""
    text = reply.output("rpm-security")
    if isinstance(text, Gap):
        return text
    found: set[tuple[str, str]] = set()
    for line in cut_lines(text):
        words = line.split()
        if len(words) < 3 or len(line) > LONGEST_LINE or len(found) >= 10 * MOST:
            continue
        name_version, _, architecture = words[2].rpartition(".")
        parts = name_version.rsplit("-", 2)
        if len(parts) == 3:
            found.add((parts[0], architecture))
    return found


def _zypper_pending(text: str) -> tuple[PendingUpdate, ...]:
    pending: list[PendingUpdate] = []
    for line in lines(text):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 6 or cells[0] != "v":
            continue
        _mark, origin, name, installed, candidate, architecture = cells[:6]
        _one_more(
            pending,
            PendingUpdate(
                name=bounded(name),
                architecture=bounded(architecture),
                installed=bounded(installed),
                candidate=bounded(candidate),
                origin=bounded(origin),
                security=_UNNAMED,
            ),
        )
    return _in_order(pending)


def _rpm_repositories(text: str) -> tuple[Repository, ...]:
    if any(line == "?unread" for line in cut_lines(text)):
        raise UnparsedError("a file of repositories that only root can read")
    found = [
        Repository(
            address=without_password(address),
            suite=name,
            security=True if "security" in name.lower() else _MIXED,
        )
        for name, address in enabled_repositories(text).items()
    ]
    return tuple(sorted(found, key=lambda r: (r.suite, r.address)))


def _rpm_metadata(reply: Reply) -> Reading[datetime]:
    seen = take(reply, "rpm-metadata", instants)
    if isinstance(seen, Gap):
        return seen
    configured = reply.output("rpm-origins")
    read = (
        understood("rpm-origins", configured, enabled_repositories)
        if isinstance(configured, str)
        else configured
    )
    names = frozenset(read) if not isinstance(read, Gap) else frozenset[str]()
    # dnf: /var/cache/dnf/ID-HASH/repodata/; yum: /var/cache/yum/ARCH/RELEASE/ID/; zypp: /var/cache/zypp/raw/ID/.
    used = [at for path, at in seen.items() if not names or _is_cache_of(path, names)]
    return (
        min(used) if used else Gap(Reason.UNREADABLE, "no metadata of an enabled repository is on the host")
    )


def _is_cache_of(path: str, repositories: frozenset[str]) -> bool:
    return any(
        part in repositories or (re.fullmatch(r"-[0-9a-f]{16}", part[-17:]) and part[:-17] in repositories)
        for part in path.split("/")
    )


def _rpm_automatic(reply: Reply) -> Reading[bool]:
    text = reply.output("automatic")
    if isinstance(text, Gap):
        return text
    units = _units(reply)
    if not units:
        return Gap(Reason.UNREADABLE, "the host's timers could not be read")
    applies = any(
        key.strip().lower() == "apply_updates" and value.strip().lower() in ("yes", "true", "1", "on")
        for key, _, value in (line.partition("=") for line in cut_lines(text))
    )
    on = {name for name, state in units.items() if state in ("enabled", "enabled-runtime")}
    if on & {"dnf-automatic-install.timer", "transactional-update.timer"}:
        return True
    return applies and bool(on & {"dnf-automatic.timer", "dnf5-automatic.timer", "yum-cron.service"})


# --- Alpine and Arch ---------------------------------------------------------------------------------------------


def _apk_pending(reply: Reply) -> Reading[tuple[PendingUpdate, ...]]:
    metadata = reply.output("apk-metadata")
    if isinstance(metadata, str) and not metadata.strip():
        return Gap(Reason.UNREADABLE, "the host keeps no index of packages, so apk can't tell what is new")

    def parse(text: str) -> tuple[PendingUpdate, ...]:
        pending: list[PendingUpdate] = []
        for line in lines(text):
            if not line.strip() or line.startswith(("Installed:", "WARNING:")):
                continue
            update = _APK_PENDING.fullmatch(line.strip())
            if update is None:
                raise UnparsedError(line)
            _one_more(pending, _plain_update(update, update["origin"] or ""))
        return _in_order(pending)

    return take(reply, "apk-pending", parse)


def _apk_repositories(text: str) -> tuple[Repository, ...]:
    addresses = set()
    for line in lines(text):
        addresses.update(line.split()[-1:])
        if len(addresses) > MOST:
            raise UnparsedError(f"over {MOST} repositories")
    return tuple(Repository(address=without_password(a), security=_MIXED) for a in sorted(addresses))


def _pacman_pending(reply: Reply) -> Reading[tuple[PendingUpdate, ...]]:
    # It ends with 1 where there is none.
    section = reply.section("pacman-pending")
    if not isinstance(section, Section):
        return section
    if section.status not in (0, 1):
        return Gap(Reason.UNREADABLE, f"pacman-pending: the command failed with status {section.status}")

    def parse(text: str) -> tuple[PendingUpdate, ...]:
        pending: list[PendingUpdate] = []
        for line in lines(text):
            update = _PACMAN_PENDING.fullmatch(line)
            if update is None:
                raise UnparsedError(line)
            _one_more(pending, _plain_update(update, ""))
        return _in_order(pending)

    return understood("pacman-pending", section.text, parse)


def _pacman_repositories(text: str) -> tuple[Repository, ...]:
    sections, servers, here = [], [], ""
    own: dict[str, str] = {}
    for line in lines(text):
        line = line.strip()
        if line.startswith("["):
            here = bounded(line.strip("[]"))
            if here != "options":
                sections.append(here)
                if len(sections) > MOST:
                    raise UnparsedError(f"over {MOST} repositories")
        elif line.startswith("Server"):
            server = line.partition("=")[2].strip()
            servers.append(server)
            own.setdefault(here, server)
    mirror = servers[-1] if servers else ""
    return tuple(
        Repository(address=without_password(own.get(name, mirror)), suite=name, security=_MIXED)
        for name in sorted(set(sections))
    )


def _pacman_metadata(text: str) -> datetime:
    """The newest: a database's instant is that of the mirror, where a quiet repository does not change for weeks."""
    found = instants("\n".join(line for line in lines(text) if re.match(r"[0-9]++ /", line)))
    if not found:
        raise UnparsedError("the host has no database of its repositories")
    return max(found.values())


def _cron_automatic(reply: Reply, program: str, asked: re.Pattern[str]) -> Reading[bool]:
    """Whether a crontab starts the program with a word that ``asked`` matches whole."""
    text = reply.output("cron")
    if isinstance(text, Gap):
        return text
    unread = False
    for line in cut_lines(text):
        words = re.split(r"[\s;&|()'\"]+", line)
        unread = unread or words[0] == "unread"
        named = next((i for i, word in enumerate(words) if word.rpartition("/")[2] == program), len(words))
        if words[0] == "line" and any(asked.fullmatch(word) for word in words[named + 1 :]):
            return True
    return Gap(Reason.UNREADABLE, "root's crontab could not be read") if unread else False


def _is_security(name: str) -> bool:
    """By what archives call themselves: ``jammy-security``, ``Debian-Security``, ``UbuntuESMApps``."""
    lowered = name.lower()
    return "security" in lowered or "ubuntuesm" in lowered


# --- Shared --------------------------------------------------------------------------------------------------------


def _one_more(pending: list[PendingUpdate], update: PendingUpdate) -> None:
    pending.append(update)
    if len(pending) > MOST:
        raise UnparsedError(f"over {MOST} pending updates")


def _plain_update(update: re.Match[str], origin: str) -> PendingUpdate:
    return PendingUpdate(
        name=bounded(update["name"]),
        architecture="",
        installed=bounded(update["old"]),
        candidate=bounded(update["new"]),
        origin=bounded(origin),
        security=_UNNAMED,
    )


def _in_order(pending: list[PendingUpdate]) -> tuple[PendingUpdate, ...]:
    return tuple(sorted(pending, key=lambda p: (p.name, p.architecture)))


def _units(reply: Reply) -> dict[str, str]:
    """Unit -> what `systemctl is-enabled` says of it."""
    text = reply.output("automatic")
    if isinstance(text, Gap):
        return {}
    found: dict[str, str] = {}
    for line in cut_lines(text):
        words = line[:200].split()
        if len(words) >= 2 and words[0] == "unit" and len(found) < MOST:
            found[words[1]] = words[2] if len(words) > 2 else ""
    return found


def dpkg_changed(text: str) -> datetime:
    """When a package was last installed or updated: the newest list of files; where there is none, dpkg's status."""
    found = instants(text)
    lists = [at for path, at in found.items() if path.startswith("/var/lib/dpkg/info/")]
    return max(lists) if lists else _one(text, "/var/lib/dpkg/status")


def _one(text: str, path: str) -> datetime:
    seen = instants(text)
    if path not in seen:
        raise UnparsedError(f"no instant of {path}")
    return seen[path]


def _oldest(text: str) -> datetime:
    seen = instants(text)
    if not seen:
        raise UnparsedError("the host keeps no index of packages")
    return min(seen.values())
