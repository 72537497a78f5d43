"""secscan scan, runs, show, findings, report and db, on a small lab of real servers."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from secscan.report.folder import FLEET_PAGES
from tests.cli.conftest import Secscan, as_json
from tests.lab.fleet import RunningFleet
from tests.processes import adopting, descendants, survivors


class TestScan:
    def test_it_says_how_each_agency_stands_and_that_there_are_findings(
        self, workspace: Path, secscan: Secscan
    ) -> None:
        done = secscan("scan", "-C", workspace)
        assert done.returncode == 1
        assert "Agency One" in done.stdout
        assert "Province Two" in done.stdout
        assert ": 0 of 2." in done.stdout

    def test_progress_goes_to_standard_error(self, workspace: Path, secscan: Secscan) -> None:
        done = secscan("scan", "-C", workspace)
        assert "3 of 3 hosts" in done.stderr
        assert "3 of 3 hosts" not in done.stdout

    def test_without_nmap_it_finds_the_same_failures(
        self, workspace: Path, scanned: Path, secscan: Secscan
    ) -> None:
        secscan("scan", "-C", workspace, "--no-nmap")
        assert failures(secscan, workspace) == failures(secscan, scanned)

    def test_one_agency_leaves_the_others_unscanned(self, workspace: Path, secscan: Secscan) -> None:
        secscan("scan", "-C", workspace, "--agency", "two")
        unseen = as_json(
            secscan(
                "findings", "-C", workspace, "--host", "good-1", "--outcome", "unknown", "--format", "json"
            )
        )
        assert {finding["reason"] for finding in unseen["findings"]} == {"not-attempted"}

    def test_an_unknown_agency_is_named_with_the_nearest(self, workspace: Path, secscan: Secscan) -> None:
        done = secscan("scan", "-C", workspace, "--agency", "twoo")
        assert done.returncode == 2
        assert "twoo" in done.stderr
        assert "'two'" in done.stderr

    def test_an_expired_scope_refuses_to_scan(self, workspace: Path, secscan: Secscan) -> None:
        scope = workspace / "scope.toml"
        lines = [
            "expires = 2020-01-01" if line.startswith("expires") else line
            for line in scope.read_text("utf-8").splitlines()
        ]
        scope.write_text("\n".join(lines), "utf-8")
        done = secscan("scan", "-C", workspace)
        assert done.returncode == 2
        assert "2020-01-01" in done.stderr
        assert not (workspace / "probes.jsonl").exists() or not (workspace / "probes.jsonl").read_text(
            "utf-8"
        )

    def test_a_host_outside_the_scope_is_not_touched(self, workspace: Path, secscan: Secscan) -> None:
        scope = workspace / "scope.toml"
        scope.write_text(scope.read_text("utf-8").replace("127.20.0.0/16", "127.20.50.2/32"), "utf-8")
        secscan("scan", "-C", workspace)
        probes = [json.loads(line) for line in (workspace / "probes.jsonl").read_text("utf-8").splitlines()]
        assert {p["address"] for p in probes if p["verdict"] == "admitted"} == {"127.20.50.2"}
        unseen = as_json(
            secscan(
                "findings", "-C", workspace, "--host", "good-1", "--outcome", "unknown", "--format", "json"
            )
        )
        assert "out-of-scope" in {finding["reason"] for finding in unseen["findings"]}

    def test_a_probe_log_that_cant_be_opened_refuses_to_scan(self, workspace: Path, secscan: Secscan) -> None:
        (workspace / "probes.jsonl").unlink(missing_ok=True)
        (workspace / "probes.jsonl").mkdir()
        done = secscan("scan", "-C", workspace)
        assert done.returncode == 2
        assert "probes.jsonl can't be opened: Is a directory" in done.stderr
        assert secscan("scan", "-C", workspace, "--resume").returncode == 2  # No run was begun.

    def test_nothing_is_left_running(self, workspace: Path, secscan: Secscan) -> None:
        with adopting():
            before = descendants()
            secscan("scan", "-C", workspace)
            assert survivors(before) == {}


class TestInterruption:
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
    def test_it_stops_at_once_and_says_how_to_go_on(
        self, workspace: Path, how: signal.Signals, secscan: Secscan
    ) -> None:
        with adopting():
            before = descendants()
            process = start_scan(workspace)
            wait_for_records(workspace, process)
            process.send_signal(how)
            _out, err = process.communicate(timeout=10)
            assert survivors(before) == {}
        assert process.returncode == 130
        assert "scan --resume" in err
        resumed = secscan("scan", "-C", workspace, "--resume")
        assert resumed.returncode == 1, resumed.stderr
        assert "1" in secscan("runs", "-C", workspace).stdout

    def test_a_probe_log_that_fills_up_stops_it_and_it_goes_on_when_there_is_room(
        self, workspace: Path, secscan: Secscan
    ) -> None:
        log = workspace / "probes.jsonl"
        log.unlink(missing_ok=True)
        log.symlink_to("/dev/full")
        stopped = secscan("scan", "-C", workspace)
        assert stopped.returncode == 2
        assert "probes.jsonl can't be written: No space left" in stopped.stderr
        log.unlink()
        resumed = secscan("scan", "-C", workspace, "--resume")
        assert resumed.returncode == 1, resumed.stderr
        assert "A mistake in secscan" not in secscan("findings", "-C", workspace).stdout

    def test_without_an_interrupted_run_there_is_nothing_to_resume(
        self, scanned: Path, secscan: Secscan
    ) -> None:
        done = secscan("scan", "-C", scanned, "--resume")
        assert done.returncode == 2
        assert "no interrupted run" in done.stderr

    @pytest.mark.parametrize(
        "option", [("--agency", "two"), ("--profile", "network"), ("--deadline", "5"), ("--no-nmap",)]
    )
    def test_what_the_plan_holds_can_not_be_changed(
        self, scanned: Path, option: tuple[str, ...], secscan: Secscan
    ) -> None:
        done = secscan("scan", "-C", scanned, "--resume", *option)
        assert done.returncode == 2
        assert option[0] in done.stderr

    def test_killing_the_coordinator_alone_leaves_nothing_running(self, workspace: Path) -> None:
        with adopting():
            before = descendants()
            process = start_scan(workspace)
            wait_for_records(workspace, process)
            process.kill()
            process.communicate()
            assert survivors(before) == {}


class TestShowing:
    def test_runs_lists_the_run(self, scanned: Path, secscan: Secscan) -> None:
        assert "finished" in secscan("runs", "-C", scanned).stdout

    def test_show_gives_agencies_with_ranges(self, scanned: Path, secscan: Secscan) -> None:
        document = as_json(secscan("show", "-C", scanned, "--format", "json"))
        agencies = {agency["id"]: agency for agency in document["agencies"]}
        assert set(agencies) == {"one", "two"}

    def test_findings_name_the_expired_certificate(
        self, scanned: Path, fleet: RunningFleet, secscan: Secscan
    ) -> None:
        done = secscan("findings", "-C", scanned, "--host", "bad-1", "--check", "certificate.expiry")
        assert f"bad-1:{fleet.ports['bad-1', 'web']}" in done.stdout

    def test_findings_name_the_port_nobody_declared(
        self, scanned: Path, fleet: RunningFleet, secscan: Secscan
    ) -> None:
        done = secscan("findings", "-C", scanned, "--check", "port.unexpected")
        assert f"tcp/{fleet.ports['bad-1', 'hidden']}" in done.stdout

    def test_plain_text_where_tls_is_required_fails_the_tls_rules(
        self, scanned: Path, secscan: Secscan
    ) -> None:
        found = as_json(
            secscan("findings", "-C", scanned, "--host", "plain-1", "--check", "tls", "--format", "json")
        )
        assert {f["check"] for f in found["findings"]} >= {"tls.null", "tls.heartbleed", "tls.tls13"}

    def test_a_check_that_is_not_there_is_answered_with_the_nearest(
        self, scanned: Path, secscan: Secscan
    ) -> None:
        done = secscan("findings", "-C", scanned, "--check", "certificate.expirey")
        assert done.returncode == 2
        assert "'certificate.expiry'" in done.stderr

    def test_findings_as_csv_have_one_row_each(self, scanned: Path, secscan: Secscan) -> None:
        done = secscan("findings", "-C", scanned, "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(done.stdout.lstrip("\ufeff"))))
        listed = as_json(secscan("findings", "-C", scanned, "--format", "json"))
        assert len(rows) == len(listed["findings"]) > 0

    def test_a_run_that_is_not_there_is_an_error_of_the_operators(
        self, scanned: Path, secscan: Secscan
    ) -> None:
        done = secscan("show", "-C", scanned, "99")
        assert done.returncode == 2
        assert "99" in done.stderr
        assert "Traceback" not in done.stderr


class TestOutput:
    """What is shown must neither fail nor be cut short in silence, whatever stands behind standard output."""

    def test_a_terminal_without_the_letters_shows_their_numbers(
        self, scanned: Path, secscan: Secscan
    ) -> None:
        done = secscan("--lang", "vi", "inventory", "list", "-C", scanned, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert "T\\u1ec9nh Hai" in done.stdout
        done = secscan("show", "-C", scanned, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr

    def test_documents_are_utf_8_everywhere(self, scanned: Path, secscan: Secscan) -> None:
        for arguments in (("findings", "--format", "csv"), ("show", "--format", "json")):
            usual = secscan(*arguments, "-C", scanned)
            done = secscan(*arguments, "-C", scanned, PYTHONIOENCODING="ascii")
            assert done.returncode == 0, done.stderr
            assert done.stdout == usual.stdout

    @pytest.mark.parametrize(
        "arguments", [("findings",), ("findings", "--format", "csv"), ("show",), ("checks", "list")]
    )
    def test_a_reader_who_leaves_early_is_no_failure(self, scanned: Path, arguments: tuple[str, ...]) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        folder = () if arguments[0] == "checks" else ("-C", str(scanned))
        command = [sys.executable, "-m", "secscan", *arguments, *folder]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize("form", ["table", "csv"])
    def test_a_full_disk_is_told_and_is_no_finding(self, scanned: Path, form: str) -> None:
        command = [sys.executable, "-m", "secscan", "findings", "-C", str(scanned), "--format", form]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2
        assert done.stderr == "standard output: No space left on device\n"


class TestReport:
    def test_it_writes_a_page_for_each_agency_and_an_index(
        self, scanned: Path, secscan: Secscan, tmp_path: Path
    ) -> None:
        done = secscan("report", "-C", scanned, "--out", tmp_path / "out")
        assert done.returncode == 0, done.stderr
        pages = sorted(
            path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.html")
        )
        assert pages == sorted(["agencies/one.html", "agencies/two.html", *FLEET_PAGES])

    def test_a_page_holds_its_own_agency_alone(self, scanned: Path, secscan: Secscan, tmp_path: Path) -> None:
        secscan("report", "-C", scanned, "--out", tmp_path / "out")
        page = (tmp_path / "out" / "agencies" / "two.html").read_text("utf-8")
        assert "plain-1" in page
        assert "bad-1" not in page

    def test_a_folder_of_somebody_elses_is_left_alone(
        self, scanned: Path, secscan: Secscan, tmp_path: Path
    ) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "letter.txt").write_text("mine", "utf-8")
        done = secscan("report", "-C", scanned, "--out", tmp_path / "out")
        assert done.returncode == 2
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["letter.txt"]


class TestDatabase:
    def test_check_finds_nothing_wrong(self, scanned: Path, secscan: Secscan) -> None:
        assert secscan("db", "check", "-C", scanned).returncode == 0

    def test_check_finds_damage(self, scanned: Path, secscan: Secscan) -> None:
        import sqlite3

        with sqlite3.connect(scanned / "secscan.db") as database:
            database.execute("update facts set body = x'7b7d' where id = (select min(id) from facts)")
        done = secscan("db", "check", "-C", scanned)
        assert done.returncode == 2
        assert done.stderr

    def test_upgrade_of_a_current_database_is_quiet(self, scanned: Path, secscan: Secscan) -> None:
        assert secscan("db", "upgrade", "-C", scanned).returncode == 0


def failures(secscan: Secscan, folder: Path) -> set[tuple[str, str]]:
    found = as_json(secscan("findings", "-C", folder, "--format", "json"))["findings"]
    return {(finding["id"], finding["check"]) for finding in found}


def start_scan(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "secscan", "scan", "-C", str(folder)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LANG": "C.UTF-8"},
    )


def wait_for_records(folder: Path, process: "subprocess.Popen[str]") -> None:
    """Until the first probe was logged: workers, nmap and sslyze are under way."""
    import time

    ends = time.monotonic() + 30
    log = folder / "probes.jsonl"
    while not (log.exists() and log.stat().st_size):
        assert process.poll() is None, "the scan ended before it probed anything"
        assert time.monotonic() < ends, "nothing was probed within 30 s"
        time.sleep(0.02)


def test_the_fleet_is_what_the_tests_think(fleet: RunningFleet) -> None:
    assert {host.id for host, _service, _port in fleet.services()} == {"good-1", "bad-1", "plain-1"}
