"""What a host adds, leaves out or calls otherwise never makes a rule pass that failed: only a fixed version does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.check import Check, Limits
from secscan.checks import patch_missing
from secscan.collection.ssh.reply import facts_of
from secscan.collection.ssh.system import Clock
from secscan.facts import Absent, Gap, NotSeen
from secscan.feeds.importing import SPEAKS_FROM, import_files
from secscan.feeds.references import load_references
from secscan.model import HostTarget, Observation, Outcome
from tests.collection.ssh.composed import composed
from tests.feeds.making import kev, osv_record, stanza, suite, write_json

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW = int(AT.timestamp())
FRESH = "2026-05-31T00:00:00Z"
JUDGED = (patch_missing.critical_updates, patch_missing.known_exploited)

#: Systems that lack a fix for openssl, a thing a list: packages are blocks, repositories and assignments are lines.
#: Composed, not captured.
DEBIAN_LINES = {
    "release": ("ID=debian", "VERSION_ID=12", "VERSION_CODENAME=bookworm"),
    "packages": (
        "ii \topenssl\t3.0.11-1~deb12u1\tamd64\topenssl\t3.0.11-1~deb12u1",
        "ii \tdpkg\t1.21\tamd64\tdpkg\t1.21",
        "ii \tbash\t5.2-1\tamd64\tbash\t5.2-1",
        "ii \tlinux-image-6.1.0-21-amd64\t6.1.90-1\tamd64\tlinux-signed-amd64\t6.1.90+1",
    ),
    "repositories": (
        "http://m.example/debian\tbookworm\tstable\tbookworm\tDebian\tDebian",
        "http://m.example/sec\tbookworm-security\tstable-security\tbookworm-security\tDebian\tDebian-Security",
    ),
}
ROCKY_LINES = {
    "release": ("ID=rocky", "VERSION_ID=9.4", 'ID_LIKE="rhel centos fedora"'),
    "packages": (
        "openssl\t1\t3.0.7\t1.el9\tx86_64\topenssl-3.0.7-1.el9.src.rpm\t1760000000\t(none)",
        "rpm\t(none)\t4.16\t1.el9\tx86_64\trpm-4.16-1.el9.src.rpm\t1760000000\t(none)",
        "bash\t(none)\t5.1\t1.el9\tx86_64\tbash-5.1-1.el9.src.rpm\t1760000000\t(none)",
    ),
    "repositories": (
        "[baseos]\nbaseurl=http://m.example/rocky/9/BaseOS",
        "[appstream]\nbaseurl=http://m.example/rocky/9/AppStream",
    ),
}
ALPINE_LINES = {
    "release": ("ID=alpine", "VERSION_ID=3.22.1"),
    "packages": (
        "P:openssl\nV:3.3.1-r0\nA:x86_64\no:openssl\n",
        "P:apk-tools\nV:2.14-r0\nA:x86_64\no:apk-tools\n",
        "P:busybox\nV:1.36.1-r29\nA:x86_64\no:busybox\n",
    ),
    "repositories": ("https://dl.example/alpine/v3.22/main", "https://dl.example/alpine/v3.22/community"),
}


@dataclass(frozen=True)
class Host:
    lines: Mapping[str, tuple[str, ...]]
    #: The readings that hold packages and repositories.
    packages: str
    repositories: str
    #: openssl once more, newer than its fix.
    second: str
    #: openssl with words of the host's own around the same version.
    called_otherwise: tuple[str, ...] = ()


RPM = "{name}\t1\t{version}\t1.el9\tx86_64\t{name}-{version}-1.el9.src.rpm\t1760000000\t{label}"
HOSTS = {
    "debian": Host(
        DEBIAN_LINES,
        "dpkg",
        "apt-origins",
        "ii \topenssl\t9-1\ti386\topenssl\t9-1",
        ("ii \topenssl\t3.0.11-1~deb12u1\tamd64\tnothing\t9", "hi \topenssl\t3.0.11-1~deb12u1\tamd64\t\t"),
    ),
    "rocky": Host(
        ROCKY_LINES,
        "rpm",
        "rpm-origins",
        RPM.format(name="openssl", version="9", label="(none)"),
        tuple(
            RPM.format(name="openssl", version="3.0.7", label=label)
            for label in ("x:y", "nodejs:18:1:2", ":")
        ),
    ),
    "alpine": Host(ALPINE_LINES, "apk", "apk-origins", "P:openssl\nV:9-r0\nA:x86\no:openssl\n"),
}
RELEASES = ("debian", "Debian", "DEBIAN", "arch", "raspbian", "acmeos", "rocky", "Rocky", "alpine", "windows")
REPOSITORIES = {
    "apt-origins": (
        "file:///x\tbookworm\tx\tx\tDebian\tDebian",
        "http://a.example/acme\tbookworm-security\t\t\tUbuntuESM\tUbuntuESM",
    ),
    "rpm-origins": tuple(
        f"[{id}]\nbaseurl=http://a.example/acme"
        for id in ("acme", "acme-source", "extras", "baseos-eus-x", "source")
    ),
    "apk-origins": ("http://a.example/acme", "https://dl.example/alpine/edge/main"),
}
#: What a host may do to its reply.
WAYS = (
    *("another system", "less of the system", "called otherwise", "fewer packages", "more packages"),
    *("fewer repositories", "more repositories", "another manager", "unread"),
)
REPOSITORIES_OF = {host.packages: host.repositories for host in HOSTS.values()}
#: What other package managers have, each more than the host itself.
OTHERS = {
    "dpkg": "\n".join(f"ii \tfake{n}\t1\tamd64\tfake{n}\t1" for n in range(9)),
    "rpm": "\n".join(RPM.format(name=f"fake{n}", version="1", label="(none)") for n in range(9)),
    "apk": "\n".join(f"P:fake{n}\nV:1-r0\nA:x86_64\n" for n in range(9)),
}


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Mapping[type, Any]:
    folder = tmp_path_factory.mktemp("feeds")
    db = folder / "feeds.db"

    def osv(ecosystem: str, fixed: str) -> Path:
        records = [
            osv_record(
                f"X-{ecosystem[:3]}-{n}",
                ecosystem=ecosystem,
                package=f"p{n}" if n else "openssl",
                fixed=fixed,
                modified=FRESH,
                cves=[f"CVE-2024-{1000 + n}"],
                upstream=[f"CVE-2024-{1000 + n}"],
                database_specific={"severity": "HIGH"},
            )
            for n in range(SPEAKS_FROM)
        ]
        return write_json(folder / f"{ecosystem[:3]}.json", records)

    files = [
        osv("Debian:12", "3.0.11-1~deb12u2"),
        osv("Rocky Linux:9", "1:3.0.7-25.el9"),
        osv("Alpine:v3.22", "3.3.1-r1"),
        suite(folder / "base", stanza("openssl", "3.0.11-1~deb12u1"), codename="bookworm", label="Debian"),
        kev(folder / "kev.json", "CVE-2024-1000", released="2026-05-31T00:00:00.0000Z"),
    ]
    list(import_files(db, files, AT))
    return load_references(db)


def outcome(check: Check, readings: Mapping[str, str], references: Mapping[type, Any]) -> Outcome:
    """As evaluation has it: what is absent is not applicable, and what was not seen is unknown."""
    facts = facts_of(composed(dict(readings), at=NOW), Clock(NOW, NOW))
    given: dict[str, Any] = {}
    for name, kind in check.observes.items():
        seen = facts[kind.kind]
        if isinstance(seen, Gap):
            return Outcome.UNKNOWN
        if isinstance(seen, Absent):
            return Outcome.NOT_APPLICABLE
        given[name] = Observation(HostTarget("h"), "ssh", kind.kind, AT, seen)
    for name, wanted in check.asks.items():
        if wanted is datetime:
            given[name] = AT
        elif issubclass(wanted, Limits):
            given[name] = wanted()
        else:
            given[name] = references[wanted]
    try:
        said = [verdict.outcome for verdict in check(**given)]
    except NotSeen:
        return Outcome.UNKNOWN
    return next(o for o in (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS, Outcome.NOT_APPLICABLE) if o in said)


def readings(host: Host, lines: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {
        "release": "\n".join(lines["release"]),
        "uname": "Linux\n6.1.0-21-amd64\nx86_64",
        "clock": f"btime {NOW - 9999}",
        "kernels": "",
        "reboot": "",
        host.packages: "\n".join(lines["packages"]),
        host.repositories: "\n".join(lines["repositories"]),
    }


@pytest.mark.parametrize("check", JUDGED, ids=lambda check: check.id)
@pytest.mark.parametrize("name", HOSTS)
def test_as_they_are_they_fail_and_mended_they_pass(
    name: str, check: Check, references: Mapping[type, Any]
) -> None:
    host = HOSTS[name]
    assert outcome(check, readings(host, host.lines), references) is Outcome.FAIL
    mended = dict(host.lines) | {"packages": (host.second, *host.lines["packages"][1:])}
    assert outcome(check, readings(host, mended), references) is Outcome.PASS


@pytest.mark.parametrize("check", JUDGED, ids=lambda check: check.id)
@pytest.mark.parametrize("name", HOSTS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_only_a_fixed_version_makes_it_pass(
    name: str, check: Check, references: Mapping[type, Any], data: st.DataObject
) -> None:
    host = HOSTS[name]
    # One or two at a time: a host that does everything at once is told apart by the first of it.
    done = data.draw(st.sets(st.sampled_from(WAYS), min_size=1, max_size=2))
    # What is vulnerable stays in the list, whatever stands around it: that it is not there at all nobody can see.
    openssl, *others = host.lines["packages"]
    release, repositories = list(host.lines["release"]), list(host.lines["repositories"])
    if "another system" in done:
        release = [f"ID={data.draw(st.sampled_from(RELEASES))}", *release[1:]]
    if "less of the system" in done:
        release = [release[0], *data.draw(_some(release[1:]))]
    if "called otherwise" in done:
        openssl = data.draw(st.sampled_from((openssl, *host.called_otherwise)))
    if "fewer packages" in done:
        others = data.draw(_some(others))
    if "more packages" in done:
        others += data.draw(_some([host.second, *_fakes(host)]))
    if "fewer repositories" in done:
        repositories = data.draw(_some(repositories))
    if "more repositories" in done:
        repositories += data.draw(_some(REPOSITORIES[host.repositories]))
    said = readings(
        host, {"release": tuple(release), "packages": (openssl, *others), "repositories": tuple(repositories)}
    )
    if "another manager" in done:
        manager = data.draw(st.sampled_from([m for m in OTHERS if m != host.packages]))
        said |= {manager: OTHERS[manager], REPOSITORIES_OF[manager]: ""}
    if "unread" in done:
        said.pop(data.draw(st.sampled_from([host.repositories, "release", "kernels"])))
    assert outcome(check, said, references) in (Outcome.FAIL, Outcome.UNKNOWN)


def _some(of: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """Any of these, in any order."""
    return st.lists(st.sampled_from(of), unique=True)


def _fakes(host: Host) -> list[str]:
    separator = "\n\n" if host.packages == "apk" else "\n"
    return [block + "\n" * (host.packages == "apk") for block in OTHERS[host.packages].split(separator)][:2]
