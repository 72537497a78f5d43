"""Hosts that attack whoever looks at them: nothing of it reaches a terminal, a browser or a spreadsheet alive."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secscan.facts import SECOND, Absent, PortFacts
from secscan.model import Endpoint, Evidence, Observation
from secscan.report.folder import FLEET_PAGES
from secscan.report.rendering import environment
from secscan.store import Store
from tests.lab.authority import HOSTILE_SUBJECTS, Authority
from tests.lab.fleet import LabAgency, LabHost, LabService, RunningFleet, start_fleet, write_workspace
from tests.lab.servers import (
    HOSTILE_GREETING,
    BannerServer,
    DrippingServer,
    EndlessServer,
    PlainHttpServer,
    Server,
    SilentServer,
    TlsServer,
    UnclosingServer,
    random_greeting,
)
from tests.report.pages import Page, read

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: C0 and C1 controls but for line ends, DEL, and whatever turns the direction of text (UAX #9, section 2).
LIVE = re.compile(
    "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\r(?!\n)"
)

#: The kinds that say what speaks TLS, and how.
TLS = ("tls", "chain", "tls-audit")

#: How spreadsheets know a formula (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")

#: Seconds a target may take, and the whole of a look.
DEADLINE = 8.0
LONGEST = 120.0

EVIL = "\x1b[31m\u202e<script>alert(1)</script>=cmd"

GREETINGS: dict[str, Server] = {
    "greeting": BannerServer(HOSTILE_GREETING),
    "formula": BannerServer(b'=HYPERLINK("http://127.0.0.1/","open")\r\n'),
    "ssh": BannerServer(f"SSH-2.0-{EVIL}\r\n".encode()),
    "ftp": BannerServer(f"220 {EVIL} FTP server ready\r\n".encode()),
    "smtp": BannerServer(f"220 {EVIL} ESMTP Postfix\r\n".encode()),
    "http": PlainHttpServer(f"HTTP/1.1 200 OK\r\nServer: {EVIL}\r\nContent-Length: 0\r\n\r\n".encode()),
    "random": BannerServer(random_greeting(1)),
    "nothing-but-nul": BannerServer(bytes(4096)),
}

HOLDING: dict[str, Server] = {
    "endless": EndlessServer(),
    "dripping": DrippingServer(),
    "dripping-handshake": DrippingServer(in_handshake=True),
    "silent": SilentServer(),
    "unclosing": UnclosingServer(),
}


def start_hostile_fleet() -> RunningFleet:
    authority = Authority(datetime.now(UTC))

    def certificates() -> Iterator[LabService]:
        for number, (name, subject) in enumerate(HOSTILE_SUBJECTS.items()):
            server = TlsServer((authority.hostile("a.example", subject=subject),), closes=number % 2 == 0)
            yield LabService(f"tls-{name}", 8443 + number, server, f"certificate: {name}")

    def plain(servers: Mapping[str, Server], *, declared: bool) -> Iterator[LabService]:
        for number, (name, server) in enumerate(servers.items()):
            yield LabService(name, 9300 + number, server, name, declared=declared)

    hosts = (
        LabHost("certificates", "127.20.60.1", "portal", tuple(certificates()), names=("a.example",)),
        LabHost("declared", "127.20.60.2", "portal", tuple(plain(GREETINGS, declared=True))),
        LabHost("hidden", "127.20.60.3", "portal", tuple(plain(GREETINGS, declared=False))),
        LabHost("holding", "127.20.60.4", "portal", tuple(plain(HOLDING, declared=True))),
    )
    agency = LabAgency("hostile", "central", {"en": "Hostile"}, ("A", "a@a.example"), hosts)
    return start_fleet(authority, (agency,))


@dataclass(frozen=True)
class Look:
    """A scan of the hostile fleet."""

    fleet: RunningFleet
    folder: Path
    #: Seconds.
    took: float
    exit_code: int
    said: str
    evidence: Mapping[str, Evidence]


@pytest.fixture(scope="module")
def fleet() -> Iterator[RunningFleet]:
    with start_hostile_fleet() as running:
        yield running


@pytest.fixture(scope="module", params=[(), ("--no-nmap",)], ids=["nmap", "no-nmap"])
def look(
    fleet: RunningFleet, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Look:
    folder = tmp_path_factory.mktemp("hostile")
    write_workspace(folder, fleet)
    began = time.monotonic()
    done = run("scan", "-C", folder, "--deadline", str(DEADLINE), *request.param)
    took = time.monotonic() - began
    with Store.open(folder / "secscan.db") as store:
        hosts = [host.id for host, _service, _port in fleet.services()]
        evidence = dict(store.evidence(datetime.now(UTC), sorted(set(hosts))))
    return Look(fleet, folder, took, done.returncode, text_of(done), evidence)


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[bytes]":
    """Bytes, since reading as text would tidy up line ends."""
    env = {**os.environ, "LANG": "C.UTF-8", "COLUMNS": "200"}
    command = [sys.executable, "-m", "secscan", *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, timeout=110)


def text_of(done: "subprocess.CompletedProcess[bytes]") -> str:
    """Both streams, which have to be UTF-8."""
    text = done.stdout.decode("utf-8") + done.stderr.decode("utf-8")
    assert done.returncode in (0, 1, 3), text
    assert "Traceback" not in text
    return text


def live(text: str) -> list[str]:
    """What is alive in a text, each with what stands before it."""
    return [repr(text[max(0, found.start() - 40) : found.end()]) for found in LIVE.finditer(text)]


# --- The scan itself --------------------------------------------------------------------------------------


def test_it_ends_in_bounded_time(look: Look) -> None:
    assert look.exit_code == 1
    assert look.took < LONGEST


def test_what_the_scan_says_is_harmless(look: Look) -> None:
    assert live(look.said) == []


def test_every_service_is_accounted_for(look: Look) -> None:
    recorded = {
        (target.host, target.service.port, kind)
        for evidence in look.evidence.values()
        for target, kind in evidence.newest
        if isinstance(target, Endpoint)
    }
    services = {(host.id, port) for host, _service, port in look.fleet.services()}
    assert recorded == {(host, port, kind) for host, port in services for kind in (*TLS, *SECOND)}


def test_every_open_port_is_found(look: Look) -> None:
    for host, evidence in look.evidence.items():
        (seen,) = [record for record in evidence.newest.values() if record.kind == "ports"]
        assert isinstance(seen, Observation), seen
        assert isinstance(seen.facts, PortFacts)
        listening = {port for of, _service, port in look.fleet.services() if of.id == host}
        assert {state.port for state in seen.facts.open()} == listening


@pytest.mark.parametrize("name", HOSTILE_SUBJECTS)
def test_a_certificate_with_a_hostile_subject_is_read_all_the_same(look: Look, name: str) -> None:
    port = look.fleet.ports["certificates", f"tls-{name}"]
    records = {
        record.kind: record
        for record in look.evidence["certificates"].newest.values()
        if isinstance(record.target, Endpoint) and record.target.service.port == port
    }
    assert isinstance(records["tls"], Observation), records
    assert isinstance(records["chain"], Observation), records


@pytest.mark.parametrize("name", GREETINGS)
def test_a_greeting_is_never_taken_for_tls(look: Look, name: str) -> None:
    port = look.fleet.ports["declared", name]
    for (target, kind), record in look.evidence["declared"].newest.items():
        if kind in TLS and isinstance(target, Endpoint) and target.service.port == port:
            assert not isinstance(record, Observation) or isinstance(record.facts, Absent)


def test_nothing_is_our_own_fault(look: Look) -> None:
    document = json.loads(run("findings", "-C", look.folder, *every(), "--format", "json").stdout)
    assert [f for f in document["findings"] if f["outcome"] == "error" or f["reason"] == "bug"] == []


# --- What is shown of it ----------------------------------------------------------------------------------


def every() -> list[str]:
    return [f"--outcome={outcome}" for outcome in ("fail", "unknown", "error", "pass")]


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_findings_are_harmless(look: Look, form: str, language: str) -> None:
    shown = text_of(run("--lang", language, "findings", "-C", look.folder, *every(), "--format", form))
    assert live(shown) == []


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_run_is_shown_harmlessly(look: Look, form: str) -> None:
    assert live(text_of(run("show", "-C", look.folder, "--format", form))) == []


def test_what_was_hostile_is_shown_and_not_left_out(look: Look) -> None:
    # Otherwise the tests here would find nothing, because there is nothing to find.
    shown = text_of(run("findings", "-C", look.folder, *every(), "--format", "csv"))
    for words in ("⟨U+001B⟩", "⟨U+202E⟩", "<script>alert(1)</script>", "=HYPERLINK", "{{ 7*7 }}"):
        assert words in shown


def test_no_cell_of_the_csv_is_a_formula(look: Look) -> None:
    shown = run("findings", "-C", look.folder, *every(), "--format", "csv").stdout.decode("utf-8")
    assert formulas(shown) == []


def formulas(shown: str) -> list[str]:
    rows = list(csv.reader(io.StringIO(shown.removeprefix("\ufeff"), newline="")))
    assert len(rows) > 1
    return [value for row in rows for value in row if value.lstrip().startswith(FORMULA)]


@pytest.fixture(scope="module")
def pages(look: Look, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages") / "report"
    assert live(text_of(run("report", "-C", look.folder, "--out", folder))) == []
    return {path.name: path.read_bytes().decode("utf-8") for path in folder.rglob("*.html")}


def test_pages_are_harmless(pages: dict[str, str]) -> None:
    assert set(pages) == {*FLEET_PAGES, "hostile.html"}
    for name, html in pages.items():
        page = read(html)
        assert live(html) == []
        # One script of our own puts the index in order.
        scripts = [environment().globals["index_script"]] if name == "index.html" else []
        assert [script.text for script in page.all("script")] == scripts
        assert dangers(page, index=name == "index.html") == []


def test_pages_show_hostile_text_as_text(pages: dict[str, str]) -> None:
    assert "<script>alert(1)</script>" in read(pages["hostile.html"]).text


#: All that a scorecard is made of, with its drawings (SVG): the elements, and the attributes of any of them.
_ELEMENTS = """
    a article b bdi body code dd defs desc details div dl dt em footer h1 h2 h3 h4 head header html i li line link
    main meta nav ol p path pattern rect section small span strong style summary svg table tbody td text th thead
    time title tr ul
