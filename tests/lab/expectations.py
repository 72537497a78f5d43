"""What a scan of the demo must see, written by hand from how each server is configured."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from secscan.facts import TlsVersion
from secscan.model import Reason

_1_0, _1_1, _1_2, _1_3 = TlsVersion.TLS1_0, TlsVersion.TLS1_1, TlsVersion.TLS1_2, TlsVersion.TLS1_3


@dataclass(frozen=True)
class SpeaksTls:
    """A server that answers in TLS, under each of its server names alike.

    ``versions`` are all it offers. ``keys`` holds type and size in bits of each certificate slot. ``ends`` is
    when every one of its own certificates ends, counted from the authority's ``at``. ``sent`` is the number of
    certificates in what it sends. ``suites`` are all that it offers before TLS 1.3, by IANA name, where that
    list is short; None where it is not written here. ``dh_bits``: 0 where no suite with Diffie-Hellman over a
    prime is offered, None where the prime is left to OpenSSL.
    """

    versions: frozenset[TlsVersion]
    keys: frozenset[tuple[str, int]]
    ends: timedelta = timedelta(days=75)
    sent: int = 2
    client_certificate: Literal["not-asked", "asked", "required"] = "not-asked"
    dh_bits: int | None = 0
    suites: frozenset[str] | None = None


@dataclass(frozen=True)
class SpeaksNoTls:
    """Open, and what it says is evidence that it is no TLS: a fact, not something unseen."""


@dataclass(frozen=True)
class Unseen:
    """Whether it speaks TLS can't be told; one of ``reasons`` says why. ``listens``: the port is open."""

    reasons: frozenset[Reason]
    listens: bool = True


Expected: TypeAlias = SpeaksTls | SpeaksNoTls | Unseen

_MODERN = frozenset({_1_2, _1_3})
_EC = frozenset({("ECDSA", 256)})
_RSA = frozenset({("RSA", 2048)})
_OLD_SUITES = frozenset(
    {
        "TLS_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    }
)
_HELD_UP = frozenset({Reason.TIMED_OUT, Reason.TARPIT})
_TURNED_AWAY = frozenset({Reason.REFUSED, Reason.UNREACHABLE})

#: Host and slug of every service of the demo -> what there is to see.
EXPECTED: dict[tuple[str, str], Expected] = {
    ("portal-1", "web"): SpeaksTls(_MODERN, _EC),
    ("portal-1", "ssh"): SpeaksNoTls(),
    ("mail-1", "webmail"): SpeaksTls(_MODERN, frozenset({("ECDSA", 256), ("RSA", 3072)})),
    ("mail-1", "submission"): SpeaksTls(_MODERN, frozenset({("ECDSA", 384)})),
    ("exchange-1", "exchange"): SpeaksTls(frozenset({_1_3}), _EC, client_certificate="required"),
    ("portal-2", "web"): SpeaksTls(_MODERN, _RSA, ends=timedelta(days=12)),
    ("portal-2", "old"): SpeaksTls(frozenset({_1_0, _1_1, _1_2}), _RSA, suites=_OLD_SUITES),
    ("mail-2", "webmail"): SpeaksTls(
        frozenset({_1_2}),
        _RSA,
        dh_bits=1024,
        suites=frozenset({"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"}),
    ),
    ("mail-2", "imap"): SpeaksTls(_MODERN, _EC, sent=1),
    ("onestop-1", "web"): SpeaksTls(_MODERN, _EC),
    ("onestop-1", "api"): SpeaksTls(_MODERN, _EC, sent=3),
    ("onestop-1", "redirect"): SpeaksNoTls(),
    ("database-1", "console"): SpeaksTls(_MODERN, _EC),
    ("database-1", "copies"): Unseen(frozenset({Reason.REFUSED}), listens=False),
    ("database-1", "mysql"): SpeaksNoTls(),
    ("video-1", "web"): SpeaksTls(_MODERN, _EC, sent=1),
    ("video-1", "media"): Unseen(_HELD_UP),
    ("video-1", "control"): Unseen(_TURNED_AWAY),
    ("portal-3", "web"): SpeaksTls(frozenset({_1_0}), _RSA, ends=timedelta(days=-40), suites=_OLD_SUITES),
    ("portal-3", "admin"): SpeaksNoTls(),
    ("files-1", "web"): SpeaksTls(
        frozenset({TlsVersion.SSLV3}),
        frozenset({("RSA", 1024)}),
        suites=frozenset(
            {"TLS_RSA_WITH_RC4_128_SHA", "TLS_RSA_WITH_RC4_128_MD5", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"}
        ),
    ),
    ("files-1", "sync"): SpeaksNoTls(),
    ("files-1", "vnc"): SpeaksNoTls(),
    ("camera-1", "web"): SpeaksTls(
        frozenset({_1_2}),
        _RSA,
        ends=timedelta(days=120),
        dh_bits=None,
        suites=frozenset(
            {
                "TLS_RSA_WITH_AES_128_CBC_SHA",
                "TLS_DH_anon_WITH_AES_128_CBC_SHA",
                "TLS_RSA_WITH_NULL_SHA256",
            }
        ),
    ),
    ("camera-1", "stream"): Unseen(_HELD_UP),
    ("camera-1", "console"): SpeaksNoTls(),
    ("old-1", "web"): SpeaksTls(_MODERN, _EC, ends=timedelta(days=25 * 365)),
    ("old-1", "scanner"): Unseen(_HELD_UP),
    ("old-1", "printer"): SpeaksNoTls(),
    # A connection that is closed without a word proves nothing: proxies do that to names they don't know.
    ("old-1", "relay"): Unseen(_TURNED_AWAY),
}
