"""What SSH servers send before anything is encrypted: data types, packets and messages, and what is none of them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.ssh_surface.wire import (
    LONGEST_NAME,
    MOST_LINE,
    MOST_NAMES,
    MOST_PACKET,
    Identification,
    Malformed,
    Reader,
    integer,
    kexinit,
    names,
    packet,
    read_disconnect,
    read_group,
    read_identification,
    read_kexinit,
    read_packet,
    read_reply,
    string,
)
from secscan.facts import SshAlgorithms

ALGORITHMS = SshAlgorithms(
    key_exchange=("a", "b"),
    host_key=("c",),
    ciphers_to_server=("d",),
    ciphers_to_client=("e",),
    macs_to_server=("f",),
    macs_to_client=("g",),
    compression_to_server=("h",),
    compression_to_client=("i", "j"),
)


# --- Data types: the examples of RFC 4251, section 5 --------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00000000"),
        (0x9A378F9B2E332A7, "0000000809a378f9b2e332a7"),
        (0x80, "000000020080"),
    ],
)
def test_numbers_are_written_and_read(value: int, encoded: str) -> None:
    assert integer(value).hex() == encoded
    assert Reader(bytes.fromhex(encoded)).integer() == value


@pytest.mark.parametrize("encoded", ["00000002edcc", "00000005ff21524111"])
def test_negative_numbers_are_refused(encoded: str) -> None:
    with pytest.raises(Malformed, match="negative"):
        Reader(bytes.fromhex(encoded)).integer()


@pytest.mark.parametrize(
    ("values", "encoded"),
    [
        ((), "00000000"),
        (("zlib",), "000000047a6c6962"),
        (("zlib", "none"), "000000097a6c69622c6e6f6e65"),
    ],
)
def test_lists_of_names_are_written_and_read(values: tuple[str, ...], encoded: str) -> None:
    assert names(values).hex() == encoded
    assert Reader(bytes.fromhex(encoded)).names() == values


@pytest.mark.parametrize(("count", "is_read"), [(MOST_NAMES, True), (MOST_NAMES + 1, False)])
def test_no_list_is_longer_than_any_that_is_meant(count: int, is_read: bool) -> None:
    reader = Reader(names(["n"] * count))
    if is_read:
        assert len(reader.names()) == count
    else:
        with pytest.raises(Malformed, match="names"):
            reader.names()


@pytest.mark.parametrize(("length", "is_read"), [(LONGEST_NAME, True), (LONGEST_NAME + 1, False)])
def test_no_name_is_longer_than_any_that_is_meant(length: int, is_read: bool) -> None:
    reader = Reader(names(["n" * length]))
    if is_read:
        assert reader.names() == ("n" * length,)
    else:
        with pytest.raises(Malformed, match="name"):
            reader.names()


def test_a_text_longer_than_its_message_is_refused() -> None:
    with pytest.raises(Malformed, match="ends before"):
        Reader(b"\xff\xff\xff\xffabc").string()


# --- Identification -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "protocol", "software", "comment"),
    [
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "2.0", "OpenSSH_9.2p1", "Debian-2+deb12u3"),
        ("SSH-1.99-Cisco-1.25", "1.99", "Cisco-1.25", ""),
        ("SSH-2.0-dropbear_2022.83", "2.0", "dropbear_2022.83", ""),
        ("SSH-1.5-1.2.27", "1.5", "1.2.27", ""),
        ("SSH-2.0-", "2.0", "", ""),
    ],
)
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_identification_in_parts(line: str, protocol: str, software: str, comment: str, end: str) -> None:
    expected = Identification(line.encode(), protocol, software, comment)
    assert read_identification((line + end).encode() + b"rest") == (expected, b"rest")


def test_lines_before_the_identification_are_passed_over() -> None:
    identification, rest = read_identification(b"Welcome\r\nto us\nSSH-2.0-x\r\n\0")
    assert identification is not None
    assert (identification.line, rest) == (b"SSH-2.0-x", b"\0")


def test_a_line_without_its_end_waits_for_more() -> None:
    assert read_identification(b"Welcome\nSSH-2.0-x") == (None, b"SSH-2.0-x")


@pytest.mark.parametrize("line", [b"SSH-2.0\n", b"SSH--x\n", b"SSH-\n"])
def test_an_identification_without_its_parts_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed, match="identification"):
        read_identification(line)


@pytest.mark.parametrize(("length", "is_read"), [(MOST_LINE, True), (MOST_LINE + 1, False)])
def test_a_line_has_an_end(length: int, is_read: bool) -> None:
    line = b"SSH-2.0-".ljust(length, b"x")
    if is_read:
        assert read_identification(line + b"\n")[0] is not None
    else:
        with pytest.raises(Malformed, match="longer"):
            read_identification(line)


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line and line[:4] != b"SSH-")))
def test_an_identification_is_found_however_it_is_cut(before: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in before) + b"SSH-2.0-x\r\nrest"
    heard = b""
    for position in range(len(data)):
        identification, heard = read_identification(heard + data[position : position + 1])
        if identification is not None:
            assert identification.line == b"SSH-2.0-x"
            return
    pytest.fail("it was not found")


# --- Packets ------------------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=300), st.binary(max_size=20))
def test_a_packet_is_read_as_it_was_written(payload: bytes, rest: bytes) -> None:
    written = packet(payload)
    assert len(written) % 8 == 0
    assert written[4] >= 4  # padding
    assert read_packet(written + rest) == (payload, rest)


@given(st.binary(min_size=1, max_size=100), st.integers(0, 99))
def test_a_part_of_a_packet_waits_for_more(payload: bytes, cut: int) -> None:
    written = packet(payload)
    assert read_packet(written[: min(cut, len(written) - 1)]) is None


@pytest.mark.parametrize("length", [0, 1, MOST_PACKET + 1, 2**32 - 1])
def test_a_packet_of_a_length_that_none_has_is_refused(length: int) -> None:
    with pytest.raises(Malformed, match="bytes long"):
        read_packet(length.to_bytes(4, "big") + bytes(20))


def test_a_packet_of_padding_alone_is_refused() -> None:
    with pytest.raises(Malformed, match="padding"):
        read_packet(b"\0\0\0\x0c\x0b" + bytes(11))


# --- Messages -----------------------------------------------------------------------------------------------


def test_a_proposal_is_read_as_it_was_written() -> None:
    assert read_kexinit(kexinit(bytes(16), ALGORITHMS)) == ALGORITHMS


def test_names_that_are_no_text_are_shown_as_their_bytes() -> None:
    message = bytes(17) + string(b"a\xff,b") + string(b"") * 9 + bytes(5)
    assert read_kexinit(message).key_exchange == ("a\\xff", "b")


@given(st.integers(0, 60))
def test_a_proposal_that_is_cut_is_refused(cut: int) -> None:
    whole = kexinit(bytes(16), ALGORITHMS)
    with pytest.raises(Malformed):
        read_kexinit(whole[: min(cut, len(whole) - 1)])


@given(st.binary(max_size=400))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    for read in (read_kexinit, read_group, read_reply, read_packet, read_identification):
        with contextlib.suppress(Malformed):
            read(data)
    assert len(read_disconnect(data)) <= 120


@given(st.binary(max_size=200))
def test_what_is_said_at_parting_is_bounded(said: bytes) -> None:
    message = b"\x01" + bytes(4) + string(said * 10)
    assert len(read_disconnect(message)) <= 120
