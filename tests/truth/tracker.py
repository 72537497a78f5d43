"""One set of data about flaws in two forms: as Debian's security tracker publishes it, and as debsecan reads it.

The tracker can't be reached from a test, but what it knows of fixes stands in the changelogs of the packages that
have them: each entry names the flaws it mends. That is real data of a real system, in the tracker's form.
"""

import gzip
import json
import re
import subprocess
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from secscan.facts import Package
from secscan.feeds.match import source_of

#: Source package -> flaw -> what the tracker says of it.
Tracker = dict[str, dict[str, dict[str, Any]]]

_HEAD = re.compile(r"(?P<source>[a-z0-9][a-z0-9+.-]*) \((?P<version>[^)\s]+)\) .*;.*urgency=", re.ASCII)
_FLAW = re.compile(r"\bCVE-\d{4}-\d{4,7}\b", re.ASCII)

#: What changelogs can't tell: flaws that nobody mends, or that are none here. Composed, of the shapes that the
#: tracker's JSON has; on packages that both hosts have.
COMPOSED: dict[str, dict[str, Any]] = {
    "TEMP-0000000-00OPEN": {"status": "open", "urgency": "not yet assigned"},
    "TEMP-0000000-0MINOR": {"status": "open", "urgency": "low", "nodsa": "Minor issue", "nodsa_reason": ""},
    "TEMP-0000000-0GRAVE": {"status": "open", "urgency": "high"},
    "TEMP-0000000-00NONE": {"status": "open", "urgency": "unimportant"},
    "TEMP-0000000-GIVEUP": {"status": "open", "urgency": "end-of-life"},
    "TEMP-0000000-UNSURE": {"status": "undetermined", "urgency": "not yet assigned"},
    "TEMP-0000000-NEVERS": {"status": "resolved", "fixed_version": "0", "urgency": "unimportant"},
}


def from_changelogs(files: Iterable[Path], packages: Iterable[Package], codename: str) -> Tracker:
    """What changelogs say is mended in which version of the sources of ``packages``, in the tracker's form."""
    installed = dict(source_of(package, "dpkg") for package in packages)
    tracker: Tracker = {}
    for file in files:
        entries = list(_entries(file))
        if not entries or entries[0][0] not in installed:
            continue
        source, newest, _flaws = entries[0]
        repositories = {codename: installed[source], f"{codename}-security": newest}
        newer = ""
        for name, version, flaws in entries:
            # What is built anew for a release (1.3~deb12u1 of 1.3) sorts before that of which it has all fixes.
            newer = version = newer if newer.startswith(f"{version}~") else version
            # Oldest last: the first entry that speaks of a flaw is the one that mended it.
            for flaw in flaws if name == source else ():
                tracker.setdefault(source, {})[flaw] = {
                    "description": "",
                    "releases": {
                        codename: {
                            "status": "resolved",
                            "repositories": repositories,
                            "fixed_version": version,
                            "urgency": "not yet assigned",
                        }
                    },
                }
    return tracker


def with_composed(tracker: Tracker, source: str, codename: str) -> Tracker:
    """The same, with a flaw of ``source`` in every other state."""
    composed = {
        flaw: {
            "description": "composed",
            "releases": {codename: {"repositories": {codename: "1"}, **state}},
        }
        for flaw, state in COMPOSED.items()
    }
    return {**tracker, source: {**tracker.get(source, {}), **composed}}


def changelogs_of(root: Path, packages: Iterable[Package]) -> list[Path]:
    """One for each source: of the packages that are installed and came with one."""
    found: dict[str, Path] = {}
    for package in packages:
        for name in ("changelog.Debian.gz", "changelog.gz"):
            file = root / "usr/share/doc" / package.name / name
            if file.is_file():
                found.setdefault(source_of(package, "dpkg")[0], file)
    return sorted(found.values())


def write_for_secscan(tracker: Tracker, file: Path) -> Path:
    file.write_text(json.dumps(tracker))
    return file


