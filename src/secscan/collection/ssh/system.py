"""Operating system, kernels, clock and waiting reboots, from what a host says of itself. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from secscan.collection.ssh.framing import Reply, Section
from secscan.collection.ssh.packages import rpm_installed_since
from secscan.collection.ssh.reading import (
    LONGEST_LINE,
    MOST,
    UnparsedError,
    bounded,
    cut_lines,
    instant,
    lines,
    not_ahead,
    take,
)
from secscan.facts import Gap, Kernel, Package, PackageFacts, Reading, Release, SystemFacts
from secscan.model import Reason

#: More kernels, programs or packages than this are not listed.
MOST_LISTED = 1000

_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_REDHAT = re.compile(r"REDHAT=(?P<name>[A-Za-z ]+?)(?: Linux)?(?: Server)? release (?P<version>[0-9.]+).*")
_RPM_KERNEL = re.compile(
    r"kernel(?:-(?:core|default|default-base|azure|rt|rt-core|64k|64k-core|lt|ml|lt-core|ml-core|uek|uek-core|longterm"
    r"|longterm-core|modules-core))?|kernel[0-9.]+"
)
_APK_KERNEL = re.compile(r"linux-(?P<flavour>lts|virt|stable|edge|rpi[0-9]?)")
_ARCH_KERNELS = {
    "linux": "",
    "linux-lts": "-lts",
    "linux-zen": "-zen",
    "linux-hardened": "-hardened",
    "linux-rt": "-rt",
}
_REBOOT_WANTED = 102  # zypper(8), exit codes
#: What `dnf needs-restarting --reboothint` (dnf-plugins-core) takes for in use only after a reboot. It can't be asked
#: itself: like all of dnf it writes a cache.
_NEEDS_REBOOT = frozenset(
    {
        *("kernel", "kernel-core", "kernel-rt", "glibc", "linux-firmware", "systemd", "dbus", "dbus-broker"),
        *("dbus-daemon", "microcode_ctl"),
    }
)


@dataclass(frozen=True, slots=True)
class Clock:
    """Our own clock (seconds since 1970) when the script was sent and when its reply began."""

    sent: float
    began: float


def system_facts(reply: Reply, packages: PackageFacts | Gap, clock: Clock | None) -> SystemFacts | Gap:
    """What the host is. ``clock`` is None where the host's clock is ours."""
    uname = take(reply, "uname", _uname)
    if isinstance(uname, Gap):
        return uname
    system, kernel, architecture = uname
    if system != "Linux":
        return Gap(
            Reason.NOT_COLLECTED, f"the system is {bounded(system, 40)!r}; secscan reads Linux and Windows"
        )
    wanted = _reboot_required(reply)
    return SystemFacts(
        family="linux",
        release=_release(reply),
        architecture=architecture,
        kernel=kernel,
        kernels=_kernels(reply, packages),
        booted_at=not_ahead(reply, "clock", take(reply, "clock", _booted_at)),
        reboot_required=wanted,
        reboot_packages=_reboot_packages(reply) if wanted is not False else (),
        outdated_programs=take(reply, "programs", _programs),
        clock_offset=clock_offset(reply, clock),
        clock_synchronised=_synchronised(reply),
    )


def parse_release(text: str, support: str = "") -> Release:
    """os-release(5): assignments as in a shell, and nothing is run. Raises UnparsedError where it names no system."""
    if (old := _REDHAT.match(text[:LONGEST_LINE])) and old["name"].strip():
        return Release(
            id=old["name"].split()[0].lower(),
            version=old["version"],
            name=bounded(text[7:LONGEST_LINE].strip()),
        )
    values: dict[str, str] = {}
    for line in lines(text):
        if len(values) < MOST and (assignment := _ASSIGNMENT.fullmatch(line.strip())):
            values[assignment[1]] = bounded(_unquoted(assignment[2]))
    if not values.get("ID"):
        raise UnparsedError(text)
    return Release(
        id=values["ID"],
        version=values.get("VERSION_ID", ""),
        codename=values.get("VERSION_CODENAME") or values.get("UBUNTU_CODENAME", ""),
        name=values.get("PRETTY_NAME") or values.get("NAME", ""),
        like=tuple(values.get("ID_LIKE", "").split()),
        support=support,
    )


