"""make demo: what it stores is what the lab's servers are, and nothing is left of it."""

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from secscan.facts import Absent, ChainFacts, PortFacts, PortStatus, SuiteClass, TlsFacts, TlsVersion, known
from secscan.facts.certificate import Certificate, PublicKey, read_certificate
from secscan.facts.ports import ports_in
from secscan.facts.suites import classes_of
from secscan.model import Endpoint, Evidence, Observation, Record, Unobserved
from secscan.report.folder import FLEET_PAGES
from secscan.store import Store
from tests import without_nmap
from tests.lab.authority import Authority
from tests.lab.demo import demo_agencies
from tests.lab.expectations import EXPECTED, SpeaksNoTls, SpeaksTls, Unseen
from tests.lab.fleet import CLOSED_PORT, WELL_KNOWN, LabHost
from tests.processes import adopting, descendants, survivors

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]

#: A description of the demo to compare with; its own servers are never started.
HOSTS: dict[str, LabHost] = {
    host.id: host for agency in demo_agencies(Authority(datetime.now(UTC))) for host in agency.hosts
}

SERVICES = sorted(EXPECTED)
TLS_SERVICES = [key for key in SERVICES if isinstance(EXPECTED[key], SpeaksTls)]


@dataclass(frozen=True)
class Demo:
    """A demo that ran: where it wrote, what it said, what is stored, and what outlived it."""

    folder: Path
    exit_code: int
    out: str
    err: str
    evidence: Mapping[str, Evidence]
    left: Mapping[int, str]

    @property
    def began(self) -> datetime:
        """The instant that the lab's certificates are dated from: its root is five years old."""
        root = x509.load_pem_x509_certificate((self.folder / "ca" / "lab-root.pem").read_bytes())
        return root.not_valid_before_utc + timedelta(days=5 * 365)

    def ports(self, host: str) -> PortFacts:
        (seen,) = [r for (_, kind), r in self.evidence[host].newest.items() if kind == PortFacts.kind]
        assert isinstance(seen, Observation), seen
        facts = seen.facts
        assert isinstance(facts, PortFacts)
        return facts

    def port(self, host: str, slug: str) -> int:
        """The port the service has in this demo, which is another than usual where that was taken."""
        (service,) = [service for service in HOSTS[host].services if service.slug == slug]
        (written,) = [entry for entry in self.inventory() if entry["id"] == host]
        declared = {entry["what"]: entry["port"] for entry in written["service"]}
        if service.declared:
            return int(declared[service.what])
        # Among the ports to ask, but in no service: no host of the demo hides more than one.
        asked = ports_in(written["ports"].removeprefix(f"{WELL_KNOWN},"))
        (hidden,) = asked - {CLOSED_PORT, *declared.values()}
        return hidden

    def inventory(self) -> list[dict[str, Any]]:
        files = (self.folder / "inventory").glob("*.toml")
        return [host for file in files for host in tomllib.loads(file.read_text("utf-8"))["host"]]

    def records(self, host: str, slug: str, kind: str) -> dict[str, Record]:
        """By server name, the newest record of the service."""
        port = self.port(host, slug)
        return {
            target.service.server_name: record
            for (target, of_kind), record in self.evidence[host].newest.items()
            if isinstance(target, Endpoint) and target.service.port == port and of_kind == kind
        }


def run_demo(command: list[str], folder: Path) -> Demo:
    with adopting():
        before = descendants()
        done = subprocess.run(
            [*command, str(folder)], cwd=ROOT, env=english(), capture_output=True, text=True
        )
        left = survivors(before)
    assert (folder / "secscan.db").exists(), done.stderr
    with Store.open(folder / "secscan.db") as store:
        evidence = dict(store.evidence(datetime.now(UTC), list(HOSTS)))
    return Demo(folder, done.returncode, done.stdout, done.stderr, evidence, left)


def english() -> dict[str, str]:
    return {**os.environ, "LANG": "C.UTF-8", "COLUMNS": "200"}


