"""What a cipher suite is made of, read from its IANA name, and the classes that suites are judged by."""

import enum
import re
from functools import lru_cache


class Trait(enum.Flag):
    """What the checks ask of a suite."""

    NONE = 0
    #: The name is none that we know: nothing can be said of it.
    UNKNOWN = enum.auto()
    #: Nothing is encrypted.
    NULL = enum.auto()
    #: Nobody proves who he is: no certificate, no shared key.
    ANONYMOUS = enum.auto()
    #: Weakened for the export rules of the 1990s.
    EXPORT = enum.auto()
    RC4 = enum.auto()
    #: A key of less than 112 bits (RFC 9325, section 4.1): single DES and what was made for export.
    SHORT_KEY = enum.auto()
    #: A cipher with blocks of 64 bits.
    BLOCK64 = enum.auto()
    #: Cipher block chaining.
    CBC = enum.auto()
    #: Authenticated encryption with associated data (RFC 5116).
    AEAD = enum.auto()
    #: The session key can't be found again from the server's long-lived key.
    FORWARD_SECRECY = enum.auto()
    #: The client sends the secret encrypted to the server's RSA key (RFC 5246, section 7.4.7.1).
    RSA_TRANSPORT = enum.auto()


class SuiteClass(enum.StrEnum):
    """Classes of suites that a list may be complete for while it lacks suites of others."""

    #: The list lacks no suite at all.
    EVERY = "every"
    NULL = "null"
    ANONYMOUS = "anonymous"
    EXPORT = "export"
    RC4 = "rc4"
    #: Keys below 112 bits, but for those of EXPORT and RC4.
    SHORT_KEY = "short-key"
    #: Blocks of 64 bits, but for those of SHORT_KEY and EXPORT.
    BLOCK64 = "block-64"
    CBC = "cbc"
    #: No forward secrecy.
    STATIC = "static"
    RSA_TRANSPORT = "rsa-transport"
    #: Authenticated encryption by an authenticated server.
    AEAD = "aead"
    #: Forward secrecy that is worth something: authenticated, encrypted, not for export.
    FORWARD_SECRECY = "forward-secrecy"


def in_class(name: str, kind: SuiteClass) -> bool:
    """Whether a suite belongs to a class; one whose name tells nothing belongs to none but EVERY."""
    found = traits(name)
    if kind is SuiteClass.EVERY:
        return True
    wanted, without = _CLASSES[kind]
    return wanted in found and not found & (without | Trait.UNKNOWN) and not name.endswith("_SCSV")


@lru_cache(maxsize=1024)
def classes_of(name: str) -> frozenset[SuiteClass]:
    """The classes that the suite of this IANA name belongs to, leaving out EVERY."""
    return frozenset(kind for kind in _CLASSES if in_class(name, kind))


_CLASSES: dict[SuiteClass, tuple[Trait, Trait]] = {
    SuiteClass.NULL: (Trait.NULL, Trait.NONE),
    SuiteClass.ANONYMOUS: (Trait.ANONYMOUS, Trait.NONE),
    SuiteClass.EXPORT: (Trait.EXPORT, Trait.NONE),
    SuiteClass.RC4: (Trait.RC4, Trait.NONE),
    SuiteClass.SHORT_KEY: (Trait.SHORT_KEY, Trait.EXPORT | Trait.RC4),
    SuiteClass.BLOCK64: (Trait.BLOCK64, Trait.SHORT_KEY | Trait.EXPORT),
    SuiteClass.CBC: (Trait.CBC, Trait.NONE),
    SuiteClass.STATIC: (Trait.NONE, Trait.FORWARD_SECRECY),
    SuiteClass.RSA_TRANSPORT: (Trait.RSA_TRANSPORT, Trait.NONE),
    SuiteClass.AEAD: (Trait.AEAD, Trait.ANONYMOUS),
    SuiteClass.FORWARD_SECRECY: (Trait.FORWARD_SECRECY, Trait.ANONYMOUS | Trait.NULL | Trait.EXPORT),
}


