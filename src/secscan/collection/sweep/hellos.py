"""Which suites, groups and schemes are offered together, and what each choice tells."""

import enum
import functools
from collections.abc import Iterable

from secscan.collection.sweep.wire.code_points import (
    CURVES,
    CURVES_1_3,
    FALLBACK_SCSV,
    FIELDS,
    POST_QUANTUM,
    RENEGOTIATION_SCSV,
    SCHEMES,
    SSL3,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    TLS1_3_SUITES,
    suite_codes,
    suite_names,
)
from secscan.collection.sweep.wire.hello import ClientHello
from secscan.facts import SuiteClass, TlsVersion
from secscan.facts.suites import Trait, classes_of, traits

WIRE_VERSIONS = {
    TlsVersion.SSLV3: SSL3,
    TlsVersion.TLS1_0: TLS1_0,
    TlsVersion.TLS1_1: TLS1_1,
    TlsVersion.TLS1_2: TLS1_2,
    TlsVersion.TLS1_3: TLS1_3,
}
VERSION_NAMES = {number: version for version, number in WIRE_VERSIONS.items()}

#: RFC 7919, section 4: a server that finds fields here, and not its own among them, must not take DHE at all. So they
#: are left out of hellos for TLS 1.2, to see the prime that older clients get.
CURVES_1_2 = tuple(CURVES)
GROUPS_1_3 = (*POST_QUANTUM, *(29, 23, 24, 25, 30), *FIELDS, *CURVES_1_3, *(26, 27, 28))
SCHEMES_ALL = tuple(SCHEMES)

#: What TLS 1.3 has for integrity alone (RFC 9150), and everything else it has.
NULL_1_3 = (0xC0B4, 0xC0B5)
SUITES_1_3 = tuple(suite for suite in TLS1_3_SUITES if suite not in NULL_1_3)

#: Hellos of 256 bytes and more are what some load balancers of F5 can't bear (RFC 7685, section 1).
SMALL = 48
#: As many suites as go into one hello where a server chokes on all of them.
MANY = 100


class Goal(enum.StrEnum):
    """Questions beside those about classes that a choice among suites answers."""

    #: Diffie-Hellman over a finite field, with keys made for the one handshake; and the same for export.
    DHE = "dhe"
    DHE_EXPORT = "dhe-export"
    #: Kinds of certificate.
    RSA_CERTIFICATE = "rsa-certificate"
    ECDSA_CERTIFICATE = "ecdsa-certificate"


Question = SuiteClass | Goal

#: All that a verdict asks about suites before TLS 1.3.
QUESTIONS: tuple[Question, ...] = (*(kind for kind in SuiteClass if kind is not SuiteClass.EVERY), *Goal)


@functools.cache
def questions_of(suite: int) -> frozenset[Question]:
    """What is answered when a server chooses this suite."""
    name = suite_names().get(suite, "")
    exchange = name.partition("_WITH_")[0]
    found: set[Question] = set(classes_of(name)) if name else set()
    if exchange.startswith(("TLS_DHE_", "TLS_DH_anon", "TLS_PSK_DHE")):
        found.add(Goal.DHE_EXPORT if "EXPORT" in exchange else Goal.DHE)
    if exchange.endswith(("DHE_RSA", "TLS_RSA", "DHE_RSA_EXPORT", "TLS_RSA_EXPORT", "TLS_RSA_EXPORT1024")):
        found.add(Goal.RSA_CERTIFICATE)
    if exchange.endswith("_ECDSA"):
        found.add(Goal.ECDSA_CERTIFICATE)
    return frozenset(found)


@functools.cache
def suites_for(version: TlsVersion) -> tuple[int, ...]:
    """Every suite that there is under a version from SSL 3.0 on, the most usual first."""
    if version is TlsVersion.TLS1_3:
        return (*SUITES_1_3, *NULL_1_3)
    rank = {suite: number for number, suite in enumerate(usual_suites(TlsVersion.TLS1_2))}
    every = (code for code in suite_names() if code not in TLS1_3_SUITES)
    fit = (code for code in every if version is TlsVersion.TLS1_2 or not _needs_1_2(suite_names()[code]))
    return tuple(sorted(fit, key=lambda code: (rank.get(code, len(rank)), _is_exotic(code), code)))


@functools.cache
def suites_answering(version: TlsVersion, questions: frozenset[Question]) -> tuple[int, ...]:
    """Every suite under a version whose choice answers one of the questions."""
    return tuple(suite for suite in suites_for(version) if questions_of(suite) & questions)