def write_for_debsecan(tracker: Tracker, folder: Path, codename: str) -> str:
    """What its server would give for a suite; the answer is the URL for ``--source``.

    The form is what debsecan reads (fetch_data and Vulnerability in its source, "VERSION 1"): names of flaws, then
    ``package,number of the name,flags,version fixed in unstable,versions that have it not``, then the binary packages
    of each source. What goes in is what the tracker puts in (calculateDebsecan1 of its lib/python/security_db.py):
    neither what is unimportant or given up, nor what is undetermined, nor what unstable never had.
    """
    newer = _Newer(tracker, codename)
    names: list[str] = []
    flaws: list[str] = []
    for source, of_source in sorted(tracker.items()):
        for flaw, said in sorted(of_source.items()):
            releases = said["releases"]
            urgencies = {state["urgency"] for state in releases.values()} - {"unimportant", "end-of-life"}
            sid = releases.get("sid", {}).get("fixed_version", "")
            if not urgencies or sid == "0" or all(r["status"] == "undetermined" for r in releases.values()):
                continue
            free = sorted(
                {v for r in releases.values() if r.get("fixed_version") for v in newer.than(source, r)}
            )
            urgency = next((u[0].upper() for u in ("high", "medium", "low") if u in urgencies), " ")
            fixed = "F" if releases.get(codename, {}).get("status") == "resolved" else " "
            flaws.append(f"{source},{len(names)},S{urgency}?{fixed},{sid},{' '.join(free)}")
            names.append(f"{flaw},,")
    text = "\n".join(["VERSION 1", *names, "", *flaws, "", "", ""])
    (folder / codename).write_bytes(zlib.compress(text.encode()))
    return f"file://{folder}/"


def run_debsecan(root: Path, source: str, codename: str, *options: str) -> set[str]:
    """``package flaw``, for everything it says of a root file system."""
    command = ["debsecan", "--suite", codename, "--source", source, "--format", "simple"]
    status = root / "var/lib/dpkg/status"
    nothing = ["--config", "/dev/null", "--whitelist", f"{status}.none", "--history", f"{status}.none"]
    done = subprocess.run(
        [*command, "--status", str(status), *nothing, *options], capture_output=True, text=True, check=True
    )
    assert not done.stderr, done.stderr
    return {" ".join(reversed(line.split())) for line in done.stdout.splitlines() if line.strip()}


def _entries(file: Path) -> Iterator[tuple[str, str, set[str]]]:
    """Source, version and flaws of each entry, newest first (deb-changelog(5))."""
    with gzip.open(file) as packed:
        text = packed.read().decode("utf-8", "replace")
    entry: tuple[str, str, set[str]] | None = None
    for line in text.splitlines():
        head = None if line.startswith(" ") else _HEAD.match(line)
        if head:
            if entry:
                yield entry
            entry = head["source"], head["version"], set()
        elif entry and "CVE-" in line:
            entry[2].update(_FLAW.findall(line))
    if entry:
        yield entry


class _Newer:
    """Versions in an archive that are at least as new as a fix, by apt's own comparison and not by ours."""

    def __init__(self, tracker: Tracker, codename: str) -> None:
        self._known: dict[str, set[str]] = {}
        pairs: set[tuple[str, str]] = set()
        for source, flaws in tracker.items():
            releases = [
                r for flaw in flaws.values() for name, r in flaw["releases"].items() if name == codename
            ]
            fixes = {r["fixed_version"] for r in releases if r.get("fixed_version")}
            known = fixes | {version for r in releases for version in r["repositories"].values()}
            self._known[source] = known
            pairs |= {(version, fix) for version in known for fix in fixes}
        self._newer = _at_least(pairs)

    def than(self, source: str, release: Mapping[str, Any]) -> set[str]:
        fix = release["fixed_version"]
        return {version for version in self._known[source] if (version, fix) in self._newer}


def _at_least(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which first versions are not older than their seconds. debsecan brings apt's comparison along (python3-apt)."""
    script = (
        "import apt_pkg, sys\napt_pkg.init()\n"
        "for line in sys.stdin:\n    a, b = line.split()\n    print(int(apt_pkg.version_compare(a, b) >= 0))\n"
    )
    ordered = sorted(pairs)
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script],
        input="".join(f"{a} {b}\n" for a, b in ordered),
        capture_output=True,
        text=True,
        check=True,
    )
    return {pair for pair, answer in zip(ordered, done.stdout.split(), strict=True) if answer == "1"}
