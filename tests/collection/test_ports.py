"""The collector: one record for each address, from nmap and without it, whatever happens to nmap."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.default_ports import top_ports
from secscan.collection.port_scan import port_facts
from secscan.collection.ports import PortCollector, PortListError, PortSettings, find_nmap, parse_ports
from secscan.facts import encode
from secscan.facts.ports import PortFacts, PortState, PortStatus, port_ranges, ports_in
from secscan.model import AddressTarget, Observation, Reason, Record, Unobserved
from secscan.scope import Gate, ProbeLog, Rates, Scope, Window, scope_of_addresses
from tests import netns
from tests.collection.listeners import closed_port, filtered_port, open_port
from tests.lab.servers import SSH_GREETING, BannerServer, EndlessServer, PlainHttpServer, SilentServer

OPEN, CLOSED, FILTERED = PortStatus.OPEN, PortStatus.CLOSED, PortStatus.FILTERED
FAST = Rates(connections_per_second=100_000, per_host=100_000)
ADDRESS = "127.82.0.1"

needs_nmap = pytest.mark.skipif(find_nmap() is None, reason="the package nmap is missing")


def gate(*addresses: str, rates: Rates = FAST, log: Path | None = None) -> Gate:
    return Gate(dataclasses.replace(scope_of_addresses(addresses), rates=rates), ProbeLog(log))


def targets(*addresses: str) -> list[AddressTarget]:
    return [AddressTarget(f"host-{address}", address) for address in addresses]


def look(
    settings: PortSettings, *addresses: str, through: Gate | None = None, at: Sequence[AddressTarget] = ()
) -> list[Record]:
    asked = at or targets(*addresses)
    return list(PortCollector(settings).collect(asked, through or gate(*(t.address for t in asked))))


def facts(settings: PortSettings, address: str = ADDRESS) -> PortFacts:
    [record] = look(settings, address)
    assert isinstance(record, Observation), record
    return record.facts


def missed(record: Record) -> tuple[Reason, str]:
    assert isinstance(record, Unobserved), record
    return record.reason, record.detail


def asking(*ports: int, **more: object) -> PortSettings:
    return PortSettings(default_ports=port_ranges(set(ports)), **more)  # type: ignore[arg-type]  # any field


class TestPortLists:
    @pytest.mark.parametrize(
        ("text", "ports"),
        [
            ("22", "22"),
            ("22,80, 443", "22,80,443"),
            ("8000-8010,22", "22,8000-8010"),
            ("1-65535", "1-65535"),
            ("top-3", "1-3"),
            ("top-3,22,2", "1-3,22"),
        ],
    )
    def test_ranges_and_the_first_of_a_ranking(self, text: str, ports: str) -> None:
        assert port_ranges(parse_ports(text, lambda n: f"1-{n}")) == ports

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ",",
            "22,",
            "0",
            "0-5",
            "65536",
            "9-3",
            "-5",
            "5-",
            "top",
            "top-",
            "top-0",
            "22;80",
            "ssh",
            "２２",
            "1_0",
        ],
    )
    def test_anything_else_is_refused_with_how_to_write_it(self, text: str) -> None:
        with pytest.raises(PortListError, match=r"no list of ports; write .*top-100,8443,9000-9010"):
            PortCollector(PortSettings(default_ports=text))

    def test_a_hosts_own_list_is_read_at_once_as_well(self) -> None:
        with pytest.raises(PortListError, match='"80,https"'):
            PortCollector(PortSettings(by_host={"a": "80,https"}))

    @given(st.frozensets(st.integers(0, 65535)))
    def test_ranges_are_read_back_as_what_they_were_written_for(self, ports: frozenset[int]) -> None:
        assert ports_in(port_ranges(ports)) == ports

    @given(st.frozensets(st.integers(1, 65535), min_size=1))
    def test_so_are_lists_of_the_settings(self, ports: frozenset[int]) -> None:
        assert parse_ports(port_ranges(ports), top_ports) == ports


class TestFacts:
    def test_the_most_frequent_status_is_not_listed(self) -> None:
        found = port_facts(
            "connect",
            ports_in("1-10"),
            [],
            [(ports_in("1-3"), CLOSED, "a"), (ports_in("4-10"), FILTERED, "b")],
        )
        assert (found.rest, [s.port for s in found.ports]) == ({"tcp": FILTERED}, [1, 2, 3])

    def test_open_ports_are_listed_even_if_all_are_open(self) -> None:
        listed = [PortState(transport="tcp", port=p, status=OPEN) for p in (2, 1)]
        found = port_facts("connect", ports_in("1-2"), listed, [])
        assert [s.port for s in found.ports] == [1, 2]

    @given(
        st.dictionaries(st.integers(1, 60), st.sampled_from([OPEN, CLOSED, FILTERED]), min_size=1), st.data()
    )
    def test_they_are_the_same_however_the_scanner_grouped_them(
        self, statuses: dict[int, PortStatus], data: st.DataObject
    ) -> None:
        asked = frozenset(statuses)
        listed = data.draw(st.frozensets(st.sampled_from(sorted(asked))))
        listed |= {port for port in asked if statuses[port] is OPEN}

        def state(port: int) -> PortState:
            return PortState(transport="tcp", port=port, status=statuses[port], why="said")

        groups = [(frozenset({port}), statuses[port], "said") for port in sorted(asked - listed)]
        found = port_facts("connect", asked, map(state, listed), groups)
        assert found == port_facts("connect", asked, map(state, sorted(asked)), [])
        assert {port: found.status("tcp", port) for port in asked} == statuses


@needs_nmap
class TestWithNmap:
    def test_open_closed_and_filtered_are_told_apart(self) -> None:
        with open_port(ADDRESS) as a, closed_port(ADDRESS) as b, filtered_port(ADDRESS) as c:
            found = facts(asking(a, b, c, version_detection=False))
        assert [found.status("tcp", port) for port in (a, b, c)] == [OPEN, CLOSED, FILTERED]

    def test_silence_everywhere_is_an_answer(self) -> None:
        with filtered_port(ADDRESS) as port:
            found = facts(asking(port, version_detection=False))
        assert (found.ports, found.rest) == ((), {"tcp": FILTERED})

    def test_who_answers_is_found_out(self) -> None:
        with BannerServer(SSH_GREETING).start(ADDRESS) as server:
            [state] = facts(asking(server.port)).open()
        assert state.identity is not None
        assert (state.identity.name, state.identity.how, state.identity.product) == (
            "ssh",
            "probe",
            "OpenSSH",
        )

    def test_what_is_open_is_told_before_who_answers_is_known(self) -> None:
        told: list[Record] = []
        with BannerServer(SSH_GREETING).start(ADDRESS) as server:
            collector = PortCollector(asking(server.port))
            records = collector.collect(targets(ADDRESS), gate(ADDRESS), sighted=told.append)
            last = next(records)
        [early] = told
        assert isinstance(early, Observation)
        assert isinstance(last, Observation)
        ports = [[(s.port, s.identity is not None) for s in r.facts.open()] for r in (early, last)]
        assert ports == [[(server.port, False)], [(server.port, True)]]

    def test_who_answers_is_not_asked_unasked(self) -> None:
        with BannerServer(SSH_GREETING).start(ADDRESS) as server:
            [state] = facts(asking(server.port, version_detection=False)).open()
        assert state.identity is None or state.identity.how == "port"

    def test_ipv4_and_ipv6_at_once(self) -> None:
        with open_port("::1") as six, open_port(ADDRESS) as four:
            records = look(asking(six, four, version_detection=False), "::1", ADDRESS)
        assert {
            r.target: [s.port for s in r.facts.open()] for r in records if isinstance(r, Observation)
        } == dict(zip(targets("::1", ADDRESS), ([six], [four]), strict=True))

    def test_each_host_may_have_its_own_ports(self) -> None:
        one, other = targets(ADDRESS, "127.82.0.2")
        settings = PortSettings(default_ports="1-5", by_host={one.host: "7,9"}, version_detection=False)
        records = look(settings, at=[one, other])
        assert {r.target: r.facts.asked["tcp"] for r in records if isinstance(r, Observation)} == {
            one: "7,9",
            other: "1-5",
        }

    def test_two_hosts_of_one_address_have_a_record_each(self) -> None:
        pair = [AddressTarget("a", ADDRESS), AddressTarget("b", ADDRESS)]
        records = look(asking(1, 2, version_detection=False), at=pair)
        assert {r.target for r in records if isinstance(r, Observation)} == set(pair)

    def test_two_runs_give_the_same_facts(self) -> None:
        with BannerServer(SSH_GREETING).start(ADDRESS) as a, PlainHttpServer().start(ADDRESS) as b:
            settings = asking(a.port, b.port, *range(1, 100))
            assert encode(facts(settings)) == encode(facts(settings))

    def test_version_and_duration_are_told_and_not_part_of_the_facts(self) -> None:
        [record] = look(asking(1, version_detection=False), ADDRESS)
        assert isinstance(record, Observation)
        assert set(record.volatile) == {"nmap", "elapsed"}

    def test_the_thousand_ports_are_those_nmap_names(self) -> None:
        assert len(ports_in(facts(PortSettings(version_detection=False)).asked["tcp"])) == 1000

    def test_others_can_be_joined_to_them(self) -> None:
        asked = facts(PortSettings(default_ports="top-10,4999", version_detection=False)).asked["tcp"]
        assert len(ports_in(asked)) == 11
        assert 4999 in ports_in(asked)

    def test_a_port_that_tells_nothing_does_not_hide_the_others(self) -> None:
        """nmap keeps nothing of a host that times out, and a silent port alone takes it past this deadline."""
        with SilentServer().start(ADDRESS) as silent, EndlessServer().start(ADDRESS) as endless:
            began = time.monotonic()
            found = facts(asking(silent.port, endless.port, 1, deadline=4))
            took = time.monotonic() - began
        assert {state.port for state in found.open()} == {silent.port, endless.port}
        assert took < 6

    def test_a_host_that_takes_too_long_is_missed_and_the_others_are_not(self) -> None:
        with filtered_port(ADDRESS) as port:
            settings = asking(port, version_detection=False, deadline=1.4)
            slow, quick = sorted(look(settings, ADDRESS, "127.82.0.2"), key=lambda r: r.target.key)
        assert isinstance(quick, Observation)
        assert missed(slow) == (
            Reason.TIMED_OUT,
            f"nmap had not finished with {ADDRESS} after 0.9 s (ports: 1, packets a second: at most 100000)",
        )

    def test_no_more_packets_are_sent_in_a_second_than_the_scope_allows(self) -> None:
        settings = PortSettings(default_ports="1-100", version_detection=False)
        began = time.monotonic()
        look(settings, ADDRESS, through=gate(ADDRESS, rates=Rates(1000, per_host=100)))
        assert time.monotonic() - began > 0.9

    def test_hosts_share_the_rate_for_all(self) -> None:
        addresses = [f"127.82.1.{n}" for n in range(1, 9)]
        settings = PortSettings(default_ports="1-100", version_detection=False)
        began = time.monotonic()
        records = look(settings, *addresses, through=gate(*addresses, rates=Rates(400, per_host=100)))
        took = time.monotonic() - began
        assert len(records) == 8
        assert 1.9 < took < 4  # 800 probes at 400 a second; in turn, at 100 each, it were 8 s

    def test_more_ports_than_can_be_asked_in_time_are_not_begun(self, tmp_path: Path) -> None:
        through = gate(ADDRESS, rates=Rates(1000, per_host=100), log=tmp_path / "probes")
        [record] = look(PortSettings(default_ports="1-2000", deadline=10), ADDRESS, through=through)
        reason, detail = missed(record)
        assert (reason, detail[:62]) == (
            Reason.NOT_ATTEMPTED,
            "asking 2000 ports at 100 a second takes at least 20 s, and a t",
        )
        assert (tmp_path / "probes").read_text() == ""


@needs_nmap
class TestTheGate:
    def test_what_it_refuses_is_not_asked(self) -> None:
        with socket.create_server(("127.82.2.2", 0)) as stranger, open_port("127.82.2.1") as port:
            settings = asking(port, stranger.getsockname()[1], version_detection=False)
            records = look(settings, "127.82.2.1", "127.82.2.2", through=gate("127.82.2.1"))
            stranger.settimeout(0.2)
            with pytest.raises(TimeoutError):
                stranger.accept()
        by_address = {r.target.address: r for r in records if isinstance(r.target, AddressTarget)}
        assert missed(by_address["127.82.2.2"]) == (
            Reason.OUT_OF_SCOPE,
            "127.82.2.2 is in no network of the scope",
        )
        assert isinstance(by_address["127.82.2.1"], Observation)

    def test_where_it_refuses_all_nmap_is_not_started(self, tmp_path: Path) -> None:
        records = look(asking(1), ADDRESS, "127.82.0.2", through=gate("127.82.9.9", log=tmp_path / "probes"))
        assert [missed(r)[0] for r in records] == [Reason.OUT_OF_SCOPE] * 2

    def test_the_log_has_a_line_for_each_address_and_batch(self, tmp_path: Path) -> None:
        addresses = ["127.82.0.1", "127.82.0.2"]
        look(asking(1, 2, 3), *addresses, through=gate(*addresses, log=tmp_path / "probes"))
        lines = [json.loads(line) for line in (tmp_path / "probes").read_text().splitlines()]
        assert [(line["address"], line["ports"], line["verdict"]) for line in lines] == [
            ("127.82.0.1", "1-3", "admitted"),
            ("127.82.0.2", "1-3", "admitted"),
        ]

    def test_asking_who_answers_is_a_line_of_its_own(self, tmp_path: Path) -> None:
        with BannerServer(SSH_GREETING).start(ADDRESS) as server:
            look(asking(server.port, 1), ADDRESS, through=gate(ADDRESS, log=tmp_path / "probes"))
        lines = [json.loads(line) for line in (tmp_path / "probes").read_text().splitlines()]
        assert [(line["what"], line["ports"]) for line in lines][1:] == [("nmap -sV", str(server.port))]

    def test_a_window_that_closes_in_between_keeps_what_was_seen(self) -> None:
        clock = iter([datetime(2026, 6, 1, 12, 0, tzinfo=UTC) + timedelta(hours=n) for n in range(9)])
        scope = Scope(
            owner="x",
            expires=date.max,
            networks=(ADDRESS,),
            rates=FAST,
            windows=(Window(ends=datetime(2026, 6, 1, 12, 30, tzinfo=UTC).time()),),
        )
        through = Gate(scope, ProbeLog(None), clock=lambda: next(clock))
        with BannerServer(SSH_GREETING).start(ADDRESS) as server:
            [record] = look(asking(server.port), ADDRESS, through=through)
        assert isinstance(record, Observation)
        [state] = record.facts.open()
        # Some of the ports that a system gives out have a name in the table of numbers.
        assert state.identity is None or state.identity.how == "port"
        assert "outside the hours" in record.volatile["identities"]

    @pytest.mark.root
    def test_no_packet_of_nmaps_leaves_the_scope(self) -> None:
        if why := netns.missing():
            pytest.skip(why)
        inside, outside = ["10.77.0.10", "fd77::11"], ["10.77.0.200", "10.78.0.10", "fd78::10"]
        program = """
