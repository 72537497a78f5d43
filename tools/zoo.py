"""Asks secscan, sslyze and sslscan about every server of the zoo, and writes docs/tls-truth.md: who is right where.

Run it from the top of the checkout: python -m tools.zoo [--check] [--measured FILE]
"""

import argparse
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from secscan.collection.sweep import Depth
from secscan.scope import utc_now
from tests.lab.authority import Authority
from tests.lab.servers import Running
from tests.lab.zoo import ZOO, Exhibit, RunningZoo, start_zoo
from tests.lab.zoo.comparison import COMPLETE, differences
from tests.lab.zoo.peers import Claims, ask_sslscan, ask_sslyze, disagreements
from tests.lab.zoo.visit import sweep_zoo

PAGE = Path(__file__).parent.parent / "docs" / "tls-truth.md"

PEERS: dict[str, Callable[[Running, Path], Claims]] = {"sslyze": ask_sslyze, "sslscan": ask_sslscan}

#: Peer, what it disagrees in, by regular expression, and of which exhibits -> why that is. The first that fits counts.
EXPLAINED: tuple[tuple[str, str, str, str], ...] = (
    (
        "sslyze",
        "^fails: TLS probing failed",
        "",
        "It looks for one handshake that it can complete before it looks at anything else. Its own OpenSSL has nothing "
        "in common with this server, and so it says nothing of it.",
    ),
    (
        "sslyze",
        "^fails: WARNING: Server only supports SSL 2.0",
        "",
        "It looks no further where there is nothing newer.",
    ),
    (
        "sslyze",
        "^misses the certificate",
        "",
        "It connects once in TLS 1.3, and twice in TLS 1.2: for RSA, and for all but RSA (implementation.py of its "
        "certificate_info). Of certificates that are left it hears nothing.",
    ),
    (
        "sslyze",
        "^calls the stapled answer",
        "",
        "It means that the answer is signed by whom it should be; what the answer says, it does not weigh.",
    ),
    (
        "sslyze",
        "^ccs_injection",
        "Node 0.10",
        "Node 0.10 hangs up without an alert over a second ChangeCipherSpec, and for secscan too it took Heartbleed beside "
        "it to be sure.",
    ),
    (
        "sslscan",
        "^lists no suite of SSLv[23]",
        "",
        "It tells whether SSL 2.0 and 3.0 are offered, and never which suites.",
    ),
    (
        "sslscan",
        "^misses TLSv1.3",
        "hybrid",
        "Its hello has none of the groups that this server takes.",
    ),
    (
        "sslscan",
        "^misses",
        "^ours: resets",
        "The server resets on that hello, and it tries no smaller one.",
    ),
    (
        "",
        "^(misses|lists no suite of) TLSv1.2$",
        "",
        "Seen, and not looked into: its own OpenSSL completes no handshake with this server.",
    ),
)

HEAD = """# TLS: who is right where

<!-- Made by `make zoo`, which measures. Change tools/zoo.py or tests/lab/zoo, not this. -->

The zoo (`tests/lab/zoo`) is a set of TLS servers on loopback: real implementations from SSL 2.0 to ML-KEM, and a few
of ours that misbehave as no implementation does. What there is to see on each was written by hand, from how it is set
up. The sweep is held to all of it by the tests; this page holds the peers to the same. That a peer does not look at
something is no disagreement; here are only claims that are not so.
"""


class Measured(msgspec.Struct, frozen=True):
    """By exhibit: what each peer claims, and, for both depths of the sweep, what is wrong, and connections."""

    peers: dict[str, dict[str, Claims]]
    ours: dict[str, dict[str, tuple[list[str], int]]]
    seconds: dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where ``--check`` finds servers on the page that are not in the zoo, or the other way round, or a
    disagreement that nothing explains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the servers listed; measure nothing")
    parser.add_argument(
        "--measured", type=Path, help="keep what was measured in FILE; read it if it is there"
    )
    options = parser.parse_args(arguments)
    if options.check:
        return _check()
    if options.measured is not None and options.measured.exists():
        measured = msgspec.json.decode(options.measured.read_bytes(), type=Measured)
    else:
        measured = measure()
        if options.measured is not None:
            options.measured.write_bytes(msgspec.json.encode(measured))
    rows = list(_rows(measured))
    PAGE.write_text(_page(measured, rows), "utf-8")
    unexplained = [row for row in rows if not row[3]]
    for exhibit, peer, what, _ in unexplained:
        sys.stderr.write(f"nothing explains: {peer} {what} ({exhibit})\n")
    return 1 if unexplained else 0


def named(exhibit: Exhibit) -> str:
    return f"{exhibit.maker}: {exhibit.name}"


