"""Node: OpenSSL of 2013 to 2015, for what nothing newer serves, and OpenSSL 3.5, for what nothing older does."""

from secscan.facts.suites import SuiteClass
from tests.lab.servers.node import NodeServer
from tests.lab.zoo.exhibit import (
    EC_256,
    SSL2,
    SSL3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    USUAL_13,
    Exhibit,
    SpeaksTls,
    kinds,
    suites,
)

_100 = "OpenSSL 1.0.0m (Node 0.8)"
_101E = "OpenSSL 1.0.1e (Node 0.10)"
_101G = "OpenSSL 1.0.1g (Node 0.10)"
_101M = "OpenSSL 1.0.1m (Node 0.12)"
_35 = "OpenSSL 3.5 (Node 24)"

_RSA_512 = frozenset({("RSA", 512)})
_RSA_1024 = frozenset({("RSA", 1024)})
_HYBRIDS = ("SecP256r1MLKEM768", "SecP384r1MLKEM1024", "X25519MLKEM768")

#: A safe prime of 512 bits that openssl-dhparam(1) made for these tests, with the generator 2.
DH_512 = b"""-----BEGIN DH PARAMETERS-----
MEYCQQDJmFrbRlRxxd9UGR38kFzJHGKKcZ8hCYzmAkrr+Su73SX0St7pi4inyIGa
v/UXD015kYp46UHWKswJd2VFp0N3AgEC
-----END DH PARAMETERS-----
"""


#: SSL_OP_NO_SSLv2 of OpenSSL 1.0.
_NO_SSL2 = 0x01000000


def _old(release: str, method: str, ciphers: str, key: str = "rsa_1024", dh: bytes = b"") -> "_Old":
    return _Old(release, method, ciphers, key, dh)


class _Old:
    def __init__(self, release: str, method: str, ciphers: str, key: str, dh: bytes) -> None:
        self._release, self._key, self._dh = release, key, dh
        self._options: dict[str, object] = {"secureProtocol": method, "ciphers": ciphers}
        if release.startswith("0.10."):
            # These let a client have ciphers of SSL 2.0 that are turned off (CVE-2015-3197): off with all of it.
            self._options["secureOptions"] = _NO_SSL2

    def __call__(self, keys: object) -> NodeServer:
        return NodeServer(self._release, getattr(keys, self._key), self._options, self._dh)


