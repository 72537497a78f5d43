"""Hosts that send more than they should: what is taken from them is counted, not timed."""

import threading
import tracemalloc
from collections.abc import Iterator

import paramiko
import pytest

from secscan.collection.ssh.connection import MOST_OUTPUT
from secscan.model import Reason
from tests.collection.ssh.world import WORD, World, wait, with_password
from tests.lab.ssh import FakeSshd, answer

MB = 1024 * 1024


def test_of_100_mb_no_more_is_taken_than_any_answer_may_have(world: World, host_key: paramiko.PKey) -> None:
    taken = [0]

    def flood(channel: paramiko.Channel, command: bytes) -> None:
        block = b"x" * 32768
        while taken[0] < 100 * MB:
            channel.sendall(block)
            taken[0] += len(block)

    with FakeSshd(flood, host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        assert world.refusal(with_password(running.port), deadline=60.0)[0] is Reason.TARPIT
    # What is under way when it is hung up on: paramiko's window of 2 MB, and what two sockets hold.
    assert MOST_OUTPUT < taken[0] < MOST_OUTPUT + 12 * MB


def test_100_mb_never_fill_the_memory(world: World, host_key: paramiko.PKey) -> None:
    """Both ends of it run here, and the sending one keeps nothing: what is held is the answer, and it put together."""

    def flood(channel: paramiko.Channel, command: bytes) -> None:
        block = b"x" * 32768
        for _ in range(100 * 32):
            channel.sendall(block)

    with FakeSshd(flood, host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        tracemalloc.start()
        try:
            world.refusal(with_password(running.port), deadline=60.0)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2 * MOST_OUTPUT + 16 * MB


def announce(transport: paramiko.Transport) -> None:
    """Extensions, four billion of them, in ten bytes (RFC 8308, 2.3)."""
    message = paramiko.Message()
    message.add_byte(bytes([7]))
    message.add_int(0xFFFFFFFF)
    message.add_string("")
    transport._send_message(message)


def ask(transport: paramiko.Transport) -> None:
    """Four billion prompts (RFC 4256, 3.2)."""
    message = paramiko.Message()
    message.add_byte(bytes([60]))
    for _ in range(3):
        message.add_string("")
    message.add_int(0xFFFFFFFF)
    transport._send_message(message)


@pytest.mark.parametrize(
    ("mischief", "prompts"),
    [(announce, ()), (ask, ((("Password: ", False),),))],
    ids=["extensions", "prompts"],
)
def test_a_count_of_four_billion_in_a_short_message_is_not_counted_to(
    world: World,
    host_key: paramiko.PKey,
    mischief: object,
    prompts: tuple[tuple[tuple[str, bool], ...], ...],
) -> None:
    server = FakeSshd(
        answer(lambda _: b""),
        host_key,
        password="other",
        prompts=prompts,
        at_login=mischief,  # type: ignore[arg-type] # one of the two above
    )
    with server.start() as running:
        world.know(running.port, host_key)
        assert world.refusal(with_password(running.port))[0] is Reason.MALFORMED
        wait(lambda: not list(clients()))


def clients() -> Iterator[threading.Thread]:
    """Threads of connections of ours that still run."""
    for thread in threading.enumerate():
        if isinstance(thread, paramiko.Transport) and not thread.server_mode and thread.is_alive():
            yield thread