import sys
from secscan.collection.ports import PortCollector, PortSettings
from secscan.model import AddressTarget
from secscan.scope import Gate, ProbeLog, scope_of_addresses
inside, outside = (part.split(",") for part in sys.argv[1:])
targets = [AddressTarget(a, a) for a in inside + outside]
gate = Gate(scope_of_addresses(inside), ProbeLog(None))
records = list(PortCollector(PortSettings(default_ports="440-445", nmap=True)).collect(targets, gate))
print(*sorted(f"{r.target.address}={getattr(r, 'reason', 'seen')}" for r in records), sep="\\n")
"""
        with netns.enclosed(allowed=["10.77.0.10", "fd77::11"], world=inside + outside, names={}) as net:
            command = [sys.executable, "-c", program, ",".join(inside), ",".join(outside)]
            done = net.run(command, stdout=subprocess.PIPE)
            assert net.strangers() == {}
            assert net.inside() > 0
        seen = dict(line.split("=") for line in done.stdout.splitlines())
        assert seen == dict.fromkeys(inside, "seen") | dict.fromkeys(outside, "out-of-scope")


def script(folder: Path, body: str) -> None:
    """An nmap that answers ``-V`` as nmap does, and does ``body`` when it is to scan."""
    program = folder / "nmap"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = -V ]; then echo "Nmap version 7.93 ( https://nmap.org )"; exit; fi\n'
        f"cd {folder}\n{body}\n"
    )
    program.chmod(0o755)


def document(*addresses: str, ports: str = '<extraports state="closed" count="3"/>', end: bool = True) -> str:
    hosts = "".join(
        f'<host><status state="up"/><address addr="{a}" addrtype="ipv4"/><ports>{ports}</ports></host>'
        for a in addresses
    )
    tail = '<runstats><finished exit="success"/></runstats></nmaprun>' if end else ""
    return f'<nmaprun version="7.93"><scaninfo protocol="tcp" services="1-3"/>{hosts}{tail}'


def alive(pid: int) -> bool:
    """Not gone, and not a zombie that waits to be."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class TestWhenNmapFails:
    """With programs that do what a broken, killed or hostile nmap would."""

    SETTINGS = PortSettings(default_ports="1-3", version_detection=False, nmap=True, deadline=10)

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """First on the PATH."""
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        return tmp_path

    def outcome(self, *addresses: str) -> list[Reason | str]:
        """Of each address, in order: why it was missed, or "seen"."""
        records = look(self.SETTINGS, *addresses)
        by_target = {r.target: r.reason if isinstance(r, Unobserved) else "seen" for r in records}
        assert len(by_target) == len(records) == len(addresses)
        return [by_target[target] for target in targets(*addresses)]

    def test_a_whole_document_is_believed(self, folder: Path) -> None:
        (folder / "out").write_text(document("127.0.0.1"))
        script(folder, "cat out")
        assert self.outcome("127.0.0.1") == ["seen"]

    @pytest.mark.parametrize(
        ("body", "reason", "detail"),
        [
            (":", Reason.TOOL_MISSING, "nmap can't do its work: exit status 0, and not a word"),
            (
                "printf 'nmap: unrecognized option\\033[2J\\nmore\\n' >&2; exit 255",
                Reason.TOOL_MISSING,
                "nmap can't do its work: nmap: unrecognized option�[2J",
            ),
            (
                "echo 'error while loading shared libraries: libpcap.so' >&2; exit 127",
                Reason.TOOL_MISSING,
                "nmap can't do its work: error while loading shared libraries: libpcap.so",
            ),
            (
                "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1",
                Reason.TOOL_MISSING,
                "nmap can't do its work: xxxxx",
            ),
            (
                "kill -9 $$",
                Reason.INTERRUPTED,
                "nmap was ended by signal 9 before it had finished with the host",
            ),
            (
                "echo '<html/>'",
                Reason.UNPARSED,
                "nmap's answer can't be read: it begins with <html>, not <nmaprun>",
            ),
            ("yes '<a/>'", Reason.UNPARSED, "nmap's answer can't be read: it begins with <a>"),
            (
                "echo '<nmaprun version=\"1\"><x/>'; echo ouch >&2",
                Reason.INTERRUPTED,
                "nmap's answer breaks off before this host: ouch",
            ),
            (
                'echo \'<nmaprun version="1"><runstats><finished exit="error" errormsg="no"/></runstats></nmaprun>\'',
                Reason.TOOL_MISSING,
                "nmap can't do its work: no",
            ),
            (
                'echo \'<nmaprun version="1"><runstats><finished exit="success"/></runstats></nmaprun>\'',
                Reason.UNPARSED,
                "nmap's answer leaves this host out, without a reason",
            ),
        ],
    )
    def test_nothing_to_believe_is_said_to_be_that(
        self, folder: Path, body: str, reason: Reason, detail: str
    ) -> None:
        script(folder, body)
        [record] = look(self.SETTINGS, "127.0.0.1")
        found, words = missed(record)
        assert (found, words[: len(detail)]) == (reason, detail)
        assert len(words) <= 300

    def test_hosts_before_a_break_are_kept(self, folder: Path) -> None:
        whole = document("127.0.0.1", "127.0.0.2")
        (folder / "out").write_text(whole[: whole.index("127.0.0.2") + 20])
        script(folder, "cat out")
        assert self.outcome("127.0.0.1", "127.0.0.2") == ["seen", Reason.INTERRUPTED]

    def test_an_answer_about_no_ports_is_no_answer(self, folder: Path) -> None:
        (folder / "out").write_text(document("127.0.0.1", ports=""))
        script(folder, "cat out")
        [record] = look(self.SETTINGS, "127.0.0.1")
        assert missed(record) == (Reason.UNPARSED, "nmap's answer covers 0 of 3 TCP ports")

    def test_an_answer_about_other_ports_is_none(self, folder: Path) -> None:
        (folder / "out").write_text(document("127.0.0.1").replace("1-3", "1-4"))
        script(folder, "cat out")
        assert self.outcome("127.0.0.1") == [Reason.UNPARSED]

    def test_a_host_that_is_down_is_unreachable(self, folder: Path) -> None:
        (folder / "out").write_text(document("127.0.0.1").replace('"up"', '"down"'))
        script(folder, "cat out")
        assert self.outcome("127.0.0.1") == [Reason.UNREACHABLE]

    def test_hosts_nobody_asked_about_are_left_out(self, folder: Path) -> None:
        (folder / "out").write_text(document("127.0.0.9", "127.0.0.1", "127.0.0.1"))
        script(folder, "cat out")
        assert self.outcome("127.0.0.1") == ["seen"]

    def test_one_that_does_not_end_is_ended_with_all_it_started(self, folder: Path) -> None:
        (folder / "out").write_text(document("127.0.0.1", end=False))
        script(folder, "cat out; echo $$ > pids; sleep 600 & echo $! >> pids; wait")
        settings = dataclasses.replace(self.SETTINGS, deadline=1.0)
        began = time.monotonic()
        records = look(settings, "127.0.0.1", "127.0.0.2")
        assert time.monotonic() - began < 3
        assert [type(r) for r in records] == [Observation, Unobserved]
        assert missed(records[1])[0] is Reason.TIMED_OUT
        wait_for(lambda: not any(alive(int(pid)) for pid in (folder / "pids").read_text().split()))

    def test_a_host_is_told_of_while_nmap_goes_on(self, folder: Path) -> None:
        (folder / "out").write_text(document("127.0.0.1", end=False))
        script(folder, "cat out; echo $$ > pids; sleep 600 & echo $! >> pids; wait")
        records = PortCollector(self.SETTINGS).collect(
            targets("127.0.0.1", "127.0.0.2"), gate("127.0.0.0", "127.0.0.1", "127.0.0.2")
        )
        assert isinstance(next(records), Observation)
        assert isinstance(records, Iterator)
        wait_for((folder / "pids").exists)
        records.close()  # type: ignore[attr-defined]  # collect() is a generator, and is closed as one
        wait_for(lambda: not any(alive(int(pid)) for pid in (folder / "pids").read_text().split()))

    def test_nmap_goes_with_our_process_group(self, folder: Path) -> None:
        script(folder, "echo $$ > pids; exec sleep 600")
        program = (
            "from secscan.collection.ports import *; from secscan.model import *; from secscan.scope import *\n"
            "gate = Gate(scope_of_addresses(['127.0.0.1']), ProbeLog(None))\n"
            "list(PortCollector(PortSettings(default_ports='1')).collect([AddressTarget('a', '127.0.0.1')], gate))"
        )
        worker = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
        try:
            wait_for(lambda: (folder / "pids").exists() and (folder / "pids").read_text().strip(), 20)
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        wait_for(lambda: not alive(int((folder / "pids").read_text())))

    def test_no_variable_of_the_environment_changes_what_it_is_told(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NMAP_ARGS", "-sS 10.0.0.0/8")
        script(folder, 'echo "$NMAP_ARGS|$*" >> asked')
        look(self.SETTINGS, "127.0.0.1")
        [line] = (folder / "asked").read_text().splitlines()
        assert line.startswith("|-oX - -n -Pn --disable-arp-ping --noninteractive ")
        assert line.endswith(" 127.0.0.1")

    @needs_nmap
    def test_an_nmap_that_can_not_be_started_is_missing(self) -> None:
        # More text than Linux takes for one argument (execve(2)).
        odd = ",".join(map(str, range(1, 65536, 2)))
        [record] = look(dataclasses.replace(self.SETTINGS, default_ports=odd), "127.0.0.1")
        assert missed(record) == (Reason.TOOL_MISSING, "nmap can't be started: Argument list too long")

    def test_asking_who_answers_may_fail_and_the_ports_stay(self, folder: Path) -> None:
        ports = '<port protocol="tcp" portid="1"><state state="open"/></port><extraports state="closed" count="2"/>'
        (folder / "out").write_text(document("127.0.0.1", ports=ports))
        script(folder, 'case "$*" in *-sV*) kill -9 $$;; esac; cat out')
        [record] = look(dataclasses.replace(self.SETTINGS, version_detection=True), "127.0.0.1")
        assert isinstance(record, Observation)
        assert [state.port for state in record.facts.open()] == [1]
        assert "signal 9" in record.volatile["identities"]

    def test_a_host_with_too_many_services_holds_up_nobody_but_itself(self, folder: Path) -> None:
        def opened(*ports: int) -> str:
            listed = "".join(f'<port protocol="tcp" portid="{p}"><state state="open"/></port>' for p in ports)
            return f'{listed}<extraports state="closed" count="{200 - len(ports)}"/>'

        parts = [document("127.0.0.1", ports=opened(*range(1, 151)), end=False).replace("1-3", "1-200")]
        parts += [document("127.0.0.2", "127.0.0.3", ports=opened(7)).partition("/>")[2]]
        (folder / "out").write_text("".join(parts))
        script(folder, 'echo "$*" >> asked; cat out')
        settings = dataclasses.replace(self.SETTINGS, default_ports="1-200", version_detection=True)
        records = look(settings, "127.0.0.1", "127.0.0.2", "127.0.0.3")
        assert [type(r) for r in records] == [Observation] * 3
        lines = (folder / "asked").read_text().splitlines()
        asked = [line.split() for line in lines if "-sV" in line]
        assert sorted((a[a.index("-p") + 1], [w for w in a if w.startswith("127.")]) for a in asked) == [
            ("1-100", ["127.0.0.1"]),
            ("7", ["127.0.0.2", "127.0.0.3"]),
        ]


@pytest.mark.root
class TestWithoutARoute:
    PROGRAM = """
import dataclasses, sys
from secscan.collection.ports import PortCollector, PortSettings
from secscan.model import AddressTarget
from secscan.scope import Gate, ProbeLog, Rates, scope_of_addresses
here, there = "127.0.0.1", "10.9.9.9"
scope = dataclasses.replace(scope_of_addresses([here, there]), rates=Rates(1000, 1000))
settings = PortSettings(default_ports="1-50", nmap=sys.argv[1] == "nmap", deadline=10)
targets = [AddressTarget("a", here), AddressTarget("b", there)]
for record in PortCollector(settings).collect(targets, Gate(scope, ProbeLog(None))):
    print(record.target.host, getattr(record, "reason", "seen"), getattr(record, "detail", ""), sep="|")
"""

    def outcomes(self, *options: str, before: Sequence[str] = ()) -> dict[str, list[str]]:
        """Host -> outcome and detail, in a network that has loopback and nothing else."""
        if why := netns.missing():
            pytest.skip(why)
        enter = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
        command = [*enter, *before, sys.executable, "-c", self.PROGRAM, *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return {host: rest for host, *rest in (line.split("|") for line in done.stdout.splitlines())}

    @needs_nmap
    def test_nmap_skips_the_host_and_says_why(self) -> None:
        assert self.outcomes("nmap") == {
            "a": ["seen", ""],
            "b": ["unreachable", "nmap: setup_target: failed to determine route to 10.9.9.9"],
        }

    @needs_nmap
    def test_without_raw_sockets_nmap_finds_all_ports_unreachable_which_is_the_same(self) -> None:
        less = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]
        assert self.outcomes("nmap", before=less) == {
            "a": ["seen", ""],
            "b": ["unreachable", "there is no route from here to 10.9.9.9"],
        }

    def test_so_does_connecting(self) -> None:
        assert self.outcomes("connect") == {
            "a": ["seen", ""],
            "b": ["unreachable", "there is no route from here to 10.9.9.9"],
        }


class TestWithoutNmap:
    def test_connecting_takes_its_place(self) -> None:
        with open_port(ADDRESS) as port:
            found = facts(asking(port, 1, nmap=False))
        assert (found.method, found.status("tcp", port), found.rest) == ("connect", OPEN, {"tcp": CLOSED})

    def test_it_does_so_by_itself_where_there_is_no_nmap(self, nowhere: None) -> None:
        assert facts(asking(1)).method == "connect"

    def test_unless_nmap_is_demanded(self, nowhere: None) -> None:
        [record] = look(asking(1, nmap=True), ADDRESS)
        reason, detail = missed(record)
        assert (reason, "nmap is to be used and was not found" in detail) == (Reason.TOOL_MISSING, True)

    def test_the_first_ports_are_those_of_our_own_list(self) -> None:
        found = facts(PortSettings(default_ports="top-20", nmap=False))
        assert found.asked == {"tcp": top_ports(20)}

    def test_nmap_is_not_found(self, nowhere: None) -> None:
        assert find_nmap() is None

    @pytest.fixture
    def nowhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine on which no nmap answers: python-nmap looks into the usual folders whatever the PATH says, so
        one that is no nmap stands first.
        """
        program = tmp_path / "nmap"
        program.write_text("#!/bin/sh\necho 'not what you want'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


@needs_nmap
class TestTheToolItself:
    def test_it_is_found_with_its_version(self) -> None:
        found = find_nmap()
        assert found is not None
        assert (found.path, found.version[0].isdigit()) == (shutil.which("nmap"), True)