def clock_offset(reply: Reply, clock: Clock | None) -> Reading[int]:
    """Seconds, to the nearest multiple of 5: a host's answer has whole seconds, and networks are slow."""
    if clock is None:
        return Gap(Reason.NOT_COLLECTED, "this machine's own clock is what others are measured by")
    # The host cuts its clock to whole seconds: half of one is the best guess of what it left out.
    offset = reply.at + 0.5 - (clock.sent + clock.began) / 2
    return 5 * round(offset / 5)


def _uname(text: str) -> tuple[str, str, str]:
    said = list(islice(lines(text), 4))
    if len(said) != 3:
        raise UnparsedError(text)
    return bounded(said[0]), bounded(said[1]), bounded(said[2])


def _release(reply: Reply) -> Reading[Release]:
    return take(reply, "release", lambda text: parse_release(text, _support(reply)))


def _support(reply: Reply) -> str:
    """Extended support, by the repositories the host takes its updates from.

    A label is not enough: any archive can call itself UbuntuESM. It counts where the archive is Ubuntu's own, or where
    a package that was built for extended support is installed, as a mirror of it brings them.
    """
    apt, rpm = reply.output("apt-origins"), take(reply, "rpm-origins", enabled_repositories)
    dpkg = reply.output("dpkg")
    if isinstance(apt, str):
        if re.search(r"(?m)^https?://(?:[^\s/@]*@)?esm\.ubuntu\.com/", apt):
            return "esm"
        if "\tUbuntuESM" in apt and isinstance(dpkg, str) and re.search(r"(?m)^.i[^\n]*\+esm\d", dpkg):
            return "esm"
    if not isinstance(rpm, Gap):
        for word, name in (
            ("-eus-", "eus"),
            ("-e4s-", "e4s"),
            ("-aus-", "aus"),
            ("-els-", "els"),
            ("ltss", "ltss"),
        ):
            if any(word in section.lower() for section in rpm):
                return name
    return ""


def enabled_repositories(text: str) -> dict[str, str]:
    """Sections of .repo files that are not turned off: id -> the first address given."""
    found: dict[str, str] = {}
    name, address, enabled = "", "", True
    for line in chain(lines(text), ["[]"]):
        line = line.strip()
        if line.startswith("["):
            if name and enabled:
                found.setdefault(name, address)
                if len(found) > MOST:
                    raise UnparsedError(f"over {MOST} repositories")
            name, address, enabled = bounded(line.strip("[]")), "", True
            continue
        key, _, value = (part.strip() for part in line.partition("="))
        if key == "enabled":
            enabled = value.lower() not in ("0", "no", "false", "off")
        elif key in ("baseurl", "mirrorlist", "metalink") and not address:
            address = value
    return found


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return re.sub(r"\\([\\\"'$`])", r"\1", value)


# --- Kernels --------------------------------------------------------------------------------------------------


def _kernels(reply: Reply, packages: PackageFacts | Gap) -> Reading[tuple[Kernel, ...]]:
    paths = take(reply, "kernels", lambda text: list(islice(lines(text), MOST)))
    if isinstance(paths, Gap):
        return paths
    by_release: dict[str, Kernel] = {}
    if isinstance(packages, PackageFacts):
        for package in packages.packages:
            if release := _release_of_package(packages.manager, package):
                by_release.setdefault(
                    release, Kernel(release=release, package=package.name, version=package.version)
                )
    images, modules = [], []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder == "/boot":
            images.append(name.partition("-")[2])
        else:
            modules.append(name)
    # Arch and Alpine name their images by flavour; which release that is only the modules tell.
    if any(not image[:1].isdigit() for image in images):
        images = [image for image in images if image[:1].isdigit()] + modules
    for release in images:
        if release:
            by_release.setdefault(bounded(release), Kernel(release=bounded(release)))
    return tuple(by_release[release] for release in sorted(by_release)[:MOST_LISTED])


