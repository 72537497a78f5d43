"""What secscan says of SSH servers, held against ssh-audit: every difference, and why it is one."""

import functools
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from secscan.baseline import Baseline, load_baseline
from secscan.check import Limits
from secscan.checks._ssh_names import matching
from secscan.checks.ssh_algorithms import terrapin
from secscan.collection.ssh_surface import SshSurfaceCollector
from secscan.facts import Gap, SshFacts, known
from secscan.model import Endpoint, Observation, Outcome, Service
from secscan.registry import find_checks
from secscan.scope import Gate, ProbeLog, scope_of_addresses, utc_now
from tests.lab.ssh_configurations import Configuration

PAGE = Path(__file__).parents[2] / "docs/ssh-truth.md"
ADDRESS = "127.0.0.1"


@dataclass(frozen=True, order=True)
class Difference:
    """``what`` is what was seen, or judged to be bad, by ``said_by`` alone (``secscan`` or ``ssh-audit``)."""

    what: str
    said_by: str


@dataclass(frozen=True)
class Reason:
    """``what`` is a pattern of the shell's kind."""

    what: str
    said_by: str
    why: str


REASONS: tuple[Reason, ...] = (
    Reason(
        "bad: enc aes*-cbc",
        "secscan",
        "ssh-audit warns of the mode. secscan fails it (`ssh.cbc`), with the least severity that counts.",
    ),
    Reason(
        "bad: k?? ecd*-sha2-nistp*",
        "ssh-audit",
        "ssh-audit suspects the curves of NIST of a back door. Nobody has shown one, and most of "
        "what must follow standards has nothing else: secscan does not fail them.",
    ),
    Reason(
        "bad: mac hmac-sha1*",
        "ssh-audit",
        "ssh-audit fails whatever has SHA-1 in it. What is broken is that two texts with one hash can be made, and that "
        "forges signatures (`ssh.sha1`), but no HMAC: secscan fails it where it is truncated (`ssh.macs`), and else not.",
    ),
    Reason(
        "seen: group of 2048 bits",
        "secscan",
        "OpenSSH has no group of 1024 bits and gives one of 2048 to a client that asks for 1024 at the least and 8192 at the "
        "most. secscan tells what such a client gets.",
    ),
    Reason(
        "seen: group of 3072 bits",
        "ssh-audit",
        "The same: ssh-audit sees that the small group is OpenSSH's last resort, and tells the size that others get.",
    ),
    Reason(
        "seen: fingerprint *-cert-v01@openssh.com",
        "secscan",
        "A certificate is told as a kind of host key, by the fingerprint of the key in it; ssh-audit tells the key alone.",
    ),
    Reason(
        "seen: fingerprint ssh-ed448",
        "secscan",
        "ssh-audit names the algorithm, and tells no fingerprint of a key of this type.",
    ),
    Reason(
        "seen: fingerprint ssh-rsa",
        "ssh-audit",
        "Dropbear names RSA, has no such key here, and hangs up on who asks for one. ssh-audit tells the hash of nothing as "
        "the fingerprint; secscan says that the key was not seen, and why.",
    ),
    Reason("seen: RSA of 0 bits", "ssh-audit", "The same: nothing has no bits."),
)


def differences(configuration: Configuration) -> set[Difference]:
    """Starts the server and asks both. Raises CalledProcessError where ssh-audit could not ask."""
    with configuration.start() as server:
        theirs = asked_by_ssh_audit(server.port)
        ours = asked_by_secscan(server.port)
    found: set[Difference] = set()
    for mine, others in ((seen_by_us(ours), seen_by_them(theirs)), (bad_to_us(ours), bad_to_them(theirs))):
        found |= {Difference(what, "secscan") for what in mine - others}
        found |= {Difference(what, "ssh-audit") for what in others - mine}
    # Fingerprints are others in each run: what counts is which of them differ, and not how.
    return {Difference(d.what.partition("=")[0], d.said_by) for d in found}