DEMO = [sys.executable, "tools/demo.py"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return run_demo(DEMO, tmp_path_factory.mktemp("lab") / "demo")


# --- What it shows ----------------------------------------------------------------------------------------


def test_it_goes_well(demo: Demo) -> None:
    assert demo.exit_code == 0, demo.err


def test_it_ends_with_where_the_scorecards_are(demo: Demo) -> None:
    assert demo.out.splitlines()[-1] == f"Scorecards: {demo.folder / 'report' / 'index.html'}"


@pytest.mark.parametrize("agency", ["Ministry of Examples", "Song Mau Province", "Dong Thu Commune"])
def test_it_shows_how_each_agency_stands(demo: Demo, agency: str) -> None:
    (line,) = [line for line in demo.out.splitlines() if agency in line]
    assert "%" in line


def test_it_writes_an_index_and_a_page_for_each_agency(demo: Demo) -> None:
    report = demo.folder / "report"
    pages = sorted(path.relative_to(report).as_posix() for path in report.rglob("*.html"))
    assert pages == [
        "agencies/bo-vi-du.html",
        "agencies/tinh-song-mau.html",
        "agencies/xa-dong-thu.html",
        *sorted(FLEET_PAGES),
    ]


def test_nothing_is_left_running(demo: Demo) -> None:
    assert demo.left == {}


def test_its_folder_is_marked_as_one_that_may_be_removed(demo: Demo) -> None:
    assert (demo.folder / ".secscan-demo").is_file()


def test_a_workspace_that_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "secscan.toml").write_text("# mine\n", "utf-8")
    done = subprocess.run([*DEMO, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no demo of ours" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["secscan.toml"]


# --- What it stores ---------------------------------------------------------------------------------------


def test_every_host_and_service_of_the_lab_is_expected() -> None:
    assert {(host.id, service.slug) for host in HOSTS.values() for service in host.services} == set(EXPECTED)


@pytest.mark.parametrize("host", sorted(HOSTS))
def test_exactly_the_ports_that_listen_are_open(demo: Demo, host: str) -> None:
    listening = {
        demo.port(host, service.slug)
        for service in HOSTS[host].services
        if not isinstance(expected := EXPECTED[host, service.slug], Unseen) or expected.listens
    }
    assert {state.port for state in demo.ports(host).open()} == listening


@pytest.mark.parametrize("host", sorted(HOSTS))
def test_the_port_where_nobody_listens_is_closed(demo: Demo, host: str) -> None:
    assert demo.ports(host).status("tcp", CLOSED_PORT) is PortStatus.CLOSED


def test_a_declared_service_that_is_gone_has_its_port_closed(demo: Demo) -> None:
    assert demo.ports("database-1").status("tcp", demo.port("database-1", "copies")) is PortStatus.CLOSED


@pytest.mark.parametrize(("host", "slug"), SERVICES, ids="/".join)
def test_a_service_is_looked_at_under_each_of_its_names(demo: Demo, host: str, slug: str) -> None:
    (service,) = [service for service in HOSTS[host].services if service.slug == slug]
    names = service.server_names or HOSTS[host].names[:1] or ("",)
    for kind in ("tls", "chain"):
        assert set(demo.records(host, slug, kind)) == set(names)


@pytest.mark.parametrize(("host", "slug"), SERVICES, ids="/".join)
def test_whether_it_speaks_tls_is_seen_as_it_is(demo: Demo, host: str, slug: str) -> None:
    expected = EXPECTED[host, slug]
    for kind, model in (("tls", TlsFacts), ("chain", ChainFacts)):
        for record in demo.records(host, slug, kind).values():
            match expected:
                case SpeaksTls():
                    assert isinstance(record, Observation), record
                    assert isinstance(record.facts, model)
                case SpeaksNoTls():
                    assert isinstance(record, Observation), record
                    assert isinstance(record.facts, Absent)
                case Unseen():
                    assert isinstance(record, Unobserved), record
                    assert record.reason in expected.reasons
                    assert record.detail


def expected_tls(host: str, slug: str) -> SpeaksTls:
    expected = EXPECTED[host, slug]
    assert isinstance(expected, SpeaksTls)
    return expected


def tls_facts(demo: Demo, host: str, slug: str) -> list[TlsFacts]:
    """One for each server name."""
    records = demo.records(host, slug, TlsFacts.kind).values()
    return [
        r.facts for r in records if isinstance(r, Observation) and isinstance(r.facts, TlsFacts)
    ] or pytest.fail("no TLS was seen")


def chain_facts(demo: Demo, host: str, slug: str) -> list[ChainFacts]:
    records = demo.records(host, slug, ChainFacts.kind).values()
    return [
        r.facts for r in records if isinstance(r, Observation) and isinstance(r.facts, ChainFacts)
    ] or pytest.fail("no certificate was seen")


def leaves(facts: ChainFacts) -> list[Certificate]:
    found = [read_certificate(chain.certificates[0]) for chain in facts.chains]
    return [certificate for certificate in found if isinstance(certificate, Certificate)]


@pytest.mark.parametrize(("host", "slug"), TLS_SERVICES, ids="/".join)
def test_the_versions_offered(demo: Demo, host: str, slug: str) -> None:
    for facts in tls_facts(demo, host, slug):
        offered = {offer.version for offer in facts.versions if known(offer.offered)}
        assert offered == expected_tls(host, slug).versions


@pytest.mark.parametrize(
    ("host", "slug"), [key for key in TLS_SERVICES if expected_tls(*key).suites is not None], ids="/".join
)
def test_the_suites_before_tls_1_3(demo: Demo, host: str, slug: str) -> None:
    for facts in tls_facts(demo, host, slug):
        older = [offer for offer in facts.versions if offer.version is not TlsVersion.TLS1_3]
        suites = {suite.name for offer in older if known(offer.offered) for suite in known(offer.suites)}
        expected = set(expected_tls(host, slug).suites or ())
        # A scan names at least one suite of each class that is judged, and none that is not there.
        assert suites <= expected
        assert classes(suites) == classes(expected)
        assert all(
            offer.settles(kind) or kind in classes(suites)
            for offer in older
            if known(offer.offered)
            for kind in SuiteClass
            if kind is not SuiteClass.EVERY
        )


def classes(suites: set[str]) -> set[SuiteClass]:
    return {kind for suite in suites for kind in classes_of(suite)}


@pytest.mark.parametrize(
    ("host", "slug"), [key for key in TLS_SERVICES if expected_tls(*key).dh_bits is not None], ids="/".join
)
def test_the_size_of_the_diffie_hellman_prime(demo: Demo, host: str, slug: str) -> None:
    for facts in tls_facts(demo, host, slug):
        assert facts.dh_bits == expected_tls(host, slug).dh_bits


@pytest.mark.parametrize(("host", "slug"), TLS_SERVICES, ids="/".join)
def test_whether_a_client_certificate_is_asked_for(demo: Demo, host: str, slug: str) -> None:
    for facts in tls_facts(demo, host, slug):
        assert facts.client_certificate == expected_tls(host, slug).client_certificate


@pytest.mark.parametrize(("host", "slug"), TLS_SERVICES, ids="/".join)
def test_the_keys_of_every_certificate_slot(demo: Demo, host: str, slug: str) -> None:
    for facts in chain_facts(demo, host, slug):
        keys = [leaf.key for leaf in leaves(facts)]
        assert {(key.type, key.bits) for key in keys if isinstance(key, PublicKey)} == expected_tls(
            host, slug
        ).keys
        assert [chain.slot for chain in facts.chains] == sorted(
            {type for type, _ in expected_tls(host, slug).keys}
        )


@pytest.mark.parametrize(("host", "slug"), TLS_SERVICES, ids="/".join)
def test_when_its_certificates_end(demo: Demo, host: str, slug: str) -> None:
    for facts in chain_facts(demo, host, slug):
        ends = {leaf.not_after for leaf in leaves(facts)}
        assert ends == {demo.began + expected_tls(host, slug).ends}


@pytest.mark.parametrize(("host", "slug"), TLS_SERVICES, ids="/".join)
def test_how_many_certificates_are_sent(demo: Demo, host: str, slug: str) -> None:
    for facts in chain_facts(demo, host, slug):
        assert {len(chain.certificates) for chain in facts.chains} == {expected_tls(host, slug).sent}


# --- Ctrl-C -----------------------------------------------------------------------------------------------


def starting(folder: Path) -> bool:
    """The lab's servers are being started; the demo's folder is the first thing it makes."""
    return folder.exists()


def scanning(folder: Path) -> bool:
    """Addresses are being asked: nmap runs, and workers that speak TLS."""
    log = folder / "probes.jsonl"
    return log.exists() and log.stat().st_size > 0


def recording(folder: Path) -> bool:
    """What was seen is being stored, while slow servers are still waited for."""
    store = folder / "secscan.db-wal"
    return store.exists() and store.stat().st_size > 200_000


@pytest.mark.parametrize("under_way", [starting, scanning, recording])
def test_ctrl_c_leaves_nothing_running(tmp_path: Path, under_way: Callable[[Path], bool]) -> None:
    with adopting():
        before = descendants()
        process = start_demo(tmp_path / "demo")
        wait_until(lambda: under_way(tmp_path / "demo"), process)
        # As a terminal does: to everybody in the foreground.
        os.killpg(process.pid, signal.SIGINT)
        _out, err = process.communicate(timeout=20)
        assert survivors(before) == {}
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err


def test_ctrl_c_twice_leaves_nothing_running_either(tmp_path: Path) -> None:
    with adopting():
        before = descendants()
        process = start_demo(tmp_path / "demo")
        wait_until(lambda: scanning(tmp_path / "demo"), process)
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)
        assert survivors(before) == {}
    assert process.returncode != 0


def start_demo(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*DEMO, str(folder)],
        cwd=ROOT,
        env=english(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "nothing happened within 60 s"
        time.sleep(0.01)  # Polls for a condition: files tell how far another process is.


# --- Without nmap -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def demo_without_nmap(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    if why := without_nmap.missing():
        pytest.skip(why)
    return run_demo(without_nmap.without_nmap(DEMO), tmp_path_factory.mktemp("no-nmap") / "demo")


@pytest.mark.root
def test_without_nmap_it_goes_well_too(demo_without_nmap: Demo) -> None:
    assert demo_without_nmap.exit_code == 0, demo_without_nmap.err
    assert demo_without_nmap.left == {}


@pytest.mark.root
def test_without_nmap_it_says_what_that_costs(demo_without_nmap: Demo) -> None:
    said = [line for line in demo_without_nmap.err.splitlines() if line.startswith("nmap is not installed: ")]
    assert len(said) == 1
    assert "connect scan" in said[0]


@pytest.mark.root
@pytest.mark.parametrize("host", sorted(HOSTS))
def test_without_nmap_the_same_ports_are_open(demo: Demo, demo_without_nmap: Demo, host: str) -> None:
    assert demo_without_nmap.ports(host).method == "connect"
    assert {s.port for s in demo_without_nmap.ports(host).open()} == {s.port for s in demo.ports(host).open()}


@pytest.mark.root
@pytest.mark.parametrize(("host", "slug"), TLS_SERVICES, ids="/".join)
def test_without_nmap_the_same_versions_are_offered(demo_without_nmap: Demo, host: str, slug: str) -> None:
    for facts in tls_facts(demo_without_nmap, host, slug):
        offered = {offer.version for offer in facts.versions if known(offer.offered)}
        assert offered == expected_tls(host, slug).versions
