"""secscan audit: one-off, no workspace."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Secscan, as_json
from tests.lab.fleet import RunningFleet


def target(fleet: RunningFleet, host: str, slug: str = "web") -> str:
    address = next(h.address for h, s, _port in fleet.services() if h.id == host and s.slug == slug)
    return f"{address}:{fleet.ports[host, slug]}"


def test_it_names_findings_with_evidence_and_fix(fleet: RunningFleet, secscan: Secscan) -> None:
    done = secscan("audit", target(fleet, "bad-1"))
    assert done.returncode == 1, done.stderr
    assert "certificate.expiry" in done.stdout
    assert "Fix:" in done.stdout
    assert "grade D" in done.stdout  # a high finding caps a host at 69


def test_a_private_root_makes_the_good_server_clean(
    fleet: RunningFleet, secscan: Secscan, tmp_path: Path
) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(fleet.authority.root_pem)
    done = secscan("audit", target(fleet, "good-1"), "--ca", root, "--format", "json", "--min-coverage", "0")
    found = [
        f
        for f in as_json(done)["findings"]
        if f["outcome"] == "fail" and f["severity"] in ("high", "critical")
    ]
    assert done.returncode == 0, found


def test_without_the_private_root_the_path_fails(fleet: RunningFleet, secscan: Secscan) -> None:
    found = as_json(secscan("audit", target(fleet, "good-1"), "--format", "json"))["findings"]
    trusted = [f for f in found if f["check"] == "certificate.trusted"]
    assert [f["outcome"] for f in trusted] == ["fail"]


def test_fail_on_moves_the_exit_code(fleet: RunningFleet, secscan: Secscan) -> None:
    done = secscan("audit", target(fleet, "bad-1"), "--fail-on", "never", "--min-coverage", "0")
    assert done.returncode == 0


def test_a_probe_log_that_cant_be_opened_is_the_operators_to_mend(secscan: Secscan, tmp_path: Path) -> None:
    (tmp_path / "secscan" / "probes.jsonl").mkdir(parents=True)
    done = secscan("audit", "127.20.50.99:1", XDG_STATE_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "probes.jsonl can't be opened: Is a directory" in done.stderr


def test_too_little_seen_is_exit_code_3(secscan: Secscan) -> None:
    done = secscan("audit", "127.20.50.99:1", "--fail-on", "critical")
    assert done.returncode == 3, done.stdout


def test_findings_win_over_coverage(fleet: RunningFleet, secscan: Secscan) -> None:
    assert secscan("audit", target(fleet, "bad-1"), "--min-coverage", "100").returncode == 1


def test_json_has_score_and_grade(fleet: RunningFleet, secscan: Secscan) -> None:
    document = as_json(secscan("audit", target(fleet, "bad-1"), "--format", "json"))
    assert document["schema"] == 1
    assert document["agencies"][0]["score"]["grade"] == "D"


def test_html_is_one_self_contained_page(fleet: RunningFleet, secscan: Secscan) -> None:
    page = secscan("audit", target(fleet, "bad-1"), "--format", "html").stdout
    assert page.startswith("<!DOCTYPE html>") or page.startswith("<!doctype html>")
    assert "<script" not in page
    assert 'http-equiv="Content-Security-Policy"' in page


def test_csv_can_be_read_again(fleet: RunningFleet, secscan: Secscan) -> None:
    done = secscan("audit", target(fleet, "bad-1"), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout.lstrip("\ufeff"))))
    assert any(row["check"] == "certificate.expiry" for row in rows)


def test_it_finds_open_ports_by_itself(fleet: RunningFleet, secscan: Secscan) -> None:
    host = next(h.address for h, _s, _p in fleet.services() if h.id == "bad-1")
    document = as_json(secscan("audit", host, "--format", "json"))
    ports = {f["subject"]["port"] for f in document["findings"] if f["check"].startswith("tls.")}
    assert fleet.ports["bad-1", "web"] in ports


def test_a_name_that_does_not_resolve_is_unknown_and_no_crash(secscan: Secscan) -> None:
    done = secscan("audit", "khong-co.invalid", "--format", "json")
    assert done.returncode == 3, done.stderr
    assert {f["reason"] for f in as_json(done)["findings"]} == {"not-resolved"}


def test_nonsense_is_a_usage_error(secscan: Secscan) -> None:
    done = secscan("audit", "http://example/")
    assert done.returncode == 2
    assert "is no target" in done.stderr


@pytest.mark.parametrize("ports", ["", "0", "0-80", "70000", "ssh", "top-", "top-0"])
def test_ports_that_are_none_are_a_usage_error(ports: str, secscan: Secscan) -> None:
    done = secscan("audit", "127.20.50.99", "--ports", ports)
    assert done.returncode == 2
    assert "--ports" in done.stderr


def test_the_favourite_ports_and_more_can_be_asked_for(fleet: RunningFleet, secscan: Secscan) -> None:
    address, port = target(fleet, "bad-1").split(":")
    document = as_json(secscan("audit", address, "--ports", f"top-3,{port}", "--format", "json"))
    assert int(port) in {f["subject"]["port"] for f in document["findings"]}


@pytest.mark.parametrize("odd", ["0x7f000001", "a.0x7f", "127.1", "2130706433", "a..b", "-a.example"])
def test_an_address_in_disguise_is_no_target(odd: str, secscan: Secscan) -> None:
    """inet_aton() and the resolver read some of them as addresses."""
    done = secscan("audit", "--ports", "1", "--", odd)
    assert done.returncode == 2
    assert "is no target" in done.stderr


def test_a_large_network_wants_a_scope(secscan: Secscan) -> None:
    done = secscan("audit", "127.0.0.0/16")
    assert done.returncode == 2
    assert "scope.toml" in done.stderr


def test_every_probe_is_logged(fleet: RunningFleet, secscan: Secscan, tmp_path: Path) -> None:
    secscan("audit", target(fleet, "good-1"), XDG_STATE_HOME=str(tmp_path))
    lines = (tmp_path / "secscan" / "probes.jsonl").read_text("utf-8").splitlines()
    address = target(fleet, "good-1").partition(":")[0]
    assert {json.loads(line)["address"] for line in lines} == {address}


def test_without_nmap_it_works_too(fleet: RunningFleet, secscan: Secscan) -> None:
    done = secscan("audit", target(fleet, "bad-1"), "--no-nmap")
    assert done.returncode == 1
    assert "certificate.expiry" in done.stdout


def kinds_settled(document: dict[str, Any]) -> dict[str, str]:
    """Check -> outcome, of the rules that rest on how closely TLS was looked at."""
    return {
        f["check"]: f["outcome"]
        for f in document["findings"]
        if f["check"] in ("tls.contradiction", "tls.robot", "tls.heartbleed", "tls.client-renegotiation")
    }


def test_by_default_sslyze_is_asked_too(fleet: RunningFleet, secscan: Secscan) -> None:
    found = kinds_settled(as_json(secscan("audit", target(fleet, "good-1"), "--format", "json")))
    assert found.pop("tls.contradiction") == "pass"
    assert "unknown" not in found.values()


def test_quick_asks_no_more_than_the_rules_need(fleet: RunningFleet, secscan: Secscan) -> None:
    found = kinds_settled(as_json(secscan("audit", target(fleet, "good-1"), "--quick", "--format", "json")))
    assert found.pop("tls.contradiction") == "not-applicable"
    assert "unknown" not in found.values()
