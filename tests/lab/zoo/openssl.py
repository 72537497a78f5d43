"""OpenSSL 3.0, by its own test server and by Python's ssl."""

from secscan.facts.suites import SuiteClass
from tests.lab.servers import V1_0, V1_2, V1_3, OpenSslServer, TlsServer
from tests.lab.zoo.exhibit import (
    EC_256,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    USUAL_13,
    Exhibit,
    Keys,
    SpeaksTls,
    suites,
)

_MAKER = "OpenSSL 3.0"
_WEAK = "@SECLEVEL=0"
_GCM = suites("ECDHE_RSA_WITH_AES_128_GCM_SHA256")
_CBC = suites("ECDHE_RSA_WITH_AES_128_CBC_SHA")


def _s_server(options: str, *, key: str = "rsa", staple: str = "", second: str = "") -> "_Make":
    return _Make(tuple(options.split()), key, staple, second)


class _Make:
    """Of identities by the names that Keys has for them, what starts ``openssl s_server`` with these options."""

    def __init__(self, options: tuple[str, ...], key: str, staple: str, second: str) -> None:
        self._options, self._key, self._staple, self._second = options, key, staple, second

    def __call__(self, keys: Keys) -> OpenSslServer:
        identity = getattr(keys, self._key) if self._key else None
        authority = keys.authority
        staple = {
            "": lambda _: b"",
            "GOOD": authority.good_staple,
            "REVOKED": authority.revoked_staple,
        }[self._staple](identity)
        second = getattr(keys, self._second) if self._second else None
        return OpenSslServer(identity, self._options, staple, second)