def unexplained(found: Iterable[Difference]) -> list[Difference]:
    return sorted(d for d in found if not any(_explains(reason, d) for reason in REASONS))


def idle(found: Iterable[Difference]) -> list[Reason]:
    """Reasons that explain nothing any more."""
    every = list(found)
    return [reason for reason in REASONS if not any(_explains(reason, d) for d in every)]


def page(found: Mapping[str, Iterable[Difference]]) -> str:
    """The whole of docs/ssh-truth.md, for the differences of each configuration."""
    where: dict[Difference, list[str]] = {}
    for name, some in found.items():
        for difference in some:
            where.setdefault(difference, []).append(name)
    rows = []
    for reason in REASONS:
        explained = sorted(d for d in where if _explains(reason, d))
        names = sorted({name for d in explained for name in where[d]})
        what = ", ".join(f"`{d.what}`" for d in explained)
        places = ", ".join(names) if len(names) <= 4 else f"{len(names)} of {len(found)}"
        rows.append(f"| {what} | {reason.said_by} | {places} | {reason.why} |")
    listed = "\n".join(f"- {name}" for name in sorted(found))
    return HEAD.format(count=len(found)) + "\n".join(rows) + TAIL + listed + "\n"


HEAD = """# How true what is said of SSH servers is

<!-- Made by `python -m tools.ssh_truth` from tests/truth/ssh_audit.py and the servers of the lab. Change those, not this. -->

{count} servers are started, set up in as many ways (`tests/lab/ssh_configurations.py`), and looked at twice: by secscan, and
by ssh-audit, which is written by others and shares no code with it. What each of them shows is also known from its
configuration, by hand, and `tests/collection/ssh_surface` holds secscan to that. Here it is held against ssh-audit:

- **seen**: the identification; every name in the lists of key exchanges, host keys, ciphers and message authentication; the
  fingerprint of every host key, the size of those of RSA, and the smallest group that was given.
- **bad**: what secscan's network baseline fails, against what ssh-audit notes as `fail` (its `warn` is no failure here).

Everything not in this table is said by both alike. A difference without a reason, and a reason without a difference, is an
error of the tool, and of the test that runs it.

| What | Only said by | Where | Why |
|---|---|---|---|
"""

TAIL = """

The servers:

"""


def _explains(reason: Reason, difference: Difference) -> bool:
    return reason.said_by == difference.said_by and fnmatchcase(difference.what, reason.what)


# --- ssh-audit ----------------------------------------------------------------------------------------------


def asked_by_ssh_audit(port: int) -> Mapping[str, Any]:
    # Its exit code says how bad the server is; 1 and above 3 that it could not ask.
    command = [str(Path(sys.executable).with_name("ssh-audit")), "--json", "--skip-rate-test", "--timeout=5"]
    done = subprocess.run([*command, f"--port={port}", ADDRESS], capture_output=True, text=True)
    if done.returncode not in (0, 2, 3):
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    said: Mapping[str, Any] = json.loads(done.stdout)
    return said


_LISTS = ("kex", "key", "enc", "mac")


def seen_by_them(said: Mapping[str, Any]) -> set[str]:
    seen = {f"seen: banner {said['banner']['raw']}"}
    for name in _LISTS:
        seen |= {f"seen: {name} {entry['algorithm']}" for entry in said[name]}
    for print_ in said["fingerprints"]:
        if print_["hash_alg"] == "SHA256":
            seen.add(f"seen: fingerprint {print_['hostkey']}={print_['hash']}")
    for entry in said["key"]:
        if entry["algorithm"] in ("ssh-rsa", "rsa-sha2-512") and "keysize" in entry:
            seen.add(f"seen: RSA of {entry['keysize']} bits")
    sizes = [
        entry["keysize"]
        for entry in said["kex"]
        if "group-exchange" in entry["algorithm"] and "keysize" in entry
    ]
    return seen | ({f"seen: group of {min(sizes)} bits"} if sizes else set())


