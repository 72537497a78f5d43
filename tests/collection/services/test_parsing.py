"""What answers mean: each as its protocol has it, and any other bytes as a gap in words."""

import json
import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.services import dns as names
from secscan.collection.services import lines, mongodb, smb, vnc, web
from secscan.facts import Access, Gap, Reading, SmbOffer

RFB_3_3, RFB_3_8 = b"RFB 003.003\n", b"RFB 003.008\n"


def is_gap(reading: object) -> bool:
    return isinstance(reading, Gap)


class TestRedis:
    @pytest.mark.parametrize(
        ("answer", "access"),
        [
            (b"+PONG\r\n", Access.OPEN),
            (b"-NOAUTH Authentication required.\r\n", Access.DENIED),
            (b"-DENIED Redis is running in protected mode because ...\r\n", Access.DENIED),
            (b"-NOPERM this user has no permissions to run the 'ping' command\r\n", Access.DENIED),
            (b"-ERR operation not permitted\r\n", Access.DENIED),
        ],
    )
    def test_an_answer_to_ping_tells_who_is_served(self, answer: bytes, access: Access) -> None:
        assert lines.read_redis(answer) is access

    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 400 Bad Request\r\n", b"+PONGO\r\n", b"\n", b"-ERR other\r\n"]
    )
    def test_any_other_answer_tells_nothing(self, answer: bytes) -> None:
        assert is_gap(lines.read_redis(answer))

    def test_what_was_heard_is_quoted_without_what_a_terminal_obeys(self) -> None:
        gap = lines.read_redis(b"\x1b[2J\x07oops\r\n")
        assert isinstance(gap, Gap)
        assert gap.detail == "it answered: .[2J.oops"

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read(self, noise: bytes) -> None:
        read = lines.read_redis(noise)
        assert read in (Access.OPEN, Access.DENIED) or (isinstance(read, Gap) and len(read.detail) < 400)


class TestMemcached:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (b"VERSION 1.6.18\r\n", (Access.OPEN, "1.6.18")),
            (b"CLIENT_ERROR unauthenticated\r\n", (Access.DENIED, "")),
        ],
    )
    def test_an_answer_to_version(self, answer: bytes, expected: tuple[Access, str]) -> None:
        assert lines.read_memcached(answer) == expected

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read(self, noise: bytes) -> None:
        access, version = lines.read_memcached(noise)
        assert (access is Access.OPEN) == bool(version)
        assert len(version) <= 40


def page(content: object, status: int = 200, *, length: bool = True) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status} Some Reason\r\nContent-Type: application/json"
    return (head + (f"\r\nContent-Length: {len(body)}" if length else "") + "\r\n\r\n").encode() + body


def read(data: bytes) -> web.Page:
    found = web.read_page(data)
    assert found is not None
    return found


#: As Elasticsearch's reference shows its root page.
ROOT = {
    "name": "n",
    "cluster_name": "c",
    "version": {"number": "8.11.1"},
    "tagline": "You Know, for Search",
}


class TestWeb:
    @pytest.mark.parametrize("length", [True, False])
    def test_a_root_page_is_an_open_door(self, length: bool) -> None:
        assert web.read_elasticsearch(read(page(ROOT, length=length))) == (Access.OPEN, "8.11.1")

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_login_that_is_asked_for_is_a_locked_one(self, status: int) -> None:
        assert web.read_elasticsearch(read(page({"error": {}}, status))) == (Access.DENIED, "")

    @pytest.mark.parametrize("content", [{}, {"hello": "world"}, [1], "text", None])
    def test_another_page_is_neither(self, content: object) -> None:
        assert is_gap(web.read_elasticsearch(read(page(content)))[0])

    def test_dockers_version_is_an_open_door(self) -> None:
        told = page({"Version": "24.0.7", "ApiVersion": "1.43"})
        assert web.read_docker(read(told)) == (Access.OPEN, "24.0.7")

    def test_a_version_is_text_a_terminal_can_show_or_none(self) -> None:
        told = page({"Version": "\x1b[2J", "ApiVersion": "1.43"})
        assert web.read_docker(read(told)) == (Access.OPEN, "")

    def test_what_is_no_http_is_no_page(self) -> None:
        assert web.read_page(b"SSH-2.0-OpenSSH\r\n") is None

    def test_an_address_of_ipv6_is_named_in_brackets(self) -> None:
        assert b"\r\nHost: [::1]\r\n" in web.request("/", "::1")

    def test_a_body_nested_too_deep_is_no_content(self) -> None:
        deep = b"HTTP/1.0 200 OK\r\n\r\n" + b"[" * 10_000
        assert read(deep).content == {}

    @given(
        st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n{"])
    )
    def test_any_bytes_are_read(self, noise: bytes, start: bytes) -> None:
        web.is_whole(start + noise)
        found = web.read_page(start + noise)
        for understand in (web.read_elasticsearch, web.read_docker):
            assert (
                found is None
                or understand(found)[0] in (Access.OPEN, Access.DENIED)
                or is_gap(understand(found)[0])
            )


class TestMongodb:
    @staticmethod
    def reply(document: bytes, code: int = 1) -> bytes:
        return struct.pack("<iiii", 16 + len(document), 9, 1, code) + document

    def test_the_question_says_its_own_length(self) -> None:
        question = mongodb.hello()
        assert struct.unpack_from("<i", question) == (len(question),)

    @pytest.mark.parametrize("code", [1, 2013])
    def test_a_greeting_is_recognised(self, code: int) -> None:
        assert mongodb.is_mongodb(self.reply(bytes(20) + b"\x08ismaster\0\x01\0", code))

    @pytest.mark.parametrize("data", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(40)])
    def test_what_is_none_is_not(self, data: bytes) -> None:
        assert not mongodb.is_mongodb(data)

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read(self, noise: bytes) -> None:
        mongodb.is_whole(noise)
        mongodb.is_mongodb(noise)


