"""What a sweep has seen so far, and the facts that come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from secscan.collection.sweep.asking import Chosen
from secscan.collection.sweep.hellos import Goal, Question, key_bits
from secscan.collection.sweep.wire.code_points import (
    POST_QUANTUM,
    WEAK_CURVES_BELOW,
    WEAK_SCHEMES,
    Extension,
    group_name,
    prime_name,
    scheme_name,
    suite_name,
)
from secscan.facts import (
    Absent,
    Chain,
    ChainFacts,
    CipherSuite,
    Depth,
    DhPrime,
    Gap,
    Oddity,
    SuiteClass,
    TlsFacts,
    TlsVersion,
    VersionOffer,
    WithoutName,
)
from secscan.facts.certificate import Certificate, PublicKey, read_certificate
from secscan.facts.kind import Reading
from secscan.model import Reason

BEFORE_1_3 = tuple(version for version in TlsVersion if version is not TlsVersion.TLS1_3)

_NOT_ASKED = Gap(Reason.NOT_COLLECTED)


@dataclass(slots=True)
class VersionSeen:
    """``settled``: the questions about suites that have an answer; ``open``: why the others have none."""

    offered: bool | Gap = _NOT_ASKED
    suites: set[str] = field(default_factory=set)
    settled: set[Question] = field(default_factory=set)
    every: bool = False
    open: Gap = _NOT_ASKED
    preference: Reading[str] = _NOT_ASKED


@dataclass(slots=True)
class Seen:
    """Everything about one server. Readings that no question was asked about stay gaps."""

    depth: Depth
    starttls: str = ""
    versions: dict[TlsVersion, VersionSeen] = field(
        default_factory=lambda: {version: VersionSeen() for version in TlsVersion}
    )
    #: Chains by key type and certificates; the stapled answer, if any came.
    chains: dict[tuple[str, tuple[bytes, ...]], bytes | None] = field(default_factory=dict)
    #: SSL 2.0 sends the server's own certificate alone; where later versions send it with a chain, that one counts.
    ssl2_leaf: bytes = b""
    chain_gap: Gap = _NOT_ASKED
    without_name: Reading[tuple[bytes, ...] | None] = _NOT_ASKED
    primes: set[DhPrime] = field(default_factory=set)
    prime_gap: Gap | None = None
    groups: set[int] = field(default_factory=set)
    #: None: it is settled that there is none.
    groups_gap: Gap | None = _NOT_ASKED
    groups_below: int = WEAK_CURVES_BELOW
    hybrids_gap: Gap | None = _NOT_ASKED
    schemes: set[int] = field(default_factory=set)
    weak_schemes_gap: Gap | None = _NOT_ASKED
    schemes_gap: Gap | None = _NOT_ASKED
    client_certificate: Reading[str] = _NOT_ASKED
    secure_renegotiation: Reading[bool] = _NOT_ASKED
    client_renegotiation: Reading[bool] = _NOT_ASKED
    fallback_scsv: Reading[bool] = _NOT_ASKED
    extended_master_secret: Reading[bool] = _NOT_ASKED
    compression: Reading[bool] = _NOT_ASKED
    heartbeat: Reading[bool] = _NOT_ASKED
    heartbleed: Reading[bool] = _NOT_ASKED
    ccs_injection: Reading[bool] = _NOT_ASKED
    early_data: Reading[bool] = _NOT_ASKED
    encrypt_then_mac: Reading[bool] = _NOT_ASKED
    tickets: Reading[bool] = _NOT_ASKED
    downgrade_mark: Reading[bool] = _NOT_ASKED
    alpn: set[str] = field(default_factory=set)
    alpn_gap: Gap | None = _NOT_ASKED

    # --- Taking note -----------------------------------------------------------------------------------------

    def note(self, version: TlsVersion, answer: Chosen) -> None:
        """All that any choice tells, whatever it was made for."""
        seen = self.versions[version]
        seen.offered = True
        name = suite_name(answer.hello.suite)
        seen.suites.add(name)
        flight, extensions = answer.flight, answer.hello.extensions
        if answer.hello.group:
            self.groups.add(answer.hello.group)
        if version is TlsVersion.TLS1_3:
            return
        exchange = answer.exchange
        if exchange.group:
            self.groups.add(exchange.group)
        if exchange.scheme:
            self.schemes.add(exchange.scheme)
        if exchange.prime:
            bits = int.from_bytes(exchange.prime, "big").bit_length()
            self.primes.add(DhPrime(bits=bits, name=prime_name(exchange.prime)))
        if "_CBC" in name and version is not TlsVersion.SSLV3:
            self.encrypt_then_mac = Extension.ENCRYPT_THEN_MAC in extensions
        if flight.certificates:
            self.add_chain(flight.certificates, flight.status)
        if flight.asks_certificate and self.client_certificate != "required":
            self.client_certificate = "asked"

    def add_chain(self, certificates: tuple[bytes, ...], staple: bytes | None) -> None:
        key = (slot_of(certificates[0]), certificates)
        # Some servers staple only once they have fetched an answer.
        self.chains[key] = self.chains.get(key) or staple

    def offered(self) -> list[TlsVersion]:
        """The versions known to be offered, oldest first."""
        return [version for version, seen in self.versions.items() if seen.offered is True]

    def names(self, versions: tuple[TlsVersion, ...]) -> set[str]:
        """The suites seen to be accepted under these versions."""
        return {name for version in versions for name in self.versions[version].suites}

    # --- Facts ------------------------------------------------------------------------------------------------

    def tls(self, oddities: set[Oddity]) -> TlsFacts:
        return TlsFacts(
            starttls=self.starttls,
            versions=tuple(self._offer(version) for version in TlsVersion),
            dh_bits=self._dh_bits(),
            dh_primes=self._dh_primes(),
            groups=self._groups(),
            groups_below=self.groups_below,
            post_quantum=self._post_quantum(),
            weak_signatures=_listed(self.weak_schemes_gap, self.schemes & set(WEAK_SCHEMES), scheme_name),
            signatures=_listed(self.schemes_gap, self.schemes, scheme_name),
            client_certificate=self.client_certificate,
            secure_renegotiation=self.secure_renegotiation,
            client_renegotiation=self.client_renegotiation,
            fallback_scsv=self.fallback_scsv,
            extended_master_secret=self.extended_master_secret,
            compression=self.compression,
            heartbleed=self.heartbleed,
            ccs_injection=self.ccs_injection,
            encrypt_then_mac=self.encrypt_then_mac,
            heartbeat=self.heartbeat,
            tickets=self.tickets,
            alpn=tuple(sorted(self.alpn)) if self.alpn or self.alpn_gap is None else self.alpn_gap,
            downgrade_mark=self.downgrade_mark,
            early_data=self.early_data,
            depth=self.depth,
            oddities=tuple(sorted(oddities)),
        )

    def chain(self) -> ChainFacts | Absent | Gap:
        if self.ssl2_leaf and all(certificates[0] != self.ssl2_leaf for _, certificates in self.chains):
            self.add_chain((self.ssl2_leaf,), None)
        if self.chains:
            chains = tuple(
                Chain(slot=slot, certificates=certificates, ocsp=self.chains[slot, certificates])
                for slot, certificates in sorted(self.chains)
            )
            return ChainFacts(chains=chains, without_name=self._without_name())
        suites = self.names(tuple(TlsVersion))
        # RFC 5246, section 7.4.2: certificates are sent whenever the key exchange is authenticated by one.
        if suites and all("_anon_" in name for name in suites) and not self._may_lack_authenticated():
            return Absent(heard="TLS with anonymous suites only: no certificate is ever sent")
        return self.chain_gap

    def _may_lack_authenticated(self) -> bool:
        return any(
            seen.offered is not False and not seen.every and Goal.RSA_CERTIFICATE not in seen.settled
            for seen in self.versions.values()
        )

    def _without_name(self) -> Reading[WithoutName]:
        if isinstance(self.without_name, Gap):
            return self.without_name
        if self.without_name is None:
            return WithoutName(refused=True)
        leaf = slot_of(self.without_name[0])
        if (leaf, self.without_name) in self.chains:
            return WithoutName()
        return WithoutName(chains=(Chain(slot=leaf, certificates=self.without_name),))

    def _offer(self, version: TlsVersion) -> VersionOffer:
        seen = self.versions[version]
        if seen.offered is False:
            return VersionOffer(version=version, offered=False, suites=())
        if isinstance(seen.offered, Gap):
            return VersionOffer(
                version=version, offered=seen.offered, suites=seen.offered, settled=(), unsettled=seen.offered
            )
        if seen.every:
            settled: tuple[SuiteClass, ...] = (SuiteClass.EVERY,)
        else:
            settled = tuple(sorted(kind for kind in seen.settled if isinstance(kind, SuiteClass)))
        return VersionOffer(
            version=version,
            offered=True,
            suites=tuple(CipherSuite(name=name, key_size=key_bits(name)) for name in sorted(seen.suites)),
            settled=settled,
            unsettled=seen.open,
            preference=seen.preference,
        )

    def _dh_bits(self) -> Reading[int]:
        if self.primes and self.prime_gap is None:
            return min(prime.bits for prime in self.primes)
        return 0 if self.prime_gap is None else self.prime_gap

    def _dh_primes(self) -> Reading[tuple[DhPrime, ...]]:
        if self.prime_gap is not None:
            return self.prime_gap
        return tuple(sorted(self.primes, key=lambda prime: (prime.bits, prime.name)))

    def _groups(self) -> Reading[tuple[str, ...]]:
        return _listed(self.groups_gap, self.groups, group_name)

    def _post_quantum(self) -> Reading[tuple[str, ...]]:
        return _listed(self.hybrids_gap, self.groups & POST_QUANTUM.keys(), group_name)


def _listed(gap: Gap | None, codes: set[int], name: Callable[[int], str]) -> Reading[tuple[str, ...]]:
    return tuple(sorted(name(code) for code in codes)) if gap is None else gap


def slot_of(certificate: bytes) -> str:
    """The key type of a certificate, DER."""
    read = read_certificate(certificate)
    key = read.key if isinstance(read, Certificate) else None
    return key.type if isinstance(key, PublicKey) else "unknown"