def _release_of_package(manager: str, package: Package) -> str:
    """What ``uname -r`` says once this package's kernel runs; "" for what is no kernel."""
    match manager:
        case "dpkg":
            name = package.name.removeprefix("linux-image-").removeprefix("unsigned-")
            # linux-image-amd64 and its like only depend on a kernel; debug symbols hold none.
            real = name != package.name and name[:1].isdigit() and not name.endswith(("-dbg", "-dbgsym"))
            return name if real else ""
        case "rpm" if _RPM_KERNEL.fullmatch(package.name):
            return f"{package.version.rpartition(':')[2]}.{package.architecture}"
        case "apk" if flavour := _APK_KERNEL.fullmatch(package.name):
            number, _, revision = package.version.rpartition("-r")
            return f"{number}-{revision}-{flavour['flavour']}"
        case "pacman" if package.name in _ARCH_KERNELS:
            number, _, build = package.version.rpartition("-")
            plain = re.sub(r"\.(?=(?:arch|zen|hardened|rt)\d)", "-", number)
            flavour_name = _ARCH_KERNELS[package.name]
            return f"{plain}-{build}{flavour_name}" if flavour_name != "" else f"{plain}-{build}"
    return ""


# --- Clock and reboots ------------------------------------------------------------------------------------------


def _booted_at(text: str) -> datetime:
    for line in lines(text):
        if line.startswith("btime "):
            return instant(line[6:])
    raise UnparsedError(text)


def _synchronised(reply: Reply) -> Reading[bool]:
    section = reply.section("clock")
    if isinstance(section, Gap):
        return section
    said = {re.sub(r"\s+", " ", line.strip()) for line in islice(cut_lines(section.text), MOST)}
    yes = {"synchronised yes", "NTPSynchronized=yes", "Leap status : Normal", "ntpstat 0"}
    no = {"NTPSynchronized=no", "Leap status : Not synchronised", "ntpstat 1"}
    if said & yes:
        return True
    return (
        False
        if said & no
        else Gap(Reason.NOT_COLLECTED, "nothing on the host says whether its clock is kept")
    )


def _reboot_required(reply: Reply) -> Reading[bool]:
    text = reply.output("reboot")
    if isinstance(text, Gap):
        return text
    told = list(islice(cut_lines(text), MOST))
    if any(line.startswith("wanted ") for line in told) or f"zypper {_REBOOT_WANTED}" in told:
        return True
    if any(line.startswith("kept ") for line in told) or "zypper 0" in told:
        return False
    updated = _updated_since_boot(reply)
    return updated if isinstance(updated, Gap) else bool(updated)


def _updated_since_boot(reply: Reply) -> Reading[tuple[str, ...]]:
    """Red Hat and its like keep no flag: what counts is what was updated while the system ran."""
    if not reply.has("rpm"):
        return Gap(Reason.NOT_COLLECTED, "nothing on the host keeps account of whether it needs a reboot")
    booted = take(reply, "clock", _booted_at)
    if isinstance(booted, Gap):
        return booted
    return take(reply, "rpm", lambda text: rpm_installed_since(text, booted, _NEEDS_REBOOT))


def _reboot_packages(reply: Reply) -> Reading[tuple[str, ...]]:
    section = reply.section("reboot")
    if not isinstance(section, Section):
        return section
    told = islice(cut_lines(section.text), MOST)
    names = {line[8:].strip() for line in told if line.startswith("package ")}
    if not names:
        updated = _updated_since_boot(reply)
        if isinstance(updated, Gap) or not updated:
            return Gap(Reason.NOT_COLLECTED, "the host does not say which packages asked for it")
        return updated
    return tuple(sorted(bounded(name) for name in names))[:MOST_LISTED]


def _programs(text: str) -> tuple[str, ...]:
    return tuple(sorted({bounded(line) for line in islice(cut_lines(text), MOST)}))[:MOST_LISTED]
