"""Looks at a host's keys, so that the operator can say they are the right ones. Writes only when told to."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from secscan.collection.ssh.connection import Connection, Failed, Place, not_connected
from secscan.collection.ssh.known_hosts import PublicKey, format_known_hosts, known_name
from secscan.facts import Gap
from secscan.model import Reason
from secscan.scope import Gate, Refused

#: A host shows one key a connection, of a type both sides speak: it is asked once for each, best first.
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


@dataclass(frozen=True, slots=True)
class HostKey:
    """A key a host showed. Nothing vouches for it but who compares ``key.fingerprint`` with the host's own."""

    address: str
    port: int
    key: PublicKey


def fetch_host_keys(
    address: str, gate: Gate, *, port: int = 22, timeout: float = 10.0
) -> tuple[HostKey, ...] | Gap:
    """All keys of a host, by type; at most one connection for each type, and no login.

    ``timeout``: seconds for each. A Gap where not one could be had.
    """
    place = Place(address, port)
    found: list[HostKey] = []
    last = Gap(Reason.UNREACHABLE, f"{place} showed no key")
    for kind in KEY_TYPES:
        try:
            found.append(HostKey(address, port, _key(place, kind, gate, time.monotonic() + timeout)))
        except Failed as e:
            # That it has no key of a type is said in the exchange; all else will not be better with the next.
            if e.gap.reason is not Reason.HOST_KEY_CHANGED:
                last = e.gap
                break
    return tuple(found) or last


def known_hosts_lines(names: Sequence[str], keys: Iterable[HostKey], *, hashed: bool = False) -> str:
    """Lines for known_hosts: each key under its address and these ``names``."""
    by_place: dict[tuple[str, int], list[PublicKey]] = {}
    for key in keys:
        by_place.setdefault((key.address, key.port), []).append(key.key)
    return "".join(
        format_known_hosts(
            tuple(dict.fromkeys(known_name(name, port) for name in (*names, address))), found, hashed=hashed
        )
        for (address, port), found in by_place.items()
    )


def add_known_hosts(path: Path, lines: str) -> None:
    """Appends lines to a file, which is made, for its owner alone, where it is not there. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        # A last line that an editor left unended would swallow the first of ours.
        size = file.seek(0, os.SEEK_END)
        ended = size == 0 or (file.seek(size - 1), file.read(1))[1] == b"\n"
        file.write((b"" if ended else b"\n") + lines.encode("utf-8"))


def _key(place: Place, kind: str, gate: Gate, deadline: float) -> PublicKey:
    try:
        sock = gate.connect(
            place.address, place.port, what="ssh host key", timeout=max(0.1, deadline - time.monotonic())
        )
    except Refused as e:
        raise Failed(e.refusal.reason, e.refusal.detail) from e
    except OSError as e:
        raise not_connected(place, e) from e
    connection = Connection(sock, place, deadline)
    try:
        connection.agree([kind])
        return connection.host_key()
    finally:
        connection.close()