EXHIBITS = (
    Exhibit(
        "SSL 2.0 alone",
        _100,
        _old("0.8.28", "SSLv2_method", "DES-CBC3-MD5:RC4-MD5", key="rsa_1024_alone"),
        SpeaksTls(
            offers={SSL2: kinds("DES_192_EDE3_CBC_WITH_MD5 RC4_128_WITH_MD5")},
            weak=frozenset({SuiteClass.BLOCK64, SuiteClass.RC4}),
            slots=_RSA_1024,
            sent=1,
        ),
    ),
    Exhibit(
        "SSL 2.0 for export alone",
        _100,
        _old("0.8.28", "SSLv2_method", "EXP-RC4-MD5:EXP-RC2-CBC-MD5", key="rsa_1024_alone"),
        SpeaksTls(
            offers={SSL2: kinds("RC4_128_EXPORT40_WITH_MD5 RC2_128_CBC_EXPORT40_WITH_MD5")},
            weak=frozenset({SuiteClass.EXPORT, SuiteClass.RC4}),
            slots=_RSA_1024,
            sent=1,
        ),
    ),
    Exhibit(
        "SSL 3.0 alone",
        _100,
        _old("0.8.28", "SSLv3_method", "AES128-SHA:DES-CBC3-SHA"),
        SpeaksTls(
            offers={SSL3: suites("RSA_WITH_AES_128_CBC_SHA RSA_WITH_3DES_EDE_CBC_SHA")},
            weak=frozenset({SuiteClass.BLOCK64}),
            slots=_RSA_1024,
            rest={"heartbleed": False, "ccs_injection": False},
        ),
    ),
    Exhibit(
        "SSL 2.0 to TLS 1.0 with RC4 alone",
        _100,
        _old("0.8.28", "SSLv23_method", "RC4-MD5"),
        SpeaksTls(
            offers={
                SSL2: kinds("RC4_128_WITH_MD5"),
                SSL3: suites("RSA_WITH_RC4_128_MD5"),
                TLS10: suites("RSA_WITH_RC4_128_MD5"),
            },
            weak=frozenset({SuiteClass.RC4}),
            slots=_RSA_1024,
            rest={"fallback_scsv": False},
        ),
    ),
    Exhibit(
        "suites for export alone",
        _101G,
        _old("0.10.28", "TLSv1_method", "EXP-RC4-MD5:EXP-DES-CBC-SHA", key="rsa_512"),
        SpeaksTls(
            offers={TLS10: suites("RSA_EXPORT_WITH_RC4_40_MD5 RSA_EXPORT_WITH_DES40_CBC_SHA")},
            weak=frozenset({SuiteClass.EXPORT, SuiteClass.RC4}),
            slots=_RSA_512,
        ),
    ),
    Exhibit(
        "single DES alone, and ChangeCipherSpec too early",
        _101G,
        _old("0.10.28", "SSLv23_method", "DES-CBC-SHA"),
        SpeaksTls(
            offers=dict.fromkeys((SSL3, TLS10, TLS11, TLS12), suites("RSA_WITH_DES_CBC_SHA")),
            weak=frozenset({SuiteClass.SHORT_KEY}),
            slots=_RSA_1024,
            rest={
                "ccs_injection": True,
                "heartbleed": False,
                "fallback_scsv": False,
                "downgrade_mark": False,
            },
        ),
    ),
    Exhibit(
        "Heartbleed",
        _101E,
        _old("0.10.1", "SSLv23_method", "AES128-SHA"),
        SpeaksTls(
            offers=dict.fromkeys((SSL3, TLS10, TLS11, TLS12), suites("RSA_WITH_AES_128_CBC_SHA")),
            slots=_RSA_1024,
            rest={"heartbleed": True, "ccs_injection": True, "extended_master_secret": False},
        ),
    ),
    Exhibit(
        "Diffie-Hellman of 512 bits alone",
        _101M,
        _old("0.12.2", "TLSv1_2_method", "DHE-RSA-AES128-SHA", dh=DH_512),
        SpeaksTls(
            offers={TLS12: suites("DHE_RSA_WITH_AES_128_CBC_SHA")},
            dh_bits=512,
            slots=_RSA_1024,
            rest={"ccs_injection": False, "heartbleed": False},
        ),
    ),
    Exhibit(
        "SEED, IDEA and Camellia, with anonymous suites",
        _101M,
        _old("0.12.2", "TLSv1_method", "SEED-SHA:IDEA-CBC-SHA:CAMELLIA256-SHA:AECDH-RC4-SHA"),
        SpeaksTls(
            offers={
                TLS10: suites(
                    "RSA_WITH_SEED_CBC_SHA RSA_WITH_IDEA_CBC_SHA RSA_WITH_CAMELLIA_256_CBC_SHA"
                    " ECDH_anon_WITH_RC4_128_SHA"
                )
            },
            weak=frozenset({SuiteClass.BLOCK64, SuiteClass.ANONYMOUS, SuiteClass.RC4}),
            groups=frozenset({"secp256r1"}),
            slots=_RSA_1024,
        ),
    ),
    Exhibit(
        "as it comes",
        _35,
        lambda keys: NodeServer("24.9.0", keys.rsa),
        SpeaksTls(
            offers={TLS12: None, TLS13: USUAL_13},
            dh_bits=None,
            rest={"compression": False, "secure_renegotiation": True, "extended_master_secret": True},
        ),
    ),
    Exhibit(
        "all three hybrids alone",
        _35,
        lambda keys: NodeServer(
            "24.9.0", keys.ecdsa, {"minVersion": "TLSv1.3", "ecdhCurve": ":".join(_HYBRIDS)}
        ),
        SpeaksTls(
            offers={TLS13: USUAL_13},
            groups=frozenset(_HYBRIDS),
            slots=EC_256,
            rest={"post_quantum": _HYBRIDS},
        ),
    ),
    Exhibit(
        "one hybrid beside X25519",
        _35,
        lambda keys: NodeServer("24.9.0", keys.rsa, {"ecdhCurve": "X25519MLKEM768:X25519"}),
        SpeaksTls(
            offers={TLS12: None, TLS13: USUAL_13},
            dh_bits=0,
            groups=frozenset({"X25519MLKEM768", "x25519"}),
            rest={"post_quantum": ("X25519MLKEM768",)},
        ),
    ),
    Exhibit(
        "the largest hybrid alone",
        _35,
        lambda keys: NodeServer(
            "24.9.0", keys.rsa, {"minVersion": "TLSv1.3", "ecdhCurve": "SecP384r1MLKEM1024"}
        ),
        SpeaksTls(
            offers={TLS13: USUAL_13},
            groups=frozenset({"SecP384r1MLKEM1024"}),
            rest={"post_quantum": ("SecP384r1MLKEM1024",)},
        ),
    ),
    Exhibit(
        "no hybrid, HTTP/2",
        _35,
        lambda keys: NodeServer(
            "24.9.0",
            keys.rsa,
            {
                "maxVersion": "TLSv1.2",
                "ciphers": "ECDHE-RSA-CHACHA20-POLY1305",
                "ecdhCurve": "P-384",
                "ALPNProtocols": ["h2"],
            },
        ),
        SpeaksTls(
            offers={TLS12: suites("ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")},
            groups=frozenset({"secp384r1"}),
            rest={"post_quantum": (), "alpn": ("h2",)},
        ),
    ),
)
