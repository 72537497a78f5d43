"""nmap's XML: what it says, what it can't be made to say, and how little of a broken document is believed."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection import nmap_xml
from secscan.collection.nmap_xml import (
    LONGEST_TAG,
    LONGEST_TEXT,
    IncompleteHostError,
    NmapDocument,
    NmapHost,
    Unlisted,
    statuses,
)
from secscan.facts.ports import PortState, PortStatus, ports_in

DATA = Path(__file__).parent / "data" / "nmap"
CAPTURES = {path.stem: path.read_bytes() for path in sorted(DATA.glob("*.xml"))}
OPEN, CLOSED, FILTERED = PortStatus.OPEN, PortStatus.CLOSED, PortStatus.FILTERED
ASKED = ports_in("1-200")

PORT_22 = (
    '<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/><service name="ssh"/></port>'
)
REST = '<extraports state="closed" count="2"><extrareasons reason="reset" count="2" proto="tcp" ports="23-24"/></extraports>'


def read(text: bytes | str, hosts: int = 8) -> tuple[list[NmapHost], NmapDocument]:
    document = NmapDocument(hosts)
    found = list(document.feed(text.encode() if isinstance(text, str) else text))
    document.close()
    return found, document


def host(ports: str = PORT_22 + REST, *, address: str = "127.0.0.1", more: str = "") -> str:
    return f'<host{more}><status state="up"/><address addr="{address}" addrtype="ipv4"/><ports>{ports}</ports></host>'


def run(*hosts: str, prolog: str = "<!DOCTYPE nmaprun>") -> str:
    body = "".join(hosts)
    end = '<runstats><finished exit="success"/></runstats>'
    return f'<?xml version="1.0"?>{prolog}<nmaprun version="7.93">{body}{end}</nmaprun>'


def one(text: bytes | str) -> NmapHost:
    [only], document = read(text)
    assert document.fault == ""
    return only


def counts(host: NmapHost, asked: frozenset[int] = ASKED) -> dict[PortStatus, int]:
    """How many ports have which status, after all were accounted for."""
    listed, groups = statuses(host, "tcp", asked)
    found: dict[PortStatus, int] = {}
    for state in listed:
        found[state.status] = found.get(state.status, 0) + 1
    for ports, status, _ in groups:
        found[status] = found.get(status, 0) + len(ports)
    return found


class TestWhatNmapWrites:
    @pytest.mark.parametrize("name", ["firewalls-syn", "firewalls-connect"])
    def test_every_port_has_its_status_however_nmap_groups_them(self, name: str) -> None:
        hosts, _ = read(CAPTURES[name])
        assert [counts(h) for h in hosts] == [
            {OPEN: 1, CLOSED: 199},
            {OPEN: 2, CLOSED: 117, FILTERED: 81},
            {FILTERED: 200},
            {OPEN: 1, FILTERED: 11, CLOSED: 188},
        ]

    def test_unlisted_ports_keep_the_reason_of_each(self) -> None:
        hosts, _ = read(CAPTURES["firewalls-syn"])
        _, groups = statuses(hosts[1], "tcp", ASKED)
        assert {(why, status): ports for ports, status, why in groups} == {
            ("reset", CLOSED): ports_in("1-21,23-79,81-99,181-200"),
            ("no-response", FILTERED): ports_in("100-150"),
            ("admin-prohibited", FILTERED): ports_in("151-170"),
            ("host-unreach", FILTERED): ports_in("171-180"),
        }

    def test_what_was_asked_and_the_version_are_read(self) -> None:
        _, document = read(CAPTURES["firewalls-syn"])
        assert (document.asked, document.version) == ({"tcp": ASKED}, "7.93")

    def test_an_ipv6_host_has_its_address(self) -> None:
        assert one(CAPTURES["ipv6"]).address == "::1"

    def test_a_host_that_timed_out_says_so_and_has_no_ports(self) -> None:
        (well, slow), _ = read(CAPTURES["timed-out"])
        assert (well.timed_out, slow.timed_out, slow.listed, slow.unlisted) == (False, True, (), ())

    def test_the_ports_of_a_host_that_timed_out_are_not_taken_for_closed(self) -> None:
        _, slow = read(CAPTURES["timed-out"])[0]
        with pytest.raises(IncompleteHostError, match="covers 0 of 200"):
            statuses(slow, "tcp", ASKED)

    def test_a_target_that_was_skipped_is_named(self) -> None:
        hosts, document = read(CAPTURES["no-route-syn"])
        assert ([h.address for h in hosts], document.skipped) == (["127.79.0.1"], {"10.9.9.9": "invalid"})

    def test_a_run_without_targets_names_the_ports_it_would_have_asked(self) -> None:
        hosts, document = read(CAPTURES["no-targets"])
        assert (hosts, len(document.asked["tcp"])) == ([], 20)

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("error", "Ports specified must be between 0 and 65535 inclusive"),
            ("no-raw-sockets", "Couldn't open a raw socket. Error: Operation not permitted (1)"),
        ],
    )
    def test_what_stopped_nmap_is_in_its_words(self, name: str, error: str) -> None:
        hosts, document = read(CAPTURES[name])
        assert (hosts, document.error) == ([], error)

    @pytest.mark.parametrize("name", CAPTURES)
    def test_every_capture_is_well(self, name: str) -> None:
        assert read(CAPTURES[name])[1].fault == ""


class TestIdentities:
    @pytest.fixture
    def by_port(self) -> dict[int, PortState]:
        return {state.port: state for state in one(CAPTURES["versions"]).listed}

    def test_what_answered_a_probe_is_known_by_it(self, by_port: dict[int, PortState]) -> None:
        identity = by_port[22].identity
        assert identity is not None
        assert (identity.name, identity.how, identity.product) == ("ssh", "probe", "OpenSSH")
        assert identity.version == "9.2p1 Debian 2+deb12u3"
        assert identity.cpes == ("cpe:/a:openbsd:openssh:9.2p1", "cpe:/o:linux:linux_kernel")

    def test_what_gave_nothing_away_is_known_by_its_number(self, by_port: dict[int, PortState]) -> None:
        identity = by_port[21].identity
        assert identity is not None
        assert (identity.name, identity.how, identity.product, identity.extra) == ("ftp", "port", "", "")

    def test_what_spoke_tls_and_nothing_known_is_known_for_that(self, by_port: dict[int, PortState]) -> None:
        identity = by_port[443].identity
        assert identity is not None
        assert (identity.name, identity.how, identity.tls) == ("tls", "tls", True)

    def test_only_open_ports_have_one(self) -> None:
        hosts, _ = read(CAPTURES["firewalls-syn"])
        assert {s.status for s in hosts[3].listed if s.identity is not None} == {OPEN}

    def test_every_text_of_it_is_cut(self) -> None:
        long = "x" * 5000
        service = (
            f'<service name="{long}" product="{long}" version="{long}" extrainfo="{long}" method="probed" conf="10">'
            f"<cpe>{long}</cpe></service>"
        )
        [state] = one(run(host(PORT_22.replace('<service name="ssh"/>', service)))).listed
        identity = state.identity
        assert identity is not None
        texts = (identity.name, identity.product, identity.version, identity.extra, *identity.cpes)
        assert [len(text) for text in texts] == [LONGEST_TEXT] * 5

    def test_no_more_cpes_are_kept_than_a_service_can_have(self) -> None:
        cpes = "".join(f"<cpe>cpe:/a:x:{i}</cpe>" for i in range(1000))
        service = f'<service name="ssh">{cpes}</service>'
        [state] = one(run(host(PORT_22.replace('<service name="ssh"/>', service)))).listed
        assert state.identity is not None
        assert len(state.identity.cpes) == nmap_xml.MOST_CPES

    @pytest.mark.parametrize("name", ["ssl", "ssl/http"])
    def test_an_old_name_for_tls_is_tls(self, name: str) -> None:
        [state] = one(run(host(PORT_22.replace('"ssh"', f'"{name}" method="probed"')))).listed
        assert state.identity is not None
        assert (state.identity.name, state.identity.tls) == (name, True)

    def test_elements_of_a_script_are_not_ports(self) -> None:
        quoted = f'<port protocol="tcp" portid="22"><state state="open"/><script>{PORT_22}</script></port>'
        assert len(one(run(host(quoted))).listed) == 1


class TestOlderForms:
    ASKED = frozenset({22, 23, 24})

    def test_one_group_without_port_numbers_is_all_the_others(self) -> None:
        old = host(
            PORT_22
            + '<extraports state="closed" count="2"><extrareasons reason="resets" count="2"/></extraports>'
        )
        assert counts(one(run(old)), self.ASKED) == {OPEN: 1, CLOSED: 2}

    def test_a_group_without_reasons_is_all_the_others(self) -> None:
        old = host(PORT_22 + '<extraports state="filtered" count="2"/>')
        assert counts(one(run(old)), self.ASKED) == {OPEN: 1, FILTERED: 2}

    def test_ports_in_one_of_several_unnamed_groups_are_not_called_closed(self) -> None:
        old = host(PORT_22 + '<extraports state="closed" count="1"/><extraports state="filtered" count="1"/>')
        assert counts(one(run(old)), self.ASKED) == {OPEN: 1, FILTERED: 2}

    def test_nor_does_the_guess_hang_on_which_of_them_comes_first(self) -> None:
        old = host(
            PORT_22 + '<extraports state="closed" count="1"/><extraports state="open|filtered" count="1"/>'
        )
        assert counts(one(run(old)), self.ASKED) == {OPEN: 1, FILTERED: 2}

    @pytest.mark.parametrize(
        ("word", "status"),
        [("open|filtered", PortStatus.UNCERTAIN), ("closed|filtered", FILTERED), ("filtered", FILTERED)],
    )
    def test_each_state_has_a_status(self, word: str, status: PortStatus) -> None:
        assert one(run(host(PORT_22.replace('"open"', f'"{word}"')))).listed[0].status is status


class TestAccounts:
    """All ports asked, once each, or the host is not believed."""

    ASKED = frozenset({22, 23, 24})

    @pytest.mark.parametrize(
        ("ports", "complaint"),
        [
            ("", "covers 0 of 3"),
            (PORT_22, "covers 1 of 3"),
            (PORT_22 + '<extraports state="closed" count="1"/>', "covers 1 of 3"),
            (PORT_22 + '<extraports state="closed" count="3"/>', "covers 1 of 3"),
            (PORT_22 + PORT_22 + REST, "twice"),
            (PORT_22 + REST + REST, "contradicts itself"),
            (PORT_22 + REST.replace("23-24", "22-23"), "contradicts itself"),
            (PORT_22 + REST.replace("23-24", "23"), "contradicts itself"),
            (PORT_22 + REST.replace("23-24", "24-25"), "not asked"),
            (PORT_22.replace('"22"', '"80"') + REST, "not asked"),
            (PORT_22.replace('"tcp"', '"udp"') + REST, "covers 2 of 3"),
        ],
    )
    def test_an_account_that_does_not_add_up_is_refused(self, ports: str, complaint: str) -> None:
        with pytest.raises(IncompleteHostError, match=complaint):
            statuses(one(run(host(ports))), "tcp", self.ASKED)

    def test_one_that_adds_up_is_not(self) -> None:
        assert counts(one(run(host())), self.ASKED) == {OPEN: 1, CLOSED: 2}

    def test_ports_of_another_transport_are_left_out(self) -> None:
        udp = '<port protocol="udp" portid="53"><state state="open|filtered"/></port>'
        assert counts(one(run(host(PORT_22 + udp + REST))), self.ASKED) == {OPEN: 1, CLOSED: 2}

    def test_every_port_may_be_listed(self) -> None:
        ports = "".join(
            f'<port protocol="tcp" portid="{n}"><state state="open" reason="syn-ack"/></port>'
            for n in range(1, 65536)
        )
        assert counts(one(run(host(ports))), ports_in("1-65535")) == {OPEN: 65535}

    @given(st.frozensets(st.integers(1, 65535), min_size=1, max_size=40), st.data())
    def test_any_division_into_groups_is_read_back(self, asked: frozenset[int], data: st.DataObject) -> None:
        status = {port: data.draw(st.sampled_from([OPEN, CLOSED, FILTERED])) for port in sorted(asked)}
        unlisted = tuple(
            Unlisted("tcp", s, "why", len(ports), ports)
            for s in (CLOSED, FILTERED)
            if (ports := frozenset(p for p in asked if status[p] is s))
        )
        listed = tuple(PortState(transport="tcp", port=p, status=OPEN) for p in asked if status[p] is OPEN)
        said, groups = statuses(NmapHost("127.0.0.1", True, False, listed, unlisted), "tcp", asked)
        back = {state.port: state.status for state in said}
        back |= {port: s for ports, s, _ in groups for port in ports}
        assert back == status


class TestBrokenDocuments:
    def test_an_empty_one_is_truncated(self) -> None:
        hosts, document = read(b"")
        assert (hosts, document.truncated, document.fault) == ([], True, "it breaks off before its end")

    def test_one_that_breaks_off_keeps_the_hosts_before(self) -> None:
        whole = CAPTURES["firewalls-syn"]
        hosts, document = read(whole[: whole.index(b"127.79.0.3")])
        assert ([h.address for h in hosts], document.truncated) == (["127.79.0.1", "127.79.0.2"], True)

    @given(st.sampled_from(sorted(CAPTURES)), st.data())
    def test_cut_anywhere_it_never_gives_a_host_that_had_not_ended(
        self, name: str, data: st.DataObject
    ) -> None:
        whole = CAPTURES[name]
        cut = data.draw(st.integers(0, len(whole)))
        hosts, document = read(whole[:cut])
        assert hosts == read(whole)[0][: len(re.findall(rb"</host>", whole[:cut]))]
        assert bool(document.fault) == (cut < len(whole.rstrip()))

    @given(st.sampled_from(sorted(CAPTURES)), st.lists(st.integers(1, 997), min_size=1, max_size=8))
    def test_it_may_come_in_any_pieces(self, name: str, sizes: list[int]) -> None:
        whole, document, hosts, at = CAPTURES[name], NmapDocument(8), [], 0
        while at < len(whole):
            size = sizes[at % len(sizes)]
            hosts += document.feed(whole[at : at + size])
            at += size
        document.close()
        assert (hosts, document.fault) == (read(whole)[0], "")

    @given(st.binary(max_size=400))
    def test_any_bytes_are_refused_in_words(self, noise: bytes) -> None:
        hosts, document = read(noise)
        assert hosts == []
        assert 0 < len(document.fault) <= 2 * LONGEST_TEXT

    @given(st.sampled_from(sorted(CAPTURES)), st.data())
    def test_a_changed_byte_breaks_it_or_is_read(self, name: str, data: st.DataObject) -> None:
        whole = bytearray(CAPTURES[name])
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        hosts, document = read(bytes(whole))
        assert all(len(h.address) <= LONGEST_TEXT for h in hosts)
        assert isinstance(document.fault, str)

    def test_what_follows_a_fault_is_not_looked_at(self) -> None:
        document = NmapDocument(8)
        document.feed(run(host()).replace("7.93", "<").encode())
        assert document.fault
        assert document.feed(run(host()).encode()) == ()

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("<html/>", "it begins with <html>, not <nmaprun>"),
            (run(host(more=" a='<'")), "not well-formed"),
            (run(host(address="")), "a host has no address"),
            (run("<host><status state='up'/></host>"), "a host has no address"),
            (run(host(PORT_22.replace("22", "65536"))), "65536 is not a port"),
            (run(host(PORT_22.replace("22", "-1"))), "not a number"),
            (run(host(PORT_22.replace("22", "2e1"))), "not a number"),
            (run(host(PORT_22.replace("22", "1_0"))), "not a number"),
            (run(host(PORT_22.replace("22", "２２"))), "not a number"),
            (run(host(PORT_22.replace("22", "9" * 5000))), "not a number"),
            (run(host(PORT_22.replace(' portid="22"', ""))), "lacks its 'portid'"),
            (run(host(PORT_22.replace('"open"', '"ajar"'))), "'ajar' is not the state of a port"),
            (run(host('<port protocol="tcp" portid="1"/>')), "port 1 has no state"),
            (run(host(REST.replace("23-24", "24-23"))), "not a port range"),
            (run(host(REST.replace("23-24", "23-"))), "not a list of ports"),
            (run(host(REST.replace("23-24", "1-99999"))), "not a port range"),
            (run(host(REST.replace('count="2" proto', 'count="1" proto'))), "don't add up"),
            (run(host(PORT_22.replace("ssh", "&#27;[2J"))), "not well-formed"),
            (run(host(PORT_22.replace("ssh", "\x1b[2J"))), "not well-formed"),
            (run(host(PORT_22.replace("ssh", "&#xD800;"))), "not well-formed"),
            (run("<a>" * 30 + "</a>" * 30), "nested more than 16 deep"),
            (run().replace('version="1.0"', 'version="1.0" encoding="utf-7"'), "not "),
            (run().replace('version="1.0"', 'version="1.0" encoding="no-such"'), "not "),
            (run().replace('version="1.0"', 'version="1.0" encoding="big5"'), "not "),
        ],
    )
    def test_what_nmap_does_not_write_is_a_fault(self, text: str, fault: str) -> None:
        hosts, document = read(text)
        assert hosts == []
        assert fault in document.fault
        assert not document.truncated


class TestAttacks:
    @pytest.mark.parametrize(
        "prolog",
        [
            pytest.param(
                '<!DOCTYPE nmaprun [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>',
                id="laughs",
            ),
            pytest.param(f'<!DOCTYPE nmaprun [<!ENTITY a "{"A" * 100_000}">]>', id="quadratic"),
            pytest.param(
                '<!DOCTYPE nmaprun [<!ENTITY a SYSTEM "file:///etc/passwd">]>', id="external entity"
            ),
            pytest.param('<!DOCTYPE nmaprun [<!ENTITY % a SYSTEM "file:///x"> %a;]>', id="parameter entity"),
            pytest.param('<!DOCTYPE nmaprun SYSTEM "http://127.0.0.1/nmap.dtd">', id="external type"),
            pytest.param('<!DOCTYPE nmaprun PUBLIC "-//x" "http://127.0.0.1/x">', id="public type"),
            pytest.param(
                f'<!DOCTYPE nmaprun [<!ATTLIST host a CDATA "{"A" * 100_000}">]>', id="attribute defaults"
            ),
        ],
    )
    def test_a_document_type_that_says_more_than_its_name_is_refused(self, prolog: str) -> None:
        hosts, document = read(run(host(PORT_22.replace("ssh", "s&#115;h")), prolog=prolog))
        assert (hosts, "declares" in document.fault) == ([], True)

    def test_the_type_that_nmap_declares_is_not(self) -> None:
        assert read(run(host()))[1].fault == ""

    def test_an_entity_nobody_declared_is_refused(self) -> None:
        assert "not well-formed" in read(run(host(PORT_22.replace("ssh", "&c;"))))[1].fault

    @pytest.mark.parametrize("text", ["<nmaprun a='", "<nmaprun><!--", "<nmaprun><host><x>"])
    def test_what_does_not_end_is_not_held_in_memory(self, text: str) -> None:
        document = NmapDocument(1)
        document.feed(text.encode())
        for _ in range(LONGEST_TAG // 65536 + 1):
            document.feed(b"x" * 65536)
        assert "a tag or text of more than" in document.fault

    def test_no_document_is_longer_than_so_many_hosts_can_make_it(self) -> None:
        document = NmapDocument(0)
        document.feed(b"<nmaprun>")
        for _ in range(nmap_xml.LONGEST_BESIDES // 60_000 + 1):
            document.feed(b"<a/>" * 15_000)
        assert "longer than any answer" in document.fault

    def test_the_longest_list_of_ports_is_short_enough(self) -> None:
        odd = ",".join(map(str, range(1, 65536, 2)))
        assert len(odd) * 5 < LONGEST_TAG