class TestVnc:
    @pytest.mark.parametrize(
        ("banner", "reply"),
        [
            (RFB_3_8, RFB_3_8),
            (RFB_3_3, RFB_3_3),
            (b"RFB 003.007\n", b"RFB 003.007\n"),
            (b"RFB 003.005\n", RFB_3_3),
            (b"RFB 003.889\n", RFB_3_8),
            (b"RFB 004.001\n", RFB_3_8),
            (b"SSH-2.0-Open", b""),
        ],
    )
    def test_the_version_to_go_on_in(self, banner: bytes, reply: bytes) -> None:
        assert vnc.reply(banner) == reply

    @pytest.mark.parametrize(
        ("offer", "version", "access"),
        [
            (b"\x01\x01", RFB_3_8, Access.OPEN),
            (b"\x02\x02\x01", RFB_3_8, Access.OPEN),
            (b"\x01\x02", RFB_3_8, Access.DENIED),
            (b"\0\0\0\x01", RFB_3_3, Access.OPEN),
            (b"\0\0\0\x02", RFB_3_3, Access.DENIED),
        ],
    )
    def test_type_1_lets_everybody_in(self, offer: bytes, version: bytes, access: Access) -> None:
        assert vnc.is_offer(offer, version)
        assert vnc.read_offer(offer, version) is access

    @pytest.mark.parametrize(("offer", "version"), [(b"\0", RFB_3_8), (b"\0\0\0\0", RFB_3_3)])
    def test_no_way_in_at_all_tells_nothing(self, offer: bytes, version: bytes) -> None:
        assert is_gap(vnc.read_offer(offer, version))

    @given(st.binary(min_size=1, max_size=300), st.sampled_from([RFB_3_3, RFB_3_8]))
    def test_any_bytes_are_read(self, noise: bytes, version: bytes) -> None:
        vnc.reply(noise)
        if vnc.is_offer(noise, version):
            vnc.read_offer(noise, version)


def smb1(dialect: int, mode: int = 0x03) -> bytes:
    body = b"\xffSMB\x72" + bytes(27) + b"\x11" + struct.pack("<HB", dialect, mode) + bytes(40)
    return b"\0" + len(body).to_bytes(3, "big") + body


def smb2(dialect: int, mode: int = 1, status: int = 0) -> bytes:
    header = b"\xfeSMB" + struct.pack("<HHI", 64, 0, status) + bytes(52)
    body = header + struct.pack("<HHH", 65, mode, dialect) + bytes(60)
    return b"\0" + len(body).to_bytes(3, "big") + body