@lru_cache(maxsize=1024)
def traits(name: str) -> Trait:
    """The traits of the suite of this IANA name; SSL 2.0's kinds go by the names of its draft (SSL_CK_...)."""
    if name.endswith("_SCSV"):
        return Trait.NONE  # RFC 5746 and 7507: a signal in the list of suites
    exchange, with_, protection = name.partition("_WITH_")
    if not with_ or "_MGM_" in protection:
        return _traits_1_3(name)
    if exchange.startswith("SSL_CK_"):
        protection = exchange.removeprefix("SSL_CK_")
        return _traits_of_protection(protection) | (Trait.EXPORT if "EXPORT" in protection else Trait.NONE)
    return _traits_of_exchange(exchange.removeprefix("TLS_")) | _traits_of_protection(protection)


def _traits_1_3(name: str) -> Trait:
    """TLS 1.3 names the protection alone (RFC 8446, section B.4): the key exchange is ephemeral in all of them."""
    if re.match(r"TLS_SHA\d+_SHA\d+$", name):
        return Trait.FORWARD_SECRECY | Trait.NULL  # RFC 9150: for integrity alone
    if re.match(r"TLS_(AES_\d+_[GC]CM_|CHACHA20_POLY1305_|SM4_[GC]CM_|AEGIS_)", name):
        return Trait.FORWARD_SECRECY | Trait.AEAD
    gost = re.match(r"TLS_GOSTR\w+_WITH_(KUZNYECHIK|MAGMA)_MGM_", name)  # RFC 9367
    if gost:
        return Trait.FORWARD_SECRECY | Trait.AEAD | (Trait.BLOCK64 if gost[1] == "MAGMA" else Trait.NONE)
    return Trait.UNKNOWN


#: Key exchanges with keys made for the one handshake. PSK_DHE is how RFC 6655 spells DHE_PSK, and SRP (RFC 5054),
#: ECCPWD (RFC 8492) and CECPQ1 (an experiment of 2016) are of this kind too.
_EPHEMERAL = re.compile(r"(EC)?DHE_|PSK_DHE$|(EC)?DH_anon|SRP_|ECCPWD|CECPQ1")

_KNOWN_PROTECTION = re.compile(
    r"NULL|RC4|RC2|3?DES|IDEA|SEED|AES|CAMELLIA|ARIA|CHACHA20|SM4|KUZNYECHIK|MAGMA|28147"
)


def _traits_of_exchange(exchange: str) -> Trait:
    found = Trait.NONE
    if "anon" in exchange or exchange == "NULL":
        found |= Trait.ANONYMOUS
    if "EXPORT" in exchange:
        found |= Trait.EXPORT
    if _EPHEMERAL.match(exchange):
        found |= Trait.FORWARD_SECRECY
    if re.match(r"RSA(_EXPORT|_EXPORT1024|_FIPS|_PSK)?$", exchange):
        found |= Trait.RSA_TRANSPORT
    return found


def _traits_of_protection(protection: str) -> Trait:
    if not _KNOWN_PROTECTION.match(protection):
        return Trait.UNKNOWN
    if protection.startswith("NULL"):
        return Trait.NULL
    found = Trait.NONE
    if protection.startswith("RC4"):
        found |= Trait.RC4
    if re.match(r"DES(40)?_(64_)?CBC|RC[24](_CBC)?_(40|56|64)|RC[24]_128_(CBC_)?EXPORT40", protection):
        found |= Trait.SHORT_KEY
    if re.match(r"3?DES|IDEA|RC2|MAGMA|28147", protection):
        found |= Trait.BLOCK64
    if "CBC" in protection:
        found |= Trait.CBC
    if re.search(r"_(GCM|CCM|OCB|POLY1305)", protection):
        found |= Trait.AEAD
    return found
