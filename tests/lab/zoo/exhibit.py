"""What a server of the zoo is, and what is expected of whoever looks at it."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import rsa
from tlslite.utils.keyfactory import generateRSAKey

from secscan.facts import TlsVersion
from secscan.facts.suites import SuiteClass
from secscan.model import Reason
from tests.lab.authority import Authority, Identity
from tests.lab.servers import Server

#: What all of them have certificates for.
NAME = "zoo.example"

SSL2, SSL3 = TlsVersion.SSLV2, TlsVersion.SSLV3
TLS10, TLS11, TLS12, TLS13 = TlsVersion.TLS1_0, TlsVersion.TLS1_1, TlsVersion.TLS1_2, TlsVersion.TLS1_3

#: The suites that are accepted, by IANA name; None: left to the implementation, and none of a weak class.
Suites: TypeAlias = frozenset[str] | None


@dataclass(frozen=True, kw_only=True)
class SpeaksTls:
    """What the configuration fixes, and no more.

    ``offers``: each version that is offered. ``weak``: the classes of weak suites that are accepted, over all versions.
    ``dh_bits``: 0 where no suite with Diffie-Hellman over a prime is offered; None: not fixed. ``groups``: all named
    groups; None: not fixed. ``slots``: type and bits of each certificate's key; None: no certificate is fixed.
    ``sent``: certificates in each chain. ``staple``: the status in a stapled answer, ``""`` for none stapled.
    ``rest``: other fields of TlsFacts, by name.
    """

    offers: Mapping[TlsVersion, Suites]
    weak: frozenset[SuiteClass] = frozenset()
    dh_bits: int | None = 0
    groups: frozenset[str] | None = None
    slots: frozenset[tuple[str, int]] | None = frozenset({("RSA", 2048)})
    sent: int = 2
    staple: str = ""
    rest: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class SpeaksNoTls:
    """It says something else, and that is evidence."""


@dataclass(frozen=True)
class Undecided:
    """Whether it speaks TLS can't be told; one of ``reasons`` says why."""

    reasons: frozenset[Reason]


Expected: TypeAlias = SpeaksTls | SpeaksNoTls | Undecided


@dataclass(frozen=True, eq=False)
class Exhibit:
    """``maker``: the implementation, and its release where that matters; ``ours``: an answer of this project's own on
    the wire, for what no implementation does."""

    name: str
    maker: str
    make: "Callable[[Keys], Server]"
    expected: Expected
    #: Whether it holds up whoever calls: peers that can't be told to give up are not sent there twice.
    holds_up: bool = False


class Keys:
    """The identities that the exhibits share; each is made when the first asks for it."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    @functools.cached_property
    def rsa(self) -> Identity:
        return self.authority.good(NAME, key="rsa-2048")

    @functools.cached_property
    def rsa_1024(self) -> Identity:
        return self.authority.good(NAME, key="rsa-1024")

    @functools.cached_property
    def rsa_1024_alone(self) -> Identity:
        """SSL 2.0 has room for one certificate."""
        return self.rsa_1024.sending(self.rsa_1024.certificates[:1])

    @functools.cached_property
    def rsa_512(self) -> Identity:
        """Suites for export take no longer key, unless the server makes a short one for them."""
        made = generateRSAKey(512, implementations=["python"])
        numbers = rsa.RSAPrivateNumbers(
            p=made.p,
            q=made.q,
            d=made.d,
            dmp1=made.dP,
            dmq1=made.dQ,
            iqmp=made.qInv,
            public_numbers=rsa.RSAPublicNumbers(made.e, made.n),
        )
        return self.authority.issue(NAME, key=numbers.private_key(unsafe_skip_rsa_key_validation=True))

    @functools.cached_property
    def ecdsa(self) -> Identity:
        return self.authority.good(NAME)

    @functools.cached_property
    def ecdsa_384(self) -> Identity:
        return self.authority.good(NAME, key="ecdsa-384")

    @functools.cached_property
    def ed25519(self) -> Identity:
        return self.authority.good(NAME, key="ed25519")

    @functools.cached_property
    def alone(self) -> Identity:
        """Signed by itself: one certificate is sent."""
        return self.authority.self_signed(NAME, key="rsa-2048")


def suites(names: str) -> frozenset[str]:
    """Of IANA's names, without ``TLS_`` in front."""
    return frozenset(f"TLS_{name}" for name in names.split())


def kinds(names: str) -> frozenset[str]:
    """The same for SSL 2.0, whose draft begins them with ``SSL_CK_``."""
    return frozenset(f"SSL_CK_{name}" for name in names.split())


#: What OpenSSL and Java offer in TLS 1.3 if they are not told otherwise.
USUAL_13 = suites("AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 AES_128_GCM_SHA256")
RSA_2048 = frozenset({("RSA", 2048)})
EC_256 = frozenset({("ECDSA", 256)})
