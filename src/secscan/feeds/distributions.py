"""Names of distributions and their releases: in OSV, in Debian's suites, in os-release(5), in end-of-life tables."""

import re

from secscan.facts import Release

#: How versions compare, by ecosystem.
SCHEMES: dict[str, str] = {
    **dict.fromkeys(("debian", "ubuntu"), "dpkg"),
    **dict.fromkeys(
        ("almalinux", "amzn", "centos", "fedora", "ol", "opensuse-leap", "rhel", "rocky", "sles"), "rpm"
    ),
    "alpine": "apk",
}

#: Debian's releases by code name, for data that names them so. From distro-info-data.
DEBIAN: dict[str, str] = {
    "wheezy": "7",
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
}

#: A release counts by its major version where minor ones follow each other by mere updates.
_BY_MAJOR = frozenset({"almalinux", "centos", "debian", "fedora", "ol", "rhel", "rocky"})


def release_of(release: Release) -> tuple[str, str]:
    """Ecosystem and release of a host, as feeds are filed under them.

    A derivative (Mint, Raspbian) is not its parent: only a distribution's own data counts for it.
    """
    name = release.id.lower()
    ecosystem = {"opensuse": "opensuse-leap", "sles_sap": "sles", "redhat": "rhel"}.get(name, name)
    version = release.version.strip().lower()
    if not version and ecosystem == "debian":
        version = DEBIAN.get(release.codename.lower(), "")
    return ecosystem, filed(ecosystem, version)


def releases_of(release: Release) -> tuple[tuple[str, str], ...]:
    """The releases whose advisories hold for a host: its own, and that of a paid channel it takes part in.

    A Red Hat release under extended support is held against the data of that support alone, for the fixes of the
    major release are versions that it never gets.
    """
    ecosystem, version = release_of(release)
    match ecosystem, release.support:
        case _, "":
            return ((ecosystem, version),)
        case "ubuntu", _:
            return ((ecosystem, version), (ecosystem, f"{version}+esm"))
        case "rhel", support:
            return ((ecosystem, f"{release.version.strip()}+{support.lower()}"),)
    return ((ecosystem, version),)


def unpaid_channel(release: Release) -> tuple[str, str] | None:
    """The paid channel that a host does not take part in, though the flaws that it mends are the host's as well."""
    ecosystem, version = release_of(release)
    return (ecosystem, f"{version}+esm") if ecosystem == "ubuntu" and not release.support else None


def filed(ecosystem: str, version: str) -> str:
    """The release that a version belongs to: ``9`` for Rocky's 9.4, ``3.20`` for Alpine's 3.20.3."""
    parts = version.removeprefix("v").split(".")
    if ecosystem in _BY_MAJOR:
        return parts[0]
    if ecosystem in ("alpine", "ubuntu", "opensuse-leap", "sles"):
        return ".".join(parts[:2])
    return version


def from_osv(ecosystem: str) -> tuple[str, str] | None:
    """Where OSV's name of an ecosystem is filed here; None for what is no distribution's release we know.

    The names are those of https://ossf.github.io/osv-schema/#defined-ecosystems.
    """
    family, _, rest = ecosystem.partition(":")
    match family:
        case "Debian":
            return ("debian", filed("debian", rest)) if rest[:1].isdigit() else None
        case "Ubuntu":
            found = re.fullmatch(r"(?P<channel>(?:Pro:)?)(?P<version>\d\d\.\d\d)(?::LTS)?", rest)
            if found is None:  # FIPS and realtime channels are other builds of the same packages.
                return None
            return "ubuntu", found["version"] + ("+esm" if found["channel"] else "")
        case "Alpine":
            return ("alpine", filed("alpine", rest)) if re.fullmatch(r"v\d+\.\d+", rest) else None
        case "AlmaLinux" | "Rocky Linux":
            return ({"AlmaLinux": "almalinux"}.get(family, "rocky"), rest) if rest.isdigit() else None
        case "Red Hat":
            return _from_red_hat(rest)
        case "SUSE":
            return _from_suse(rest)
        case "openSUSE":
            found = re.fullmatch(r"Leap (\d+\.\d+)", rest)
            return ("opensuse-leap", found[1]) if found else None
    return None


def _from_red_hat(cpe: str) -> tuple[str, str] | None:
    """``enterprise_linux:9::appstream`` and ``rhel_eus:9.2::baseos``: what follows ``cpe:/o:redhat:``."""
    product, _, rest = cpe.partition(":")
    version = rest.partition(":")[0]
    if not re.fullmatch(r"\d+(\.\d+)?", version):
        return None
    if product == "enterprise_linux":
        return "rhel", filed("rhel", version)
    support = re.fullmatch(r"rhel_(eus|aus|tus|e4s|els)", product)
    return ("rhel", f"{version}+{support[1]}") if support else None


def _from_suse(product: str) -> tuple[str, str] | None:
    """Servers, and the modules that servers are made of; other products have other support."""
    found = re.fullmatch(
        r"(?:SUSE )?Linux Enterprise (?:Server|Module for (?!.*Live Patching).+?) (\d+)(?: SP(\d+))?", product
    )
    return ("sles", f"{found[1]}.{found[2]}" if found[2] else found[1]) if found else None


#: dpkg's names of machines (dpkg-architecture(1)), by those of uname(2).
_DPKG_MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i386": "i386",
    "i586": "i386",
    "i686": "i386",
    "armv7l": "armhf",
    "armv6l": "armel",
    "ppc64le": "ppc64el",
}


def dpkg_architecture(machine: str) -> str:
    return _DPKG_MACHINES.get(machine, machine)
