"""Which versions and suites a server accepts, by sslyze's connections. For the audit's own process.

sslyze's own scan of suites offers each alone: 533 handshakes, whatever the server. Here they are offered
together, and what the server chose is left out the next time, until it refuses. It also sees what sslyze's
scanner gives up on: servers with nothing but NULL, EXPORT or anonymous suites fail its connectivity test, and
then nothing else is asked of them.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from nassl.ephemeral_key_info import DhEphemeralKeyInfo
from nassl.ssl_client import BaseSslClient
from sslyze.plugins.openssl_cipher_suites.cipher_suites import CipherSuite, CipherSuitesRepository
from sslyze.server_connectivity import TlsVersionEnum

from secscan.collection.deep.findings import AcceptedSuite, VersionTried
from secscan.collection.deep.gaps import UnknownSuitesError, gap_of
from secscan.collection.deep.handshake import Hello, Outcome, Server, suites_known
from secscan.facts import Gap, TlsVersion
from secscan.model import Reason

#: Newest first: what the first handshakes say of a modern server saves asking it the rest twice.
VERSIONS: dict[TlsVersionEnum, TlsVersion] = {
    TlsVersionEnum.TLS_1_3: TlsVersion.TLS1_3,
    TlsVersionEnum.TLS_1_2: TlsVersion.TLS1_2,
    TlsVersionEnum.TLS_1_1: TlsVersion.TLS1_1,
    TlsVersionEnum.TLS_1_0: TlsVersion.TLS1_0,
    TlsVersionEnum.SSL_3_0: TlsVersion.SSLV3,
    TlsVersionEnum.SSL_2_0: TlsVersion.SSLV2,
}

#: Versions in which a handshake can be renegotiated, compressed and resumed: not TLS 1.3 any more, not SSL 2.0 yet.
RENEGOTIABLE = (
    TlsVersionEnum.TLS_1_2,
    TlsVersionEnum.TLS_1_1,
    TlsVersionEnum.TLS_1_0,
    TlsVersionEnum.SSL_3_0,
)

#: Suites in one hello. Some servers look at the first 64 only, some choke on hellos of over 255 bytes
#: (https://bugs.debian.org/665452); 40 keep clear of both.
SUITES_IN_A_HELLO = 40


class Chosen(NamedTuple):
    """A suite the server chose: sslyze's description, the size of a Diffie-Hellman prime, if one was seen, and

    which OpenSSL had offered it.
    """

    suite: CipherSuite
    dh_bits: int
    legacy: bool


@dataclass
class Trial:
    """What is being learned of one version."""

    version: TlsVersionEnum
    chosen: dict[str, Chosen] = field(default_factory=dict)
    refused: bool = False
    #: Hellos that were answered by closing the connection.
    closed: list[Hello] = field(default_factory=list)
    doubt: Gap | None = None

    def run(self, server: Server) -> None:
        for legacy, names in batches(self.version):
            for i in range(0, len(names), SUITES_IN_A_HELLO):
                hello = Hello(self.version, names[i : i + SUITES_IN_A_HELLO], legacy)
                if self._offer(server, hello, None) is Outcome.OTHER_VERSION:
                    return

    def run_again(self, server: Server, control: Hello) -> None:
        """Offers again what was answered by closing the connection, now that something is known to succeed."""
        closed, self.closed = self.closed, []
        for hello in closed:
            if self._offer(server, hello, control) is Outcome.OTHER_VERSION:
                return

    def find_one(self, server: Server, where: Callable[[str], bool]) -> bool:
        """Offers those suites alone whose IANA name passes ``where``, until the server has chosen one of them."""
        for legacy, names in batches(self.version):
            left = tuple(n for n in names if where(suites_of(self.version)[n].name))[:SUITES_IN_A_HELLO]
            attempt = server.settle(Hello(self.version, left, legacy)) if left else None
            if attempt is not None and attempt.outcome is Outcome.CHOSEN:
                # When a handshake fails later, OpenSSL forgets what had been chosen; any of them will do.
                suite = attempt.suite if attempt.suite in left else left[0]
                self.chosen[suite] = Chosen(suites_of(self.version)[suite], 0, legacy)
                return True
        return False

    def note(self, error: BaseException | None) -> None:
        if error is not None:
            self.doubt = gap_of(error)

    def finding(self) -> VersionTried:
        if self.closed and self.doubt is None:
            self.doubt = Gap(Reason.REFUSED, "it closed the connection without an answer")
        return VersionTried(
            version=VERSIONS[self.version],
            accepted=tuple(
                AcceptedSuite(name=chosen.suite.name, key_size=chosen.suite.key_size, dh_bits=chosen.dh_bits)
                for chosen in self.chosen.values()
            ),
            refused=self.refused and self.doubt is None,
            doubt=self.doubt,
        )

    def _offer(self, server: Server, hello: Hello, control: Hello | None) -> Outcome:
        """Offers suites together until the server refuses the rest of them; returns how that ended."""
        left = list(hello.suites)
        outcome = Outcome.REFUSED
        while left and not server.stalled:
            hello = replace(hello, suites=tuple(left))
            attempt = server.settle(hello, control=control, read=_dh_bits)
            outcome = attempt.outcome
            suite = attempt.suite or (left[0] if len(left) == 1 else "")
            match outcome:
                case Outcome.CHOSEN if suite in left:
                    self.chosen[suite] = Chosen(suites_of(self.version)[suite], attempt.reading, hello.legacy)
                    left.remove(suite)
                    continue
                case Outcome.CHOSEN | Outcome.BROKEN if not hello.legacy and (shared := self._shared(left)):
                    # When a handshake fails, only the old OpenSSL remembers what the server had chosen.
                    self._offer(server, replace(hello, suites=shared, legacy=True), control)
                    rest = tuple(name for name in left if name not in shared)
                    return self._offer(server, replace(hello, suites=rest), control)
                case Outcome.CHOSEN | Outcome.BROKEN if len(left) > 1:
                    # Which one it chose, or choked on, shows when each is offered alone.
                    for name in left:
                        self._offer(server, replace(hello, suites=(name,)), control)
                case Outcome.REFUSED:
                    self.refused = True
                case Outcome.OTHER_VERSION if self.chosen:
                    # Two servers behind one address, not configured alike.
                    self.doubt = Gap(
                        Reason.CONTRADICTORY, "it accepted the version, and later did not know it"
                    )
                case Outcome.OTHER_VERSION:
                    # That settles it, whatever became of the suites offered before.
                    self.refused, self.doubt, self.closed = True, None, []
                case Outcome.CLOSED:
                    self.closed.append(hello)
                case Outcome.SILENT:
                    self.doubt = Gap(Reason.TIMED_OUT, "it did not answer in time")
                case Outcome.CHOSEN | Outcome.BROKEN:
                    self.doubt = Gap(Reason.UNREADABLE, attempt.words)
            break
        if server.stalled:
            self.doubt = Gap(Reason.TIMED_OUT, "it did not answer in time")
        return outcome

    def _shared(self, suites: Iterable[str]) -> tuple[str, ...]:
        known = suites_known(self.version, legacy=True)
        return tuple(name for name in suites if name in known)


class Offers:
    """What the server is known to accept; empty, and false, where that is nothing."""

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._trials = {trial.version: trial for trial in trials}
        self.versions = tuple(v for v in VERSIONS if v in self._trials and self._trials[v].chosen)
        #: The newest version in which there is something to renegotiate.
        self.renegotiable = next((v for v in RENEGOTIABLE if v in self.versions), None)

    def __bool__(self) -> bool:
        return bool(self.versions)

    @property
    def control(self) -> Hello:
        """A handshake that the server is known to accept."""
        return self.hello(self.versions[0])

    def names(self, version: TlsVersionEnum) -> tuple[str, ...]:
        """The accepted suites by IANA's names."""
        return tuple(chosen.suite.name for chosen in self._trials[version].chosen.values())

    def hello(
        self,
        version: TlsVersionEnum,
        *,
        legacy: bool | None = None,
        where: Callable[[str], bool] = lambda _: True,
    ) -> Hello:
        """Offers accepted suites again, those whose IANA name passes ``where``.

        ``legacy`` says with which OpenSSL; if that may be either, it is one that has offered them with success.
        Raises UnknownSuitesError where that knows none of them.
        """
        for kind in (False, True) if legacy is None else (legacy,):
            known = suites_known(version, legacy=kind)
            suites = tuple(
                name
                for name, chosen in self._trials[version].chosen.items()
                if where(chosen.suite.name)
                and (name in known if legacy is not None else chosen.legacy is kind)
            )
            if suites:
                return Hello(version, suites, kind)
        raise UnknownSuitesError

    def doubt(self, versions: Sequence[TlsVersionEnum] = RENEGOTIABLE) -> Gap | None:
        """Why it isn't certain what is offered in these versions."""
        return next((d for v in versions if (d := self._trials[v].doubt) is not None), None)