"""
_ATTRIBUTES = """
    aria-current aria-describedby aria-hidden aria-label aria-labelledby charset class colspan content d datetime dir height href
    http-equiv id lang name open patterntransform patternunits rel role rowspan rx scope title transform viewbox
    width x x1 x2 y y1 y2
"""
#: What the index has besides: its list can be narrowed down and ordered.
_INDEX_ELEMENTS = "button form input label option script select"
_INDEX_ATTRIBUTES = "autocomplete data-k data-r data-shown data-t data-unranked data-z hidden type value"
#: Places on the page, and the pages of a report among themselves.
_LINK = re.compile(
    rf"#[\w./:-]+|(agencies/|\.\./)[\w.-]+\.html(#[\w./:-]+)?|{'|'.join(map(re.escape, FLEET_PAGES))}"
)


def dangers(page: Page, *, index: bool = False) -> list[str]:
    """Elements and attributes that no scorecard has, links that lead out, and torn nesting."""
    elements, attributes = set(_ELEMENTS.split()), set(_ATTRIBUTES.split())
    if index:
        elements |= set(_INDEX_ELEMENTS.split())
        attributes |= set(_INDEX_ATTRIBUTES.split())
    found = [f"torn: {tag}" for tag in page.misnested]
    for element in page.elements:
        if element.tag not in elements:
            found.append(f"<{element.tag}>")
        found += [f"<{element.tag} {name}>" for name in element.attributes if name not in attributes]
        href = element.attributes.get("href") or ""
        # An empty icon of its own keeps a browser from asking for /favicon.ico.
        allowed = href == "data:," if element.tag == "link" else not href or _LINK.fullmatch(href)
        if not allowed:
            found.append(f"<{element.tag} href={href!r}>")
    return found


@pytest.mark.parametrize(
    "torn",
    [
        "<p>a<script>x</script>",
        "<p><img src=x onerror=alert(2)></p>",
        '<a href="javascript:alert(1)">a</a>',
        "<p><b>a</p></b>",
    ],
)
def test_dangers_would_be_seen(torn: str) -> None:
    assert dangers(read(torn))


@pytest.mark.parametrize("text", ["\x1b[31m", "\x9b2J", "\u202e", "\x00", "a\rb"])
def test_live_text_would_be_seen(text: str) -> None:
    assert live(f"before {text} after\n")


# --- An audit of the same hosts ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["table", "json", "csv", "html"])
def test_an_audit_is_harmless(fleet: RunningFleet, form: str) -> None:
    by_address: dict[str, list[str]] = {}
    for host, _service, port in fleet.services():
        by_address.setdefault(host.address, []).append(str(port))
    targets = [f"{address}:{','.join(ports)}" for address, ports in by_address.items()]
    began = time.monotonic()
    domains = ["--domain=tls", "--domain=certificates", "--domain=ports"]
    done = run("audit", *targets, *domains, "--deadline", str(DEADLINE), "--format", form)
    assert time.monotonic() - began < LONGEST
    assert done.returncode == 1
    shown = text_of(done)
    assert live(shown) == []
    assert "<script" in shown or "&lt;script" in shown
    if form == "csv":
        assert formulas(done.stdout.decode("utf-8")) == []
    if form == "html":
        assert dangers(read(done.stdout.decode("utf-8"))) == []
