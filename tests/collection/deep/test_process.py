"""The boundary around audits: what they may do, and what is believed of what they say."""

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.collection.deep.findings import Ended, Measured, Turn
from secscan.collection.deep.process import (
    CONNECTIONS_A_TURN,
    MOST_BYTES,
    Audit,
    AuditRequest,
    AuditUnavailable,
    Guard,
    Nursery,
)
from secscan.model import Reason

REQUEST = AuditRequest(address="127.77.4.1", port=443, connections=2)


@pytest.fixture
def channels() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def in_a_minute() -> float:
    return time.monotonic() + 60


# --- What an audit may do -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("127.77.4.2", 443))),
        ("socket.connect", (None, ("127.77.4.1", 80))),
        ("socket.connect", (None, ("::1", 443, 0, 0))),
        ("socket.connect", (None, "/run/agent")),
        ("socket.getaddrinfo", ("a.example", 443, 0, 0, 0)),
        ("socket.gethostbyname", ("a.example",)),
        ("subprocess.Popen", ("/bin/sh", ["sh"], None, None)),
        ("os.system", ("id",)),
        ("os.fork", ()),
    ],
)
def test_what_an_audit_may_not_do(
    channels: tuple[socket.socket, socket.socket], event: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(PermissionError):
        Guard(REQUEST, channels[1])(event, arguments)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("127.77.4.1", ("127.77.4.1", 443)),
        ("::1", ("0:0::1", 443, 0, 0)),
        ("fe80::1%lo", ("fe80::1%1", 443, 0, 1)),
    ],
)
def test_an_audit_may_connect_where_it_was_let_to(
    channels: tuple[socket.socket, socket.socket], asked: str, place: tuple[object, ...]
) -> None:
    guard = Guard(AuditRequest(address=asked, port=443), channels[1])
    guard("socket.getaddrinfo", (asked, 443, 0, 0, 0))
    guard("socket.connect", (None, place))
    assert guard.used == 1


def test_an_audit_asks_for_more_connections_when_it_has_used_up_what_it_had(
    channels: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = channels
    guard = Guard(REQUEST, theirs)
    connect = ("socket.connect", (None, ("127.77.4.1", 443)))
    guard(*connect)
    guard(*connect)
    third = threading.Thread(target=guard, args=connect)
    third.start()
    assert msgspec.json.decode(ours.recv(4096), type=Turn) == Turn(connections=CONNECTIONS_A_TURN)
    assert guard.used == 2
    ours.sendall(b"+")
    third.join(5)
    assert guard.used == 3


def test_an_audit_that_is_granted_no_more_connections_makes_none(
    channels: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = channels
    guard = Guard(msgspec.structs.replace(REQUEST, connections=0), theirs)
    ours.shutdown(socket.SHUT_WR)
    with pytest.raises(PermissionError):
        guard("socket.connect", (None, ("127.77.4.1", 443)))


# --- What is believed -----------------------------------------------------------------------------------------


def test_what_an_audit_says_comes_in_order(channels: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channels
    said = [Measured(field="robot", value="none"), Turn(connections=1), Ended(volatile={"connections": "3"})]
    with Audit(ours, Nursery()) as audit:
        theirs.sendall(b"".join(msgspec.json.encode(message) + b"\n" for message in said))
        assert list(audit.messages(in_a_minute)) == said


@settings(max_examples=50)
@given(st.binary(max_size=200).filter(lambda junk: junk.strip(b"\n")))
def test_junk_ends_the_audit(junk: bytes) -> None:
    ours, theirs = socket.socketpair()
    with Audit(ours, Nursery()) as audit:
        with theirs:
            theirs.sendall(junk + b"\n")
        last = list(audit.messages(in_a_minute))[-1]
    assert isinstance(last, Ended)
    assert last.gap is not None
    assert last.gap.reason is Reason.UNPARSED


def test_an_audit_that_never_stops_talking_is_cut_off(channels: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channels

    def talk() -> None:
        line = msgspec.json.encode(Measured(field="robot", value="x" * 10_000)) + b"\n"
        with contextlib.suppress(OSError):
            while True:
                theirs.sendall(line)

    talker = threading.Thread(target=talk)
    talker.start()
    heard = 0
    with Audit(ours, Nursery()) as audit:
        for message in audit.messages(in_a_minute):
            heard += 10_000
            last = message
    talker.join()
    assert heard < 2 * MOST_BYTES
    assert isinstance(last, Ended)
    assert last.gap is not None


def test_silence_ends_at_the_deadline(channels: tuple[socket.socket, socket.socket]) -> None:
    until = time.monotonic() + 0.1
    with Audit(channels[0], Nursery()) as audit, pytest.raises(TimeoutError):
        list(audit.messages(lambda: until))


# --- Where audits come from -------------------------------------------------------------------------------


def test_a_missing_interpreter_is_said_to_be_missing() -> None:
    with (
        contextlib.closing(Nursery("/nowhere/python")) as nursery,
        pytest.raises(AuditUnavailable, match="No such"),
    ):
        nursery.start(REQUEST)


def test_an_interpreter_without_sslyze_is_a_missing_tool() -> None:
    program = shutil.which("false")
    assert program is not None
    with contextlib.closing(Nursery(program)) as nursery:
        try:
            with nursery.start(REQUEST) as audit:
                [ended] = audit.messages(in_a_minute)
        except AuditUnavailable:
            return  # It ended before it could even be asked.
    assert isinstance(ended, Ended)
    assert ended.gap is not None
    assert ended.gap.reason is Reason.TOOL_MISSING
