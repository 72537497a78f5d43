"""Ports that are open, closed or filtered, on loopback and without a firewall."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def open_port(address: str) -> Iterator[int]:
    """A port that accepts connections, in the kernel's backlog, and says nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, backlog=512) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def closed_port(address: str) -> Iterator[int]:
    """A port that is bound, so that nobody else takes it, and not listened on."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as held:
        held.bind((address, 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def filtered_port(address: str) -> Iterator[int]:
    """A port that gives no answer: where the backlog is full, Linux drops whatever else comes (listen(2))."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, 0))
        listener.listen(0)
        place = listener.getsockname()
        # One connection fits into a backlog of 0. Of the others at least the last one gets no answer.
        stack.enter_context(socket.create_connection(place, timeout=5))
        more = stack.enter_context(socket.socket())
        more.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            more.connect(place)
        yield place[1]