def bad_to_them(said: Mapping[str, Any]) -> set[str]:
    bad = set()
    for name in _LISTS:
        for entry in said[name]:
            notes = entry.get("notes", {})
            if notes.get("fail"):
                bad.add(f"bad: {name} {entry['algorithm']}")
            if any("Terrapin" in note for kind in ("fail", "warn") for note in notes.get(kind, ())):
                bad.add("bad: Terrapin")
    return bad


# --- secscan --------------------------------------------------------------------------------------------------


def asked_by_secscan(port: int) -> SshFacts:
    endpoint = Endpoint(Service("lab", "tcp", port), ADDRESS)
    gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
    [record] = SshSurfaceCollector(expected={endpoint}).collect([endpoint], gate)
    assert isinstance(record, Observation), record
    assert isinstance(record.facts, SshFacts), record
    return record.facts


def seen_by_us(facts: SshFacts) -> set[str]:
    banner = f"SSH-{facts.protocol}-{facts.software} {facts.comment}".rstrip()
    seen = {f"seen: banner {banner}"}
    for name, names in _lists(facts).items():
        seen |= {f"seen: {name} {one}" for one in names}
    for key in () if isinstance(facts.host_keys, Gap) else facts.host_keys:
        seen.add(f"seen: fingerprint {key.type}={key.fingerprint.removeprefix('SHA256:')}")
        if key.type == "ssh-rsa":
            seen.add(f"seen: RSA of {key.bits} bits")
    sizes = [group.given for group in known(facts.groups) if not isinstance(group.given, Gap) and group.given]
    return seen | ({f"seen: group of {min(sizes)} bits"} if sizes else set())


def bad_to_us(facts: SshFacts) -> set[str]:
    bad = set()
    lists = _lists(facts)
    for name, rules in _RULES.items():
        for id, field in rules:
            patterns = getattr(_limits(id), field)
            bad |= {f"bad: {name} {one}" for one in matching(lists[name], patterns)}
    endpoint = Endpoint(Service("lab", "tcp", 22), ADDRESS)
    if any(
        v.outcome is Outcome.FAIL for v in terrapin(Observation(endpoint, "lab", "ssh", utc_now(), facts))
    ):
        bad.add("bad: Terrapin")
    keys = () if isinstance(facts.host_keys, Gap) else facts.host_keys
    small = [key for key in keys if key.type == "ssh-rsa" and key.bits < 2048]
    rsa = ("ssh-rsa", "rsa-sha2-256", "rsa-sha2-512")
    bad |= {f"bad: key {one}" for one in lists["key"] if small and one in rsa}
    sizes = [group.given for group in known(facts.groups) if not isinstance(group.given, Gap)]
    if any(0 < size < 2048 for size in sizes):
        bad |= {f"bad: kex {one}" for one in lists["kex"] if "group-exchange" in one}
    return bad


#: List -> the rules that judge its names, and the limit that has the patterns.
_RULES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "kex": (("ssh.key-exchange", "weak"), ("ssh.sha1", "weak")),
    "key": (("ssh.sha1", "weak"), ("ssh.host-key-algorithms", "weak")),
    "enc": (("ssh.ciphers", "weak"), ("ssh.ciphers", "small_blocks"), ("ssh.cbc", "weak")),
    "mac": (("ssh.macs", "weak"),),
}


def _limits(id: str) -> Limits:
    return next(rule.limits for rule in _baseline().rules if rule.check.id == id and rule.limits is not None)


@functools.cache
def _baseline() -> Baseline:
    return load_baseline("network", find_checks())


def _lists(facts: SshFacts) -> dict[str, tuple[str, ...]]:
    algorithms = known(facts.algorithms)
    return {
        "kex": algorithms.key_exchange,
        "key": algorithms.host_key,
        "enc": algorithms.ciphers,
        "mac": algorithms.macs,
    }
