"""The collector: a few short connections to one server, one after the other, and what each of them is for."""

import contextlib
import secrets
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from secscan.collection.ssh_surface.call import Call, Ended, NoSsh
from secscan.collection.ssh_surface.exchange import ASKING
from secscan.collection.ssh_surface.handshake import (
    ASKED_GROUPS,
    exchange_keys,
    group_request,
    proposal,
    real_names,
)
from secscan.collection.ssh_surface.sealing import choose_suite, seals
from secscan.collection.ssh_surface.ways_in import ask, begin_encryption
from secscan.collection.ssh_surface.wire import (
    GEX_GROUP,
    KEXINIT,
    Malformed,
    kexinit,
    read_group,
    read_kexinit,
)
from secscan.facts import Absent, Gap, GroupOffer, Reading, ShownKey, SshAlgorithms, SshFacts
from secscan.model import Endpoint, Observation, Reason, Record, Unobserved
from secscan.scope import Gate, Refused, canonical_address, utc_now

#: Connections to one server, at most. OpenSSH counts one second of penalty for each that ends without a login, and turns
#: a client away from fifteen on (sshd_config(5), PerSourcePenalties); it drops some at random from ten at a time on
#: (MaxStartups), and here there is one at a time.
MOST_CONNECTIONS = 10

