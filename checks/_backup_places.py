"""Where backups lie and what they are of: this host or another, one disk or two, and what is mounted."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from secscan.facts import Backup, Mount, MountFacts, Place, PlaceKind, known
from secscan.model import Host

#: Partitions of a disk by the kernel's names for it (Documentation/admin-guide/devices.txt): letters and a number,
#: or a number, ``p`` and a number. Everything else (device mapper, RAID, loop devices) does not tell its disks.
_DISK = re.compile(r"(/dev/(?:sd|hd|vd|xvd)[a-z]+)[0-9]*|(/dev/(?:nvme[0-9]+n|mmcblk)[0-9]+)(?:p[0-9]+)?")

#: File systems that hold no data of their own: what lies there is on no disk.
_NOT_ON_DISK = frozenset(
    {"tmpfs", "devtmpfs", "proc", "sysfs", "cgroup", "cgroup2", "devpts", "ramfs", "squashfs"}
)


def is_this_host(host: Host, place: Place) -> bool:
    """Whether the backup lies on the host after all, whichever way it is reached."""
    return place.kind is PlaceKind.LOCAL or names_this_host(host, place.host)


def names_this_host(host: Host, name: str) -> bool:
    plain = name.lower().strip("[]").rstrip(".")
    if plain in {
        "localhost",
        "localhost.localdomain",
        "ip6-localhost",
        host.id,
        *host.names,
        *host.addresses,
    }:
        return True
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified or str(mapped) in host.addresses)


# --- Disks ------------------------------------------------------------------------------------------------


def shares_disk(backup: Backup, place: Place, mounts: MountFacts) -> tuple[bool | None, str]:
    """Whether the backup lies on a disk that it saves (None: that can't be told), and on which device.

    ``place`` is LOCAL. Raises NotSeen where the mounts or what is included were not read.
    """
    mounted = [m for m in known(mounts.mounts) if m.type not in _NOT_ON_DISK]
    included = known(backup.included)
    sources = {m.device for path in included if (m := _mount_of(_plain(path), mounted)) is not None}
    if not included or not all(path.startswith("/") for path in included):
        # A database may lie on any of them but the one that the backup alone is on.
        sources |= {m.device for m in mounted if m.device != place.device}
        if _mount_of("/", mounted) is not None:
            sources.add(_device_of("/", mounted))
    if not place.device or not sources:
        return None, place.device
    if place.device in sources:
        return True, place.device
    own = _disk(place.device)
    disks = {_disk(device) for device in sources}
    if own is not None and own in disks:
        return True, own
    if own is None or None in disks:
        return None, place.device
    return False, place.device


def _disk(device: str) -> str | None:
    shape = _DISK.fullmatch(device)
    return (shape[1] or shape[2]) if shape else None


def _mount_of(path: str, mounts: Iterable[Mount]) -> Mount | None:
    holding = [m for m in mounts if is_within(path, m.path)]
    return max(holding, key=lambda m: len(m.path), default=None)


def _device_of(path: str, mounts: Iterable[Mount]) -> str:
    mount = _mount_of(path, mounts)
    return mount.device if mount else ""


# --- What is included ---------------------------------------------------------------------------------------


def is_covered(wanted: str, included: Sequence[str]) -> bool:
    """Whether something that is included holds all of ``wanted``. An asterisk ends a prefix."""
    for entry in included:
        if entry.endswith("*"):
            if wanted.startswith(entry[:-1]):
                return True
        elif wanted == entry or (_is_path(wanted) and is_within(wanted, entry)):
            return True
    return False


def exclusion_of(wanted: str, excluded: Sequence[str]) -> str | None:
    """The pattern that leaves out ``wanted`` as a whole, by its path or by the name of a folder above it."""
    if not _is_path(wanted):
        return next((pattern for pattern in excluded if pattern == wanted), None)
    folders = [wanted]
    while (above := folders[-1].rpartition("/")[0]) and above != folders[-1]:
        folders.append(above)
    for pattern in excluded:
        bare = _plain(pattern)
        for folder in folders:
            # A pattern without a slash is held against names, as restic, borg and rsync do.
            by_name = "/" not in pattern and is_like(folder.rpartition("/")[2], bare)
            if bare == "/" or by_name or is_like(folder, bare):
                return pattern
    return None


def unmounted(paths: Iterable[str], mounts: MountFacts) -> tuple[str, str] | None:
    """A path that is to be backed up and the file system that belongs there and is not mounted, if there is one.

    Raises NotSeen where the mounts were not read.
    """
    mounted = {m.path for m in known(mounts.mounts)}
    lacking = [w for w in known(mounts.wanted) if w.startswith("/") and w not in mounted]
    for path in paths:
        for where in lacking:
            if _is_path(path) and (is_within(_plain(path), where) or is_within(where, _plain(path))):
                return path, where
    return None


def is_within(path: str, folder: str) -> bool:
    """Whether ``path`` is the folder or lies in it."""
    trimmed = folder.rstrip("/\\")
    return path in (folder, trimmed) or path.startswith((f"{trimmed}/", f"{trimmed}\\"))


def _is_path(entry: str) -> bool:
    return entry.startswith("/") or re.match(r"[A-Za-z]:", entry) is not None


def _plain(path: str) -> str:
    """A path without the asterisk that ends a prefix, and without a slash at its end."""
    return path.rstrip("*").rstrip("/") or "/"


def is_like(text: str, pattern: str) -> bool:
    """Whether the pattern fits; an asterisk stands for anything, slashes too, and a question mark for one character.

    That is how the laxest of the tools read them: rather too much is taken as left out. The time is bounded by the
    product of the lengths, whatever a host writes; regular expressions and fnmatch are not.
    """
    at, star, held = 0, -1, 0
    place = 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, held = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            held += 1
            at, place = star + 1, held
        else:
            return False
    return all(character == "*" for character in pattern[at:])
