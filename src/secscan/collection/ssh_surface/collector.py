"""The collector: a few short connections to one server, one after the other, and what each of them is for."""

import contextlib
import secrets
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from secscan.collection.ssh_surface.call import Call, Ended, NoSsh
from secscan.collection.ssh_surface.exchange import ASKING, METHODS, DiffieHellman, Secret, Transcript
from secscan.collection.ssh_surface.host_key import read_host_key
from secscan.collection.ssh_surface.wire import (
    GEX_GROUP,
    GEX_INIT,
    GEX_REPLY,
    GEX_REQUEST,
    KEX_REPLY,
    KEXINIT,
    Malformed,
    integer,
    kexinit,
    read_group,
    read_kexinit,
    read_reply,
)
from secscan.facts import Absent, Gap, GroupOffer, Reading, ShownKey, SshAlgorithms, SshFacts
from secscan.model import Endpoint, Observation, Reason, Record, Unobserved
from secscan.scope import Gate, Refused, canonical_address, utc_now

#: Connections to one server, at most. OpenSSH counts one second of penalty for each that ends without a login, and turns
#: a client away from fifteen on (sshd_config(5), PerSourcePenalties); it drops some at random from ten at a time on
#: (MaxStartups), and here there is one at a time.
MOST_CONNECTIONS = 10