#: How one RSA key may sign, best first (RFC 8332); those of SSH Communications are others' names for the same.
_RSA = (
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
    *(f"ssh-rsa-sha{bits}@ssh.com" for bits in (256, 384, 512, 224)),
)
_SAME_KEY = (
    _RSA,
    tuple(f"{name}-cert-v01@openssh.com" for name in ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")),
)


class TurnedAway(Ended):
    """A connection that was not made, or on which the server was not asked: nothing is known by it."""


@dataclass(frozen=True, slots=True)
class SshSurfaceSettings:
    """``deadline``: seconds for one server; ``patience``: for one connection, and no more than a third of the deadline.

    ``little_patience``: the same for the first connection where nobody expects SSH.
    """

    deadline: float = 60.0
    patience: float = 8.0
    little_patience: float = 2.0


class SshSurfaceCollector:
    """Yields what each endpoint shows of SSH. Nothing is tried that could let anybody in, but to ask for no check at all.

    To each server up to ten connections are made, one after the other: one for each type of host key, and one for each
    group of two that are asked for where it lets clients ask; over the first on which keys are agreed on, it is asked
    for the ways to log in. ``expected``: where there should be SSH, so that what does not identify itself was not seen;
    anywhere else it is absent.
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
        self._ways_in: tuple[tuple[str, ...], bool] | Gap = Gap(
            Reason.NOT_COLLECTED, "no keys could be agreed on with it"
        )

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
        with self._connected("ssh", self._first_patience) as call:
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
            keys, unseen = self._host_keys(algorithms, call, theirs)
        ways_in = self._ways_in
        return msgspec.structs.replace(
            facts,
            algorithms=algorithms,
            host_keys=keys,
            unseen_keys=unseen,
            groups=self._groups(algorithms),
            methods=ways_in if isinstance(ways_in, Gap) else ways_in[0],
            open_to_all=ways_in if isinstance(ways_in, Gap) else ways_in[1],
        )

    @contextlib.contextmanager
    def _call(self, what: str) -> Iterator[Call]:
        """One more connection, on which both sides have said who they are. Raises TurnedAway."""
        if self._connections_left <= 0:
            detail = f"{MOST_CONNECTIONS} connections to it had been made, and no more are"
            raise TurnedAway(Gap(Reason.NOT_COLLECTED, detail))
        with contextlib.ExitStack() as open_ones:
            try:
                call = open_ones.enter_context(self._connected(what, self._patience))
            except (Ended, NoSsh) as e:
                # It spoke with us a moment ago.
                reason = Reason.RATE_LIMITED if e.gap.reason is Reason.REFUSED else e.gap.reason
                raise TurnedAway(Gap(reason, f"after other connections: {e.gap.detail}")) from e
            yield call

    @contextlib.contextmanager
    def _connected(self, what: str, first_patience: float) -> Iterator[Call]:
        """``first_patience``: seconds for the server to say who it is. Raises NoSsh or Ended."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise Ended(Gap(Reason.TIMED_OUT, "the time for this server was up"))
        self._connections_left -= 1
        service = self._endpoint.service
        patience = min(self._patience, left)
        try:
            address = canonical_address(self._endpoint.address)
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
            yield Call(connection, patience, min(first_patience, patience))

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
                    key = self._host_key(call, theirs, algorithm)
                else:
                    with self._call("ssh host key") as another:
                        key = self._host_key(another, self._kexinit(another), algorithm)
            except TurnedAway as e:
                unseen[algorithm] = e.gap
            except Ended as e:
                unseen[algorithm] = _said_of(algorithm, e.gap)
            except Malformed as e:
                unseen[algorithm] = Gap(Reason.MALFORMED, str(e))
            else:
                shown.setdefault(key.type, key)
        if not shown:
            return next(iter(unseen.values())), {}
        return tuple(shown[type] for type in sorted(shown)), unseen

    def _kexinit(self, call: Call) -> bytes:
        """Raises TurnedAway: what a server has said once, it says again, if it still has time for us."""
        try:
            return call.hear(KEXINIT)
        except Ended as e:
            raise TurnedAway(e.gap) from e

    def _host_key(self, call: Call, theirs: bytes, algorithm: str) -> ShownKey:
        """One exchange; where it is not known yet, it goes on to the ways in. Raises Ended or Malformed."""
        algorithms = read_kexinit(theirs)
        suite = choose_suite(algorithms)
        key, secrets = exchange_keys(call, theirs, algorithms, algorithm, suite)
        if isinstance(self._ways_in, Gap) and suite is not None:
            try:
                begin_encryption(call)
                call.encrypt(*seals(suite, secrets))
                self._ways_in = ask(call)
            except Ended as e:
                self._ways_in = e.gap
            except Malformed as e:
                self._ways_in = Gap(Reason.MALFORMED, str(e))
        elif suite is None:
            self._ways_in = Gap(Reason.NOT_COLLECTED, "secscan has no cipher in common with it")
        return key

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
                algorithms = read_kexinit(self._kexinit(call))
                ours = proposal(algorithms, method, real_names(algorithms.host_key), None)
                call.say(kexinit(secrets.token_bytes(16), ours))
                call.say(group_request(asked))
                try:
                    return read_group(call.hear(GEX_GROUP))[0].bit_length()
                except Ended as e:
                    # It hung up, and said why or not: it does not give such a group. Silence says nothing.
                    return e.gap if e.gap.reason is Reason.TIMED_OUT else 0
        except Ended as e:
            return e.gap
        except Malformed as e:
            return Gap(Reason.MALFORMED, str(e))


def _without(facts: SshFacts, gap: Gap) -> SshFacts:
    """What there is when nothing came after the identification."""
    return msgspec.structs.replace(
        facts, algorithms=gap, host_keys=gap, groups=gap, methods=gap, open_to_all=gap
    )


def _said_of(algorithm: str, gap: Gap) -> Gap:
    if gap.reason is Reason.REFUSED:
        return Gap(Reason.REFUSED, f"asked for a key of {algorithm}, {gap.detail}"[:200])
    return gap


def _one_of_each_key(names: Sequence[str]) -> list[str]:
    """One algorithm for each key that the server can have: of those that share one, the first in our order."""
    wanted: list[str] = []
    for name in real_names(names):
        same = next((group for group in _SAME_KEY if name in group), (name,))
        best = next(candidate for candidate in same if candidate in names)
        if best not in wanted:
            wanted.append(best)
    return wanted
