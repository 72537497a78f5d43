"""The script itself, under every shell there is: the same facts, nothing written, bounded."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.local import LocalCollector, run_script
from secscan.collection.ssh.reply import KINDS, facts_of
from secscan.collection.ssh.shell_script import Run, script_text
from secscan.facts import Facts, Gap, PackageFacts, ScheduleFacts, SystemFacts, encode
from secscan.model import HostTarget, Observation, Reason, Unobserved

SHELLS = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "busybox ash": ("busybox", "ash"),
    "ksh93": ("ksh",),
    "mksh": ("mksh",),
}


def run(shell: tuple[str, ...], *, deadline: float = 60.0, budget: int = 50) -> Reply:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    made = Run.new(budget=budget)
    answer = run_script(made, shell, deadline=deadline)
    assert not isinstance(answer, Gap), answer
    reply = made.read(*answer)
    assert isinstance(reply, Reply), reply
    return reply


@pytest.fixture(scope="session")
def in_sh() -> Mapping[str, Facts | Gap]:
    return facts_of(run(("/bin/sh",)), None)


@pytest.fixture(params=list(SHELLS))
def reply(request: pytest.FixtureRequest) -> Reply:
    return run(SHELLS[request.param])


#: Sockets and programs come and go while tests run beside these; all else of a machine holds still for a minute.
STEADY = [kind for kind in KINDS if kind != "sockets"]


@pytest.mark.slow
def test_every_shell_says_the_same(reply: Reply, in_sh: Mapping[str, Facts | Gap]) -> None:
    facts = facts_of(reply, None)
    assert reply.broken is None
    assert {kind: _plain(facts[kind]) for kind in STEADY} == {kind: _plain(in_sh[kind]) for kind in STEADY}


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no Debian")
def test_packages_are_those_of_dpkg(in_sh: Mapping[str, Facts | Gap]) -> None:
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${binary:Package}|${Version}\n"],  # noqa: S607 - Debian's own
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    expected = sorted(
        (name.partition(":")[0], version)
        for status, name, version in (line.split("|") for line in listed)
        if status.startswith(("ii", "hi"))
    )
    packages = in_sh[PackageFacts.kind]
    assert isinstance(packages, PackageFacts)
    assert sorted((p.name, p.version) for p in packages.packages) == expected


def test_the_system_is_this_one(in_sh: Mapping[str, Facts | Gap]) -> None:
    system = in_sh[SystemFacts.kind]
    assert isinstance(system, SystemFacts)
    assert (system.kernel, system.architecture) == (os.uname().release, os.uname().machine)


#: Where the tools that the script asks would write, if they wrote anything.
WATCHED = (
    "/var/log/apt",
    "/var/cache/apt",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/spool/cron",
    "/etc",
)


@pytest.mark.slow
def test_no_file_is_written() -> None:
    before = _changes()
    run(("/bin/sh",))
    assert _changes() == before


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(shutil.which("zypper") is None, reason="zypper is not installed (package zypper)")
def test_zypper_leaves_nothing_behind_for_root(tmp_path: Path) -> None:
    """Asked as root, it keeps a log, an id, caches and a lock, and opens the database of packages for writing."""
    watched = "mount -t tmpfs t /var/lib/rpm && rpm --dbpath /var/lib/rpm --initdb && : >$0 && /bin/sh -s && "
    find = (
        "find /var/lib/rpm /var/lib/zypp /var/cache/zypp /var/log /run/zypp.pid -cnewer $0 >$1 2>/dev/null; :"
    )
    places = [str(tmp_path / name) for name in ("stamp", "written")]
    reply = run(("unshare", "--mount", "/bin/sh", "-c", watched + find, *places))
    assert reply.sections["rpm-pending"].status == 0
    assert (tmp_path / "written").read_text() == ""


FULL = "for d in /tmp /var/tmp; do mount -t tmpfs -o size=4k t $d && cat /dev/zero >$d/full; done 2>/dev/null"


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("made_full", ["mount -o remount,bind,ro /", FULL], ids=["sealed", "no room"])
def test_a_full_disk_takes_nothing_away(made_full: str) -> None:
    """Nothing can be written in a mount namespace of its own; every reading still comes out whole."""
    sealed = f"{made_full}; ! (echo x >/var/tmp/secscan-test) 2>/dev/null && exec /bin/sh -s"
    free, bound = run(("/bin/sh",)), run(("unshare", "--mount", "/bin/sh", "-c", sealed))
    assert bound.broken is None
    assert {name: s.status for name, s in bound.sections.items()} == {
        name: s.status for name, s in free.sections.items()
    }


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_ordinary_account_gets_facts_and_is_told_what_it_could_not_read() -> None:
    facts = facts_of(
        run(("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/bin/sh")), None
    )
    assert isinstance(facts[PackageFacts.kind], PackageFacts)
    system = facts[SystemFacts.kind]
    assert isinstance(system, SystemFacts)
    assert system.outdated_programs == Gap(Reason.UNREADABLE, "programs: only root can read this")
    schedule = facts[ScheduleFacts.kind]
    assert isinstance(schedule, ScheduleFacts)
    if Path("/var/spool/cron/crontabs").is_dir():
        assert "/var/spool/cron/crontabs" in schedule.cron_unread  # type: ignore[operator] # or the test fails


@pytest.mark.slow
def test_without_time_left_readings_say_so() -> None:
    reply = run(("/bin/sh",), budget=0)
    gap = reply.section("dpkg" if "dpkg" in reply.sections else "release")
    assert isinstance(gap, Gap)
    assert gap.reason is Reason.TIMED_OUT
    assert reply.broken is None


@pytest.fixture
def bare(tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """A shell whose PATH has only these programs, because the script's own line for it is changed."""

    def make(*programs: str, shell: str = "dash") -> tuple[str, ...]:
        for program in (shell, *programs):
            found = shutil.which(program)
            assert found is not None, program
            (tmp_path / program).symlink_to(found)
        wrapper = tmp_path / "run"
        wrapper.write_text(
            f"#!/bin/sh\nsed 's#^PATH=/usr/sbin.*#PATH={tmp_path}#' | exec {tmp_path / shell} -s\n"
        )
        wrapper.chmod(0o755)
        return (str(wrapper),)

    return make