@functools.cache
def usual_suites(version: TlsVersion) -> tuple[int, ...]:
    """What a first hello offers: what nearly every server knows one of."""
    codes = suite_codes()
    return tuple(codes[n] for n in _USUAL if version is TlsVersion.TLS1_2 or not _needs_1_2(n))


@functools.cache
def elliptic_suites(version: TlsVersion) -> tuple[int, ...]:
    """Suites whose key exchange needs a curve to be agreed on."""
    names = suite_names()
    return tuple(s for s in suites_for(version) if names[s].startswith(("TLS_ECDHE_", "TLS_ECDH_anon")))


@functools.cache
def signed_suites() -> tuple[int, ...]:
    """Suites of TLS 1.2 in whose key exchange the server signs."""
    names = suite_names()
    begin = ("TLS_ECDHE_RSA", "TLS_ECDHE_ECDSA", "TLS_DHE_RSA", "TLS_DHE_DSS")
    return tuple(s for s in suites_for(TlsVersion.TLS1_2) if names[s].startswith(begin))


@functools.lru_cache(maxsize=4096)
def hello_1_2(
    version: TlsVersion,
    suites: tuple[int, ...],
    *,
    groups: tuple[int, ...] = CURVES_1_2,
    schemes: tuple[int, ...] = SCHEMES_ALL,
    alpn: tuple[bytes, ...] = (),
    first: bool = False,
    bare: bool = False,
    plain: bool = False,
    fallback: bool = False,
) -> ClientHello:
    """A hello for TLS 1.2 or an older version. ``first``: with all that a server may take up and shows that it does."""
    bare = bare or version is TlsVersion.SSLV3
    signals = ((RENEGOTIATION_SCSV,) if bare or plain else ()) + ((FALLBACK_SCSV,) if fallback else ())
    return ClientHello(
        suites=(*suites, *signals),
        version=WIRE_VERSIONS[version],
        newest=WIRE_VERSIONS[version],
        groups=groups,
        schemes=schemes if version is TlsVersion.TLS1_2 else (),
        alpn=alpn,
        staple=first,
        heartbeat=first,
        compression=first,
        bare=bare,
        plain=plain,
    )


@functools.lru_cache(maxsize=1024)
def hello_1_3(
    suites: tuple[int, ...] = SUITES_1_3,
    *,
    groups: tuple[int, ...] = GROUPS_1_3,
    older: bool = False,
    shares: bool = False,
) -> ClientHello:
    """A hello for TLS 1.3; with ``older``, for TLS 1.2 and those before it as well."""
    usual = usual_suites(TlsVersion.TLS1_2) if older else ()
    return ClientHello(
        suites=(*suites, *usual),
        newest=TLS1_3,
        groups=groups,
        schemes=SCHEMES_ALL,
        shares=shares,
    )


def chunks(suites: tuple[int, ...], size: int) -> Iterable[tuple[int, ...]]:
    return (suites[at : at + size] for at in range(0, len(suites), size))


def key_bits(name: str) -> int:
    """The bits of the symmetric key that a suite's name tells; 0 where it tells none."""
    protection = name.partition("_WITH_")[2] or name
    if Trait.NULL in traits(name):
        return 0
    for text, bits in _KEY_BITS:
        if text in protection or text in name:
            return bits
    return 0


_KEY_BITS = (
    *(("EXPORT40", 40), ("RC4_40", 40), ("RC2_CBC_40", 40), ("DES40", 40), ("DES_CBC_40", 40)),
    *(("RC4_56", 56), ("RC2_CBC_56", 56), ("RC4_64", 64), ("3DES", 168), ("DES_192_EDE3", 168)),
    *(("DES", 56), ("256", 256), ("CHACHA20", 256), ("KUZNYECHIK", 256), ("MAGMA", 256), ("28147", 256)),
    *(("192", 192), ("128", 128), ("SEED", 128), ("IDEA", 128), ("SM4", 128), ("RC4", 128), ("RC2", 128)),
)


def _needs_1_2(name: str) -> bool:
    """Authenticated encryption and a hash of its own for the secrets came with TLS 1.2 (RFC 5246, section 1.2)."""
    ccm = "_CCM" in name or "_OCB" in name
    return ccm or name.endswith(("_SHA256", "_SHA384", "_SHA512")) or "GCM" in name or "POLY1305" in name


def _is_exotic(code: int) -> bool:
    """Suites that need a secret shared beforehand, Kerberos, or hardly anybody's cipher."""
    exchange = suite_names()[code].partition("_WITH_")[0]
    return any(part in exchange for part in ("PSK", "KRB5", "SRP", "GOST", "ECCPWD", "FORTEZZA"))


_USUAL = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_RC4_128_MD5",
)