@functools.cache
def suites_of(version: TlsVersionEnum) -> dict[str, CipherSuite]:
    """OpenSSL's name -> suite, in a fixed order."""
    suites = CipherSuitesRepository.get_all_cipher_suites(version)
    return {suite.openssl_name: suite for suite in sorted(suites, key=lambda suite: suite.name)}


@functools.cache
def batches(version: TlsVersionEnum) -> tuple[tuple[bool, tuple[str, ...]], ...]:
    """Which suites to offer with which OpenSSL (``legacy``), each with one of the two.

    sslyze prefers the old one, but that knows neither X25519 nor Ed25519, and is refused by servers that insist
    on them. The newer one stops at primes below 1024 bits, and so would not tell how small they are.
    """
    old, new = (suites_known(version, legacy=legacy) for legacy in (True, False))
    with_old = [
        n for n, suite in suites_of(version).items() if n in old and (n not in new or _has_prime(suite))
    ]
    with_new = [n for n in suites_of(version) if n in new and n not in with_old]
    return (False, tuple(with_new)), (True, tuple(with_old))


def _has_prime(suite: CipherSuite) -> bool:
    return suite.name.startswith(("TLS_DHE_", "TLS_DH_anon_"))


def _dh_bits(client: BaseSslClient) -> int:
    key = ephemeral_key(client)
    return key.size if isinstance(key, DhEphemeralKeyInfo) else 0


def ephemeral_key(client: BaseSslClient) -> Any:
    # nassl raises ValueError on a curve it has no name for.
    with contextlib.suppress(ValueError):
        return client.get_ephemeral_key()
    return None


def is_rsa_transport(suite: str) -> bool:
    """Whether the client sends the secret encrypted to the server's RSA key, by the suite's IANA name."""
    return suite.startswith("TLS_RSA_")