EXHIBITS = (
    Exhibit(
        "as it comes",
        _MAKER,
        _s_server(""),
        SpeaksTls(
            offers={TLS12: None, TLS13: USUAL_13},
            dh_bits=2048,
            rest={
                "compression": False,
                "secure_renegotiation": True,
                "extended_master_secret": True,
                "encrypt_then_mac": True,
                "fallback_scsv": True,
                "heartbleed": False,
                "ccs_injection": False,
                "heartbeat": False,
                "tickets": True,
                "post_quantum": (),
                "alpn": (),
                "client_certificate": "not-asked",
                "downgrade_mark": True,
                "early_data": False,
            },
        ),
    ),
    Exhibit(
        "TLS 1.3 alone",
        _MAKER,
        _s_server("-tls1_3", key="ecdsa"),
        SpeaksTls(offers={TLS13: USUAL_13}, dh_bits=None, slots=EC_256, rest={"post_quantum": ()}),
    ),
    Exhibit(
        "TLS 1.3, one suite, one group",
        _MAKER,
        _s_server("-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -groups P-256", key="ecdsa"),
        SpeaksTls(
            offers={TLS13: suites("AES_128_GCM_SHA256")}, groups=frozenset({"secp256r1"}), slots=EC_256
        ),
    ),
    Exhibit(
        "TLS 1.3 with CCM alone",
        _MAKER,
        _s_server("-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256 -groups X25519"),
        SpeaksTls(
            offers={TLS13: suites("AES_128_CCM_SHA256 AES_128_CCM_8_SHA256")}, groups=frozenset({"x25519"})
        ),
    ),
    Exhibit(
        "TLS 1.3 over X448 alone",
        _MAKER,
        _s_server("-tls1_3 -groups X448"),
        SpeaksTls(offers={TLS13: USUAL_13}, groups=frozenset({"x448"})),
    ),
    Exhibit(
        "TLS 1.3 over ffdhe3072 alone",
        _MAKER,
        _s_server("-tls1_3 -groups ffdhe3072"),
        SpeaksTls(offers={TLS13: USUAL_13}, dh_bits=None, groups=frozenset({"ffdhe3072"})),
    ),
    Exhibit(
        "TLS 1.2 with one suite for ECDSA",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -groups P-256", key="ecdsa"),
        SpeaksTls(
            offers={TLS12: suites("ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")},
            groups=frozenset({"secp256r1"}),
            slots=EC_256,
        ),
    ),
    Exhibit(
        "TLS 1.2 with CBC alone",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA:AES128-SHA256"),
        SpeaksTls(
            offers={
                TLS12: suites(
                    "ECDHE_RSA_WITH_AES_256_CBC_SHA384 ECDHE_RSA_WITH_AES_128_CBC_SHA"
                    " RSA_WITH_AES_128_CBC_SHA256"
                )
            },
            rest={"encrypt_then_mac": True},
        ),
    ),
    Exhibit(
        "TLS 1.2 without encrypt-then-MAC",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-SHA -no_etm"),
        SpeaksTls(offers={TLS12: _CBC}, rest={"encrypt_then_mac": False}),
    ),
    Exhibit(
        "TLS 1.2 with RSA key transport alone",
        _MAKER,
        _s_server("-tls1_2 -cipher AES128-GCM-SHA256:AES256-SHA"),
        SpeaksTls(
            offers={TLS12: suites("RSA_WITH_AES_128_GCM_SHA256 RSA_WITH_AES_256_CBC_SHA")}, groups=frozenset()
        ),
    ),
    Exhibit(
        "TLS 1.2 with finite-field Diffie-Hellman alone",
        _MAKER,
        _s_server("-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256"),
        SpeaksTls(
            offers={TLS12: suites("DHE_RSA_WITH_AES_128_GCM_SHA256 DHE_RSA_WITH_AES_256_CBC_SHA256")},
            dh_bits=2048,
        ),
    ),
    Exhibit(
        "TLS 1.2 with Camellia and ARIA",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-CAMELLIA128-SHA256:ARIA256-GCM-SHA384"),
        SpeaksTls(
            offers={
                TLS12: suites("ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256 RSA_WITH_ARIA_256_GCM_SHA384"),
            }
        ),
    ),
    Exhibit(
        "TLS 1.2 with CCM of 8 bytes",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-ECDSA-AES256-CCM8:ECDHE-ECDSA-AES128-CCM", key="ecdsa"),
        SpeaksTls(
            offers={TLS12: suites("ECDHE_ECDSA_WITH_AES_256_CCM_8 ECDHE_ECDSA_WITH_AES_128_CCM")},
            slots=EC_256,
        ),
    ),
    Exhibit(
        "TLS 1.1 alone",
        _MAKER,
        _s_server(f"-tls1_1 -cipher ECDHE-RSA-AES128-SHA:{_WEAK}"),
        SpeaksTls(offers={TLS11: _CBC}),
    ),
    Exhibit(
        "TLS 1.0 alone",
        _MAKER,
        _s_server(f"-tls1 -cipher AES128-SHA:AES256-SHA:{_WEAK}"),
        SpeaksTls(
            offers={TLS10: suites("RSA_WITH_AES_128_CBC_SHA RSA_WITH_AES_256_CBC_SHA")}, groups=frozenset()
        ),
    ),
    Exhibit(
        "TLS 1.0 and 1.2, and nothing between",
        _MAKER,
        _s_server(
            f"-min_protocol TLSv1 -max_protocol TLSv1.2 -no_tls1_1 -cipher ECDHE-RSA-AES128-SHA:{_WEAK}"
        ),
        SpeaksTls(offers={TLS10: _CBC, TLS12: _CBC}),
    ),
    Exhibit(
        "TLS 1.0 to 1.3, with the server's order",
        _MAKER,
        _s_server(
            "-min_protocol TLSv1 -serverpref"
            f" -cipher ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA:AES256-SHA:{_WEAK}"
        ),
        SpeaksTls(
            offers={
                TLS10: suites("ECDHE_RSA_WITH_AES_128_CBC_SHA RSA_WITH_AES_256_CBC_SHA"),
                TLS11: suites("ECDHE_RSA_WITH_AES_128_CBC_SHA RSA_WITH_AES_256_CBC_SHA"),
                TLS12: suites(
                    "ECDHE_RSA_WITH_AES_128_GCM_SHA256 ECDHE_RSA_WITH_AES_128_CBC_SHA RSA_WITH_AES_256_CBC_SHA"
                ),
                TLS13: USUAL_13,
            },
            dh_bits=None,
            rest={"preference": "server"},
        ),
    ),
    Exhibit(
        "TLS 1.2 with the client's order",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA"),
        SpeaksTls(
            offers={TLS12: suites("ECDHE_RSA_WITH_AES_128_GCM_SHA256 RSA_WITH_AES_256_CBC_SHA")},
            rest={"preference": "client"},
        ),
    ),
    Exhibit(
        "no encryption alone",
        _MAKER,
        _s_server(f"-tls1_2 -cipher NULL-SHA256:NULL-SHA:NULL-MD5:{_WEAK}"),
        SpeaksTls(
            offers={TLS12: suites("RSA_WITH_NULL_SHA256 RSA_WITH_NULL_SHA RSA_WITH_NULL_MD5")},
            weak=frozenset({SuiteClass.NULL}),
        ),
    ),
    Exhibit(
        "no encryption with forward secrecy, TLS 1.0 to 1.2",
        _MAKER,
        _s_server(
            f"-min_protocol TLSv1 -max_protocol TLSv1.2 -cipher ECDHE-ECDSA-NULL-SHA:{_WEAK}", key="ecdsa"
        ),
        SpeaksTls(
            offers=dict.fromkeys((TLS10, TLS11, TLS12), suites("ECDHE_ECDSA_WITH_NULL_SHA")),
            weak=frozenset({SuiteClass.NULL}),
            slots=EC_256,
        ),
    ),
    Exhibit(
        "anonymous alone",
        _MAKER,
        _s_server(f"-tls1_2 -cipher ADH-AES128-SHA:AECDH-AES128-SHA:{_WEAK}", key=""),
        SpeaksTls(
            offers={TLS12: suites("DH_anon_WITH_AES_128_CBC_SHA ECDH_anon_WITH_AES_128_CBC_SHA")},
            weak=frozenset({SuiteClass.ANONYMOUS}),
            dh_bits=None,
            slots=None,
        ),
    ),
    Exhibit(
        "anonymous beside a certificate",
        _MAKER,
        _s_server(f"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:AECDH-AES128-SHA:{_WEAK}"),
        SpeaksTls(
            offers={TLS12: _GCM | suites("ECDH_anon_WITH_AES_128_CBC_SHA")},
            weak=frozenset({SuiteClass.ANONYMOUS}),
        ),
    ),
    Exhibit(
        "a shared key alone",
        _MAKER,
        _s_server("-tls1_2 -psk 01020304 -cipher PSK-AES128-CBC-SHA:PSK-AES256-GCM-SHA384", key=""),
        SpeaksTls(
            offers={TLS12: suites("PSK_WITH_AES_128_CBC_SHA PSK_WITH_AES_256_GCM_SHA384")},
            slots=None,
            groups=frozenset(),
        ),
    ),
    Exhibit(
        "two certificates, RSA and ECDSA",
        _MAKER,
        _s_server(
            "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256", second="ecdsa_384"
        ),
        SpeaksTls(
            offers={TLS12: _GCM | suites("ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")},
            slots=frozenset({("RSA", 2048), ("ECDSA", 384)}),
        ),
    ),
    Exhibit(
        "two certificates in TLS 1.3 alone",
        _MAKER,
        _s_server("-tls1_3", second="ecdsa"),
        SpeaksTls(offers={TLS13: USUAL_13}, dh_bits=None, slots=frozenset({("RSA", 2048), ("ECDSA", 256)})),
    ),
    Exhibit(
        "Ed25519 in TLS 1.3",
        _MAKER,
        _s_server("-tls1_3", key="ed25519"),
        SpeaksTls(offers={TLS13: USUAL_13}, dh_bits=None, slots=frozenset({("Ed25519", 256)})),
    ),
    Exhibit(
        "an RSA key of 1024 bits",
        _MAKER,
        _s_server(f"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:{_WEAK}", key="rsa_1024"),
        SpeaksTls(offers={TLS12: _GCM}, slots=frozenset({("RSA", 1024)})),
    ),
    Exhibit(
        "one certificate sent",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", key="alone"),
        SpeaksTls(offers={TLS12: _GCM}, sent=1),
    ),
    Exhibit(
        "a stapled answer: good",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", staple="GOOD"),
        SpeaksTls(offers={TLS12: _GCM}, staple="GOOD"),
    ),
    Exhibit(
        "a stapled answer: revoked",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", staple="REVOKED"),
        SpeaksTls(offers={TLS12: _GCM}, staple="REVOKED"),
    ),
    Exhibit(
        "a stapled answer in TLS 1.3: revoked",
        _MAKER,
        _s_server("-tls1_3", staple="REVOKED"),
        SpeaksTls(offers={TLS13: USUAL_13}, dh_bits=None, staple="REVOKED"),
    ),
    Exhibit(
        "signs with SHA-1 alone",
        _MAKER,
        _s_server(f"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:{_WEAK} -sigalgs RSA+SHA1"),
        SpeaksTls(
            offers={TLS12: _GCM},
            rest={"weak_signatures": ("rsa_pkcs1_sha1",), "signatures": ("rsa_pkcs1_sha1",)},
        ),
    ),
    Exhibit(
        "signs with PSS alone",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -sigalgs RSA-PSS+SHA256"),
        SpeaksTls(
            offers={TLS12: _GCM},
            rest={"weak_signatures": (), "signatures": ("rsa_pss_rsae_sha256",)},
        ),
    ),
    Exhibit(
        "no tickets, and HTTP/2",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -no_ticket -alpn h2"),
        SpeaksTls(offers={TLS12: _GCM}, rest={"tickets": False, "alpn": ("h2",)}),
    ),
    Exhibit(
        "one small curve",
        _MAKER,
        _s_server(f"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:{_WEAK} -groups P-192"),
        SpeaksTls(offers={TLS12: _GCM}, groups=frozenset({"secp192r1"})),
    ),
    Exhibit(
        "one curve of Brainpool",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -groups brainpoolP384r1"),
        SpeaksTls(offers={TLS12: _GCM}, groups=frozenset({"brainpoolP384r1"})),
    ),
    Exhibit(
        "a certificate of the client's is asked for",
        _MAKER,
        _s_server("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -verify 1"),
        SpeaksTls(offers={TLS12: _GCM}, rest={"client_certificate": "asked"}),
    ),
    Exhibit(
        "three certificates, RSA, ECDSA and Ed25519",
        f"{_MAKER} (Python)",
        lambda keys: TlsServer((keys.rsa, keys.ecdsa, keys.ed25519), minimum=V1_2, maximum=V1_3),
        SpeaksTls(
            offers={TLS12: None, TLS13: USUAL_13},
            dh_bits=None,
            slots=frozenset({("RSA", 2048), ("ECDSA", 256), ("Ed25519", 256)}),
        ),
    ),
    Exhibit(
        "Diffie-Hellman of 1024 bits",
        f"{_MAKER} (Python)",
        lambda keys: TlsServer(
            (keys.rsa,),
            minimum=V1_0,
            maximum=V1_2,
            ciphers="DHE-RSA-AES128-SHA:DHE-RSA-AES256-GCM-SHA384",
            weak=True,
            dh_bits=1024,
        ),
        SpeaksTls(
            offers={
                TLS10: suites("DHE_RSA_WITH_AES_128_CBC_SHA"),
                TLS11: suites("DHE_RSA_WITH_AES_128_CBC_SHA"),
                TLS12: suites("DHE_RSA_WITH_AES_128_CBC_SHA DHE_RSA_WITH_AES_256_GCM_SHA384"),
            },
            dh_bits=1024,
            groups=frozenset(),
        ),
    ),
    Exhibit(
        "a certificate of the client's is required, TLS 1.3",
        f"{_MAKER} (Python)",
        lambda keys: TlsServer(
            (keys.ecdsa,),
            minimum=V1_3,
            client_certificate="required",
            client_authorities=(keys.authority.root,),
        ),
        SpeaksTls(
            offers={TLS13: USUAL_13}, dh_bits=None, slots=EC_256, rest={"client_certificate": "required"}
        ),
    ),
)