#: Keys that are asked for: a key of RSA has up to three algorithms, and is asked for once, by the first of them.
_SAME_KEY = (
    ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
    tuple(f"{name}-cert-v01@openssh.com" for name in ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")),
)

#: What old clients ask for, and what OpenSSH's own asks for at the least (RFC 4419, section 3: least, preferred, most).
ASKED_GROUPS = ((1024, 1024, 8192), (2048, 3072, 8192))

#: Names in the lists that are no algorithms but say what else a server understands (RFC 8308, section 2.1; OpenSSH's
#: PROTOCOL, section 1.9).
_SIGNALS = ("ext-info-s", "ext-info-c", "kex-strict-s-v00@openssh.com", "kex-strict-c-v00@openssh.com")


@dataclass(frozen=True, slots=True)
class SshSurfaceSettings:
    """``deadline``: seconds for one server; ``patience``: for one connection, and no more than a third of the deadline.

    ``little_patience``: the same for the first connection where nobody expects SSH.
    """

    deadline: float = 60.0
    patience: float = 10.0
    little_patience: float = 2.0


class SshSurfaceCollector:
    """Yields what each endpoint shows of SSH. Nothing is tried that could let anybody in, but to ask for no check at all.

    To each server up to ten connections are made, one after the other: one for each type of host key, one for each
    group of two that are asked for where it lets clients ask, and one to ask for the ways to log in. ``expected``: where
    there should be SSH, so that what does not identify itself was not seen; anywhere else it is absent.
    """

    name = "ssh surface"
    kinds = (SshFacts.kind,)

    def __init__(
        self, settings: SshSurfaceSettings | None = None, *, expected: Container[Endpoint] = ()
    ) -> None:
        self._settings = settings or SshSurfaceSettings()
        self._expected = expected

    def collect(self, targets: Sequence[Endpoint], gate: Gate) -> Iterator[Record]:
        """Raises ProbeLogError."""
        for endpoint in targets:
            at = utc_now()
            look = _Look(endpoint, gate, self._settings, is_expected=endpoint in self._expected)
            yield _record(endpoint, at, look.facts())


def _record(endpoint: Endpoint, at: datetime, seen: SshFacts | Absent | Gap) -> Record:
    if isinstance(seen, Gap):
        return Unobserved(endpoint, SshSurfaceCollector.name, SshFacts.kind, at, seen.reason, seen.detail)
    return Observation(endpoint, SshSurfaceCollector.name, SshFacts.kind, at, seen)


class _Look:
    """One server."""

    def __init__(
        self, endpoint: Endpoint, gate: Gate, settings: SshSurfaceSettings, *, is_expected: bool
    ) -> None:
        self._endpoint = endpoint
        self._is_expected = is_expected
        self._gate = gate
        self._until = time.monotonic() + settings.deadline
        self._patience = min(settings.patience, settings.deadline / 3)
        self._first_patience = self._patience if is_expected else settings.little_patience
        self._connections_left = MOST_CONNECTIONS

    def facts(self) -> SshFacts | Absent | Gap:
        try:
            return self._first_call()
        except NoSsh as e:
            # RFC 4253, section 4.2: a server says what it is without being asked. Where SSH is not expected, one that
            # does not is no SSH server; where it is, one may be too busy to say so.
            if self._is_expected and not e.heard:
                return e.gap
            return Absent(heard=e.heard or e.gap.detail)
        except Ended as e:
            return e.gap

    def _first_call(self) -> SshFacts:
        with self._call("ssh", self._first_patience) as call:
            who = call.identification
            facts = SshFacts(protocol=who.protocol, software=who.software, comment=who.comment)
            if who.protocol not in ("2.0", "1.99"):
                return _without(facts, Gap(Reason.NOT_COLLECTED, "it speaks no version 2 of SSH"))
            try:
                theirs = call.hear(KEXINIT)
                algorithms = read_kexinit(theirs)
            except Malformed as e:
                return _without(facts, Gap(Reason.MALFORMED, str(e)))
            except Ended as e:
                return _without(facts, e.gap)
            facts = msgspec.structs.replace(facts, algorithms=algorithms)
            keys, unseen = self._host_keys(algorithms, call, theirs)
        facts = msgspec.structs.replace(facts, host_keys=keys, unseen_keys=unseen)
        facts = msgspec.structs.replace(facts, groups=self._groups(algorithms))
        methods, open_to_all = self._ways_in()
        return msgspec.structs.replace(facts, methods=methods, open_to_all=open_to_all)

    @contextlib.contextmanager
    def _call(self, what: str, first_patience: float | None = None) -> Iterator[Call]:
        """A connection on which both sides have said who they are. Raises NoSsh or Ended.

        ``first_patience``: seconds to wait for the server to do so, where it is not as for all the rest.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise Ended(Gap(Reason.TIMED_OUT, "the time for this server was up"))
        if not self._connections_left:
            detail = f"{MOST_CONNECTIONS} connections to it had been made, and no more are"
            raise Ended(Gap(Reason.NOT_COLLECTED, detail))
        self._connections_left -= 1
        service = self._endpoint.service
        try:
            address = canonical_address(self._endpoint.address)
            patience = min(self._patience, left)
            connection = self._gate.connect(
                address, service.port, what=what, timeout=patience, name=service.server_name
            )
        except Refused as e:
            raise Ended(Gap(e.refusal.reason, e.refusal.detail)) from e
        except ValueError as e:
            raise Ended(Gap(Reason.NOT_ATTEMPTED, str(e))) from e
        except TimeoutError as e:
            raise Ended(Gap(Reason.TIMED_OUT, "it did not take the connection in time")) from e
        except ConnectionRefusedError as e:
            raise Ended(Gap(Reason.REFUSED, "it refused the connection")) from e
        except OSError as e:
            raise Ended(Gap(Reason.UNREACHABLE, f"it can't be reached: {e.strerror or e}")) from e
        with connection:
            yield Call(connection, patience, min(first_patience or patience, patience))

    # --- Host keys ---------------------------------------------------------------------------------------

    def _host_keys(
        self, algorithms: SshAlgorithms, call: Call, theirs: bytes
    ) -> tuple[Reading[tuple[ShownKey, ...]], dict[str, Gap]]:
        """All keys, the first over the connection that there is; and of which algorithms none was seen, and why."""
        wanted = _one_of_each_key(algorithms.host_key)
        if not wanted:
            return Gap(Reason.MALFORMED, "it names no host key algorithm"), {}
        shown: dict[str, ShownKey] = {}
        unseen: dict[str, Gap] = {}
        for number, algorithm in enumerate(wanted):
            try:
                if number == 0:
                    key = _host_key(call, theirs, algorithms, algorithm)
                else:
                    with self._call("ssh host key") as another:
                        key = _host_key(another, another.hear(KEXINIT), None, algorithm)
                shown[key.type] = key
            except (Ended, NoSsh) as e:
                unseen[algorithm] = e.gap
            except Malformed as e:
                unseen[algorithm] = Gap(Reason.MALFORMED, str(e))
        if not shown:
            return next(iter(unseen.values())), {}
        return tuple(shown[type] for type in sorted(shown)), unseen

    # --- Groups ------------------------------------------------------------------------------------------

    def _groups(self, algorithms: SshAlgorithms) -> Reading[tuple[GroupOffer, ...]]:
        method = next((name for name in algorithms.key_exchange if name in ASKING), None)
        if method is None:
            return ()
        return tuple(
            GroupOffer(least=asked[0], preferred=asked[1], most=asked[2], given=self._given(method, asked))
            for asked in ASKED_GROUPS
        )

    def _given(self, method: str, asked: tuple[int, int, int]) -> Reading[int]:
        try:
            with self._call("ssh group") as call:
                algorithms = read_kexinit(call.hear(KEXINIT))
                usable = _algorithms(algorithms.host_key)
                call.say(kexinit(secrets.token_bytes(16), (method,), usable, algorithms))
                call.say(_group_request(asked))
                try:
                    return read_group(call.hear(GEX_GROUP))[0].bit_length()
                except Ended as e:
                    # It hung up, and said why or not: it does not give such a group. Silence says nothing.
                    return e.gap if e.gap.reason is Reason.TIMED_OUT else 0
        except (Ended, NoSsh) as e:
            return e.gap
        except Malformed as e:
            return Gap(Reason.MALFORMED, str(e))

    # --- Ways in -----------------------------------------------------------------------------------------

    def _ways_in(self) -> tuple[Reading[tuple[str, ...]], Reading[bool]]:
        from secscan.collection.ssh_surface.ways_in import ask

        try:
            if self._connections_left <= 0:
                raise Ended(Gap(Reason.NOT_COLLECTED, "too many connections had been made"))
            return ask(self._endpoint, self._gate, min(self._patience, self._until - time.monotonic()))
        except Ended as e:
            return e.gap, e.gap


def _without(facts: SshFacts, gap: Gap) -> SshFacts:
    """What there is when nothing came after the identification."""
    return msgspec.structs.replace(
        facts, algorithms=gap, host_keys=gap, groups=gap, methods=gap, open_to_all=gap
    )


def _algorithms(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in _SIGNALS)


def _one_of_each_key(names: Sequence[str]) -> list[str]:
    """One algorithm for each key that the server can have: of those that share one, the first in our order."""
    wanted: list[str] = []
    for name in _algorithms(names):
        same = next((group for group in _SAME_KEY if name in group), (name,))
        best = next(candidate for candidate in same if candidate in names)
        if best not in wanted:
            wanted.append(best)
    return wanted


def _group_request(asked: tuple[int, int, int]) -> bytes:
    return bytes([GEX_REQUEST]) + b"".join(number.to_bytes(4, "big") for number in asked)


def _host_key(call: Call, theirs: bytes, algorithms: SshAlgorithms | None, algorithm: str) -> ShownKey:
    """One exchange, up to the server's reply. Raises Ended or Malformed."""
    algorithms = algorithms or read_kexinit(theirs)
    named = _algorithms(algorithms.key_exchange)
    method = next((name for name in METHODS if name in named), None) or next(
        (name for name in ASKING if name in named), None
    )
    if method is None:
        detail = f"secscan does none of its ways to exchange keys: {', '.join(named[:4])}"
        raise Ended(Gap(Reason.NOT_COLLECTED, detail[:200]))
    ours = kexinit(secrets.token_bytes(16), (method,), (algorithm,), algorithms)
    call.say(ours)
    said = Transcript(call.our_line, call.identification.line, ours, theirs)
    if method in ASKING:
        secret, before = _agree_on_group(call)
        hash, reply = ASKING[method], GEX_REPLY
    else:
        hash, before, reply = METHODS[method].hash, b"", KEX_REPLY
        secret = METHODS[method].begin()
        call.say(METHODS[method].first_message(secret))
    blob, half, signature = read_reply(call.hear(reply))
    key = read_host_key(blob)
    # Over the wire a number and a text look the same: a length, and so many bytes.
    halves = before + secret.public + len(half).to_bytes(4, "big") + half
    try:
        digest = said.digest(hash, blob, halves, secret.shared(half))
    except ValueError as e:
        raise Malformed("the server's half of the exchange is none") from e
    return ShownKey(
        type=key.type, bits=key.bits, fingerprint=key.fingerprint, proven=key.verifies(signature, digest)
    )


def _agree_on_group(call: Call) -> tuple[Secret, bytes]:
    """RFC 4419, section 3. What is agreed on is signed as well, before the halves."""
    asked = ASKED_GROUPS[-1]
    call.say(_group_request(asked))
    prime, generator = read_group(call.hear(GEX_GROUP))
    secret = DiffieHellman(prime, generator)
    call.say(bytes([GEX_INIT]) + secret.public)
    return secret, _group_request(asked)[1:] + integer(prime) + integer(generator)
