"""Looks at a host's keys, so that the operator can say they are the right ones. Writes only when told to."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from secscan.collection.ssh.connection import Client, Connection, Failed, Place, not_connected
from secscan.collection.ssh.known_hosts import PublicKey, format_known_hosts, known_name, read_known_hosts
from secscan.credential import Credential, Jump
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


@dataclass(frozen=True, slots=True)
class Road:
    """How to get to a host that lies behind jump hosts: logged in at each, whose keys are known by then."""

    jumps: tuple[Jump, ...]
    credentials: Mapping[str, Credential]
    known_hosts: Path


def fetch_host_keys(
    address: str, gate: Gate, *, port: int = 22, timeout: float = 10.0, road: Road | None = None
) -> tuple[HostKey, ...] | Gap:
    """All keys of a host, by type; at most one connection for each type, and no login but at jump hosts.

    ``timeout``: seconds for each, and for the whole of the road. A Gap where not one could be had.
    """
    place = Place(address, port)
    with contextlib.ExitStack() as open_ones:
        try:
            last = open_ones.enter_context(_travel(road, gate, timeout * (len(KEY_TYPES) + 1)))
        except Failed as e:
            return e.gap
        return _keys(place, gate, timeout, last)


def _keys(place: Place, gate: Gate, timeout: float, last: Connection | None) -> tuple[HostKey, ...] | Gap:
    found: list[HostKey] = []
    gap = Gap(Reason.UNREACHABLE, f"{place} showed no key")
    for kind in KEY_TYPES:
        try:
            key = _key(place, kind, gate, time.monotonic() + timeout, last)
            found.append(HostKey(place.address, place.port, key))
        except Failed as e:
            # That it has no key of a type is said in the exchange; all else will not be better with the next.
            if e.gap.reason is not Reason.HOST_KEY_CHANGED:
                gap = e.gap
                break
    return tuple(found) or gap


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


def replace_known_hosts(path: Path, text: str) -> None:
    """Writes a whole file in one step, so that nobody reads half of it; a link is followed. Raises OSError."""
    path = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _travel(road: Road | None, gate: Gate, seconds: float) -> Iterator[Connection | None]:
    """A connection to the last jump host, or None where there is none on the way. Raises Failed."""
    if road is None or not road.jumps:
        yield None
        return
    *before, jump = road.jumps
    deadline = time.monotonic() + seconds
    login = road.credentials.get(jump.credential)
    if login is None:
        raise Failed(
            Reason.NEEDS_CREDENTIALS,
            f"the jump host {jump.address} names the credential {jump.credential!r}, which there is not",
        )
    try:
        addresses = gate.resolve(jump.address, timeout=seconds)
    except Refused as e:
        raise Failed(e.refusal.reason, f"jump host {jump.address}: {e.refusal.detail}") from e
    client = Client(gate, read_known_hosts(road.known_hosts), road.credentials)
    place = Place(addresses[0], jump.port, (jump.address,))
    with client.open(place, replace(login, jump=tuple(before)), deadline=deadline) as connection:
        yield connection


def _key(place: Place, kind: str, gate: Gate, deadline: float, last: Connection | None) -> PublicKey:
    try:
        sock = _reach(place, gate, deadline, last)
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


def _reach(place: Place, gate: Gate, deadline: float, last: Connection | None) -> Any:
    if last is None:
        left = max(0.1, deadline - time.monotonic())
        return gate.connect(place.address, place.port, what="ssh host key", timeout=left)
    # The packets leave from the jump host, on our behalf: they are judged, paced and logged like our own.
    gate.admit(place.address, what=f"ssh host key over {last.place}", ports=str(place.port))
    return last.forward(place)