def measure() -> Measured:
    """Two of a peer's processes at a time. Raises LabError where a server of the zoo is missing."""
    with start_zoo(Authority(utc_now()), ZOO) as zoo, tempfile.NamedTemporaryFile(suffix=".pem") as anchors:
        if zoo.missing:
            sys.exit("not measured, because servers are missing: " + "; ".join(set(zoo.missing.values())))
        anchors.write(zoo.keys.authority.root_pem)
        anchors.flush()
        seconds: dict[str, float] = {}
        ours = {}
        for depth in Depth:
            began = time.process_time()
            ours[depth.value] = _ours(zoo, depth)
            seconds[depth.value] = time.process_time() - began
        peers = {}
        for peer, ask in PEERS.items():
            with ThreadPoolExecutor(2) as askers:
                asked = {
                    named(exhibit): askers.submit(ask, running, Path(anchors.name))
                    for exhibit, running in zoo.at.items()
                }
                peers[peer] = {name: answer.result() for name, answer in asked.items()}
        return Measured(peers, ours, seconds)


def _ours(zoo: RunningZoo, depth: Depth) -> dict[str, tuple[list[str], int]]:
    return {
        named(exhibit): (
            differences(exhibit.expected, swept.tls, swept.chain, complete=COMPLETE[depth]),
            swept.connections,
        )
        for exhibit, swept in sweep_zoo(zoo, depth).items()
    }


#: Exhibit, peer, what it disagrees in, why.
_Row = tuple[str, str, str, str]


def _rows(measured: Measured) -> Iterator[_Row]:
    for exhibit in ZOO:
        for peer, claims in measured.peers.items():
            for what in disagreements(exhibit.expected, claims[named(exhibit)]):
                yield named(exhibit), peer, what, _why(named(exhibit), peer, what)


def _why(exhibit: str, peer: str, what: str) -> str:
    for which, claim, where, why in EXPLAINED:
        if which in (peer, "") and re.search(claim, what) and re.search(where, exhibit):
            return why
    return ""


def _page(measured: Measured, rows: Sequence[_Row]) -> str:
    return "\n".join([HEAD, *_summary(measured, rows), "", *_table(rows), "", *_servers(), ""])


def _summary(measured: Measured, rows: Sequence[_Row]) -> Iterator[str]:
    yield f"{len(ZOO)} servers; {_versions()}. Two processes of a peer at a time, or eight sweeps in one process; two cores."
    yield ""
    yield "| Scanner | Right on | Wrong, or failed, on | Median seconds | Longest |"
    yield "|---|---|---|---|---|"
    for peer, claims in measured.peers.items():
        wrong = {exhibit for exhibit, who, _, _ in rows if who == peer}
        taken = sorted(claim.seconds for claim in claims.values())
        yield (
            f"| {peer} | {len(ZOO) - len(wrong)} | {len(wrong)} | {taken[len(taken) // 2]:.1f} | {taken[-1]:.0f} |"
        )
    for depth, found in measured.ours.items():
        wrong_ours = sum(bool(what) for what, _ in found.values())
        each = measured.seconds[depth] / len(ZOO)
        yield f"| secscan, {depth} | {len(ZOO) - wrong_ours} | {wrong_ours} | {each:.3f} of CPU, on average | |"


def _versions() -> str:
    scan = shutil.which("sslscan") or "sslscan"
    said = subprocess.run([scan, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    return f"sslyze {importlib.metadata.version('sslyze')}, sslscan {found[0] if found else '(missing)'}"


def _table(rows: Sequence[_Row]) -> Iterator[str]:
    yield "## Where the peers are wrong"
    yield ""
    yield "| Scanner | Claim | Why | Servers |"
    yield "|---|---|---|---|"
    # One line a claim and explanation: what a peer gets wrong on ten servers is one thing.
    together: dict[tuple[str, str, str], list[str]] = {}
    for exhibit, peer, what, why in rows:
        together.setdefault((peer, what, why), []).append(exhibit)
    for (peer, what, why), exhibits in together.items():
        yield f"| {peer} | {what} | {why} | {'; '.join(exhibits)} |"


def _servers() -> Iterator[str]:
    yield "## The servers"
    yield ""
    for maker, count in Counter(exhibit.maker for exhibit in ZOO).items():
        names = "; ".join(exhibit.name for exhibit in ZOO if exhibit.maker == maker)
        yield f"- **{maker}** ({count}): {names}"


def _check() -> int:
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    listed = {line for line in page.splitlines() if line.startswith("- **")}
    wanted = {line for line in _servers() if line.startswith("- **")}
    for line in _only(wanted, listed):
        sys.stderr.write(f"{PAGE.name} does not list, or lists otherwise: {line}; run `make zoo`\n")
    return int(listed != wanted)


def _only(these: Iterable[str], those: set[str]) -> list[str]:
    return sorted(set(these) - those)


if __name__ == "__main__":
    sys.exit(main())
