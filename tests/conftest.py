"""Each test process has a loopback of its own, where it may: labs of two processes never meet, and no packet leaves."""

import ctypes
import fcntl
import os
import socket
import struct

#: sched.h; and netdevice(7): set the flags of an interface, "up" and "running".
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
UP_AND_RUNNING = 0x1 | 0x40

#: Set to keep to the host's network.
OPT_OUT = "SECSCAN_TEST_HOST_NETWORK"


def pytest_configure() -> None:
    """Moves this process into a new network namespace. Needs root; without it the labs share the host's loopback."""
    if os.environ.get(OPT_OUT) or os.geteuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        return
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", UP_AND_RUNNING))