class TestSmb:
    @pytest.mark.parametrize("question", [smb.negotiate_1(), smb.negotiate_2(), smb.session_request()])
    def test_a_question_is_one_whole_frame(self, question: bytes) -> None:
        assert smb.is_whole(question)
        assert not smb.is_whole(question[:-1])

    @pytest.mark.parametrize(
        ("answer", "agreed"),
        [
            (smb1(0), smb.Agreed("1", signing_required=False)),
            (smb1(0, mode=0x0F), smb.Agreed("1", signing_required=True)),
            (smb1(0xFFFF), smb.Agreed(None)),
            (smb2(0x0311), smb.Agreed("3.1.1", signing_required=False)),
            (smb2(0x0202, mode=3), smb.Agreed("2.0.2", signing_required=True)),
            (smb2(0x0311, status=0xC00000BB), smb.Agreed(None)),
            (smb2(0x9999), None),
            (b"\0\0\0\x04HTTP", None),
        ],
    )
    def test_what_is_agreed_on(self, answer: bytes, agreed: smb.Agreed | None) -> None:
        assert smb.read_negotiated(answer) == agreed

    @pytest.mark.parametrize(
        ("first", "second", "version_1", "signing"),
        [
            (smb.Agreed("1", True), smb.Agreed("3.1.1", False), True, False),
            (smb.Agreed("1", True), None, True, True),
            (smb.Agreed(None), smb.Agreed("3.1.1", True), False, True),
            # Windows hangs up on who asks for version 1 alone.
            (None, smb.Agreed("3.1.1", True), False, True),
        ],
    )
    def test_both_answers_together(
        self, first: smb.Agreed | None, second: smb.Agreed | None, version_1: bool, signing: bool
    ) -> None:
        offer = smb.offer(first, second)
        assert isinstance(offer, SmbOffer)
        assert (offer.version_1, offer.signing_required) == (version_1, signing)

    def test_who_hangs_up_on_both_tells_nothing(self) -> None:
        assert is_gap(smb.offer(None, None))

    @given(st.binary(max_size=300), st.sampled_from([b"", b"\0\0\0\x20\xffSMB\x72", b"\0\0\0\x20\xfeSMB"]))
    def test_any_bytes_are_read(self, noise: bytes, start: bytes) -> None:
        smb.is_whole(start + noise)
        agreed = smb.read_negotiated(start + noise)
        assert agreed is None or agreed.dialect in {None, "1", "2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"}


def answered(query: bytes, *records: str, rcode: int = 0, flags: int = 0) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(query[2:]))
    response.set_rcode(dns.rcode.Rcode(rcode))
    response.flags |= flags
    response.answer = [dns.rrset.from_text(*record.split(" ", 4)) for record in records]
    wire: bytes = response.to_wire()
    return len(wire).to_bytes(2, "big") + wire


class TestDns:
    ZONE = "vi-du.example."
    SOA = "vi-du.example. 60 IN SOA ns.vi-du.example. h.vi-du.example. 1 2 3 4 5"

    @pytest.mark.parametrize(
        ("rcode", "flags", "recursion"),
        [
            (dns.rcode.NOERROR, dns.flags.RA, True),
            (dns.rcode.SERVFAIL, dns.flags.RA, True),
            (dns.rcode.REFUSED, dns.flags.RA, False),
            (dns.rcode.NOERROR, 0, False),
            (dns.rcode.REFUSED, 0, False),
        ],
    )
    def test_recursion_is_offered_or_refused(self, rcode: int, flags: int, recursion: bool) -> None:
        answer = answered(names.recursion_query(), rcode=rcode, flags=flags)
        assert names.read_recursion(answer) is recursion

    def test_a_zone_that_begins_with_its_soa_is_given_away(self) -> None:
        assert names.read_transfer(answered(names.transfer_query(self.ZONE), self.SOA)) is True

    @pytest.mark.parametrize("rcode", [dns.rcode.REFUSED, dns.rcode.NOTAUTH, dns.rcode.NOTIMP])
    def test_any_error_is_a_refusal(self, rcode: int) -> None:
        assert names.read_transfer(answered(names.transfer_query(self.ZONE), rcode=rcode)) is False

    def test_an_empty_answer_is_a_refusal(self) -> None:
        assert names.read_transfer(answered(names.transfer_query(self.ZONE))) is False

    def test_a_question_is_no_answer(self) -> None:
        assert is_gap(names.read_recursion(names.recursion_query()))

    def test_what_is_no_name_is_asked_of_nobody(self) -> None:
        with pytest.raises(ValueError, match="is not the name of a zone"):
            names.transfer_query("a..b")

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read(self, noise: bytes) -> None:
        names.is_whole(noise)
        for understand in (names.read_recursion, names.read_transfer):
            told: Reading[bool] = understand(noise)
            assert isinstance(told, bool | Gap)

    @given(st.data())
    def test_a_changed_byte_is_read(self, data: st.DataObject) -> None:
        wire = bytearray(answered(names.transfer_query(self.ZONE), self.SOA))
        wire[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))
        assert isinstance(names.read_transfer(bytes(wire)), bool | Gap)