NEEDED = ("cat", "id", "date", "head", "uname", "grep", "sed", "sleep", "wc", "stat", "printf")


def test_a_host_without_timeout_is_read_as_well(bare: Callable[..., tuple[str, ...]]) -> None:
    reply = run(bare(*NEEDED, "dpkg-query"))
    assert reply.broken is None
    assert isinstance(facts_of(reply, None)[PackageFacts.kind], PackageFacts)


def test_a_command_that_hangs_is_ended_without_timeout(
    bare: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "df").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "df").chmod(0o755)
    began = time.monotonic()
    reply = run(bare(*NEEDED))
    assert reply.section("sizes") == Gap(Reason.TIMED_OUT, "sizes: the command did not end in time")
    assert time.monotonic() - began < 30


def test_an_endless_reading_is_cut_and_said_to_be(
    bare: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\nwhile :; do echo 'ii \ta\t1\tx\ta\t1'; done\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    reply = run(bare(*NEEDED, "timeout"))
    gap = facts_of(reply, None)[PackageFacts.kind]
    assert isinstance(gap, Gap)
    assert gap.reason in (Reason.UNREADABLE, Reason.TIMED_OUT)
    assert reply.broken is None


def test_a_script_that_arrives_in_part_runs_nothing(tmp_path: Path) -> None:
    made = Run.new(budget=10).standard_input
    for part in (len(made) // 4, len(made) // 2, len(made) - 40):
        done = subprocess.run(["/bin/sh", "-s"], input=made[:part], capture_output=True, timeout=20)
        assert b"begin" not in done.stdout


def test_as_a_forced_command_it_takes_its_one_line_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "collect"
    place.write_text(script_text())
    made = Run.new(budget=0)
    done = subprocess.run(["/bin/sh", str(place)], input=made.standard_input, capture_output=True, timeout=60)
    reply = made.read(done.stdout, done.returncode)
    assert isinstance(reply, Reply)
    assert reply.broken is None


@pytest.mark.parametrize(
    "line",
    [
        b"nonce=$(id) budget=1 limit=1 sudo=0\n",
        b"nonce=abc budget=a[$(id)] limit=1 sudo=0\n",
        b"nonce=abc;id budget=1 limit=1 sudo=0\n",
        b"\n",
    ],
)
def test_as_a_forced_command_it_refuses_a_line_that_is_not_its_own(line: bytes, tmp_path: Path) -> None:
    place = tmp_path / "collect"
    place.write_text(script_text())
    done = subprocess.run(["/bin/sh", str(place)], input=line, capture_output=True, timeout=20)
    assert (done.returncode, done.stdout) == (64, b"")


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    """What it can't know: functions are called by name, formats are dpkg's and apt's, mksh has a flag of its own, and

    words are split on purpose where a function says what find is asked, and where a pattern of the inventory's stands.
    """
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not installed (package shellcheck)")
    known = "SC2016,SC2046,SC2086,SC2317,SC3041"
    (tmp_path / "script.sh").write_text(f"#!/bin/sh\n{script_text()}")
    said = subprocess.run(
        [checker, "--shell=sh", f"--exclude={known}", "--format=gcc", str(tmp_path / "script.sh")],
        capture_output=True,
        text=True,
    )
    assert said.stdout == ""


def test_the_script_has_nothing_in_it_that_comments_could_be_mistaken_for() -> None:
    """It is sent without comments and indentation: no text of its own may begin a line with either."""
    for line in script_text().splitlines():
        assert "<<" not in line
        assert not line.endswith("\\\\")


# --- This machine -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_local_collector_gives_every_kind() -> None:
    records = list(LocalCollector().collect([HostTarget("here")]))
    assert [record.kind for record in records] == list(LocalCollector.kinds)
    assert all(isinstance(record, Observation) for record in records), records


def test_a_shell_that_hangs_is_ended_at_the_deadline() -> None:
    began = time.monotonic()
    records = list(
        LocalCollector(deadline=1.0, interpreter=("sh", "-c", "sleep 60")).collect([HostTarget("here")])
    )
    assert {r.reason for r in records if isinstance(r, Unobserved)} == {Reason.TIMED_OUT}
    assert time.monotonic() - began < 5


def test_a_shell_that_is_not_there_is_said_to_be_missing() -> None:
    records = list(LocalCollector(interpreter=("/nonexistent/sh",)).collect([HostTarget("here")]))
    assert {r.reason for r in records if isinstance(r, Unobserved)} == {Reason.TOOL_MISSING}


def test_an_endless_shell_is_cut_off() -> None:
    records = list(LocalCollector(interpreter=("sh", "-c", "yes")).collect([HostTarget("here")]))
    assert {r.reason for r in records if isinstance(r, Unobserved)} == {Reason.TARPIT}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is told what others have mapped")
def test_code_that_was_replaced_is_told_from_data_that_was_deleted(tmp_path: Path) -> None:
    """Databases delete files that they go on using; only a program or a library that is gone is an outdated one."""
    place = Path(tempfile.mkdtemp(prefix="secscan-lab-", dir="/opt"))
    code = place / "bin" / "labsleep"
    code.parent.mkdir()
    shutil.copy(shutil.which("sleep") or "", code)
    data = "import mmap, os, sys, time; f = open(sys.argv[1], 'w+b'); f.write(b'x' * 4096); f.flush();"
    data += "m = mmap.mmap(f.fileno(), 4096); os.unlink(sys.argv[1]); print(flush=True); time.sleep(60)"
    (place / "lib").mkdir()
    running = [
        subprocess.Popen([str(code), "60"]),
        subprocess.Popen(
            [sys.executable, "-c", data, str(place / "lib" / "data.tmp")], stdout=subprocess.PIPE
        ),
    ]
    try:
        assert running[1].stdout is not None
        running[1].stdout.readline()
        code.unlink()
        text = run(("/bin/sh",)).output("programs")
    finally:
        for process in running:
            process.kill()
            process.wait()
        shutil.rmtree(place)
    assert isinstance(text, str)
    assert "labsleep" in text.split()
    assert Path(sys.executable).resolve().name not in text.split()


def _plain(seen: Facts | Gap) -> bytes | Gap:
    if isinstance(seen, SystemFacts):
        seen = msgspec.structs.replace(seen, outdated_programs=Gap())
    return seen if isinstance(seen, Gap) else encode(seen)


def _changes() -> set[tuple[str, int]]:
    """Every file and folder of the watched places, and when it last changed in any way."""
    places = [Path(top) for top in WATCHED if Path(top).is_dir()]
    found = [path for place in places for path in (place, *place.rglob("*"))]
    return {(str(path), path.lstat().st_ctime_ns) for path in found if path.exists()}
