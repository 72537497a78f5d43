"""GnuTLS 3.7, by its priority strings: ``NONE`` and then, one by one, all there is."""

from secscan.facts.suites import SuiteClass
from tests.lab.servers.gnutls import GnuTlsServer
from tests.lab.zoo.exhibit import (
    EC_256,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    Exhibit,
    SpeaksTls,
    suites,
)

_MAKER = "GnuTLS 3.7"
_SIGNS = (
    "+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:+COMP-NULL"
)
_OLD = "+VERS-TLS1.0:+VERS-TLS1.1:+VERS-TLS1.2"
_WEAK = "%VERIFY_ALLOW_SIGN_WITH_SHA1"

EXHIBITS = (
    Exhibit(
        "as it comes",
        _MAKER,
        lambda keys: GnuTlsServer((keys.rsa,), "NORMAL", tickets=True),
        # NORMAL holds TLS 1.0 to 1.3 and nothing below 112 bits.
        SpeaksTls(
            offers={
                TLS10: None,
                TLS11: None,
                TLS12: None,
                TLS13: suites(
                    "AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 AES_128_GCM_SHA256 AES_128_CCM_SHA256"
                ),
            },
            dh_bits=None,
            rest={
                "compression": False,
                "extended_master_secret": True,
                "encrypt_then_mac": True,
                "heartbleed": False,
                "ccs_injection": False,
                "secure_renegotiation": True,
                "tickets": True,
                "post_quantum": (),
            },
        ),
    ),
    Exhibit(
        "TLS 1.3 with one suite and one group",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.ecdsa,), f"NONE:+VERS-TLS1.3:+CHACHA20-POLY1305:+AEAD:+GROUP-X25519:{_SIGNS}"
        ),
        SpeaksTls(
            offers={TLS13: suites("CHACHA20_POLY1305_SHA256")}, groups=frozenset({"x25519"}), slots=EC_256
        ),
    ),
    Exhibit(
        "TLS 1.3 over ffdhe2048 alone",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.rsa,), f"NONE:+VERS-TLS1.3:+AES-128-GCM:+AEAD:+GROUP-FFDHE2048:{_SIGNS}"
        ),
        SpeaksTls(
            offers={TLS13: suites("AES_128_GCM_SHA256")}, dh_bits=None, groups=frozenset({"ffdhe2048"})
        ),
    ),
    Exhibit(
        "TLS 1.2 with one suite, over secp521r1",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.rsa,), f"NONE:+VERS-TLS1.2:+ECDHE-RSA:+AES-256-GCM:+AEAD:+GROUP-SECP521R1:{_SIGNS}"
        ),
        SpeaksTls(
            offers={TLS12: suites("ECDHE_RSA_WITH_AES_256_GCM_SHA384")}, groups=frozenset({"secp521r1"})
        ),
    ),
    Exhibit(
        "3DES alone, TLS 1.0 to 1.2",
        _MAKER,
        lambda keys: GnuTlsServer((keys.rsa,), f"NONE:{_OLD}:+RSA:+3DES-CBC:+SHA1:{_SIGNS}:{_WEAK}"),
        SpeaksTls(
            offers=dict.fromkeys((TLS10, TLS11, TLS12), suites("RSA_WITH_3DES_EDE_CBC_SHA")),
            weak=frozenset({SuiteClass.BLOCK64}),
            groups=frozenset(),
        ),
    ),
    Exhibit(
        "RC4 alone, with and without forward secrecy",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.rsa,),
            f"NONE:{_OLD}:+ECDHE-RSA:+RSA:+ARCFOUR-128:+SHA1:+MD5:+GROUP-SECP256R1:{_SIGNS}:{_WEAK}",
        ),
        SpeaksTls(
            offers=dict.fromkeys(
                (TLS10, TLS11, TLS12),
                suites("ECDHE_RSA_WITH_RC4_128_SHA RSA_WITH_RC4_128_SHA RSA_WITH_RC4_128_MD5"),
            ),
            weak=frozenset({SuiteClass.RC4}),
            groups=frozenset({"secp256r1"}),
        ),
    ),
    Exhibit(
        "no encryption alone",
        _MAKER,
        lambda keys: GnuTlsServer((keys.rsa,), f"NONE:+VERS-TLS1.2:+RSA:+NULL:+SHA1:+SHA256:{_SIGNS}"),
        SpeaksTls(
            offers={TLS12: suites("RSA_WITH_NULL_SHA RSA_WITH_NULL_SHA256")},
            weak=frozenset({SuiteClass.NULL}),
        ),
    ),
    Exhibit(
        "anonymous alone",
        _MAKER,
        lambda _: GnuTlsServer(
            (), f"NONE:+VERS-TLS1.2:+ANON-ECDH:+AES-128-CBC:+SHA1:+GROUP-SECP256R1:{_SIGNS}"
        ),
        SpeaksTls(
            offers={TLS12: suites("ECDH_anon_WITH_AES_128_CBC_SHA")},
            weak=frozenset({SuiteClass.ANONYMOUS}),
            slots=None,
        ),
    ),
    Exhibit(
        "anonymous without encryption beside AES",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.rsa,),
            "NONE:+VERS-TLS1.1:+ECDHE-RSA:+ANON-ECDH:+AES-128-CBC:+NULL:+SHA1:+GROUP-SECP256R1:" + _SIGNS,
        ),
        SpeaksTls(
            offers={
                TLS11: suites(
                    "ECDHE_RSA_WITH_AES_128_CBC_SHA ECDHE_RSA_WITH_NULL_SHA"
                    " ECDH_anon_WITH_AES_128_CBC_SHA ECDH_anon_WITH_NULL_SHA"
                )
            },
            weak=frozenset({SuiteClass.NULL, SuiteClass.ANONYMOUS}),
        ),
    ),
    Exhibit(
        "Camellia in GCM, for two certificates",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.rsa, keys.ecdsa),
            f"NONE:+VERS-TLS1.2:+ECDHE-RSA:+ECDHE-ECDSA:+CAMELLIA-128-GCM:+AEAD:+GROUP-SECP256R1:{_SIGNS}",
        ),
        SpeaksTls(
            offers={
                TLS12: suites(
                    "ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256 ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256"
                )
            },
            slots=frozenset({("RSA", 2048), ("ECDSA", 256)}),
        ),
    ),
    Exhibit(
        "finite-field Diffie-Hellman, TLS 1.0",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.rsa,), f"NONE:+VERS-TLS1.0:+DHE-RSA:+AES-256-CBC:+SHA1:+GROUP-FFDHE2048:{_SIGNS}"
        ),
        SpeaksTls(offers={TLS10: suites("DHE_RSA_WITH_AES_256_CBC_SHA")}, dh_bits=2048),
    ),
    Exhibit(
        "a certificate of the client's is asked for, no protective extension",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.rsa,),
            "NONE:+VERS-TLS1.2:+RSA:+AES-128-CBC:+SHA1:%DISABLE_SAFE_RENEGOTIATION:%NO_SESSION_HASH:%NO_ETM:"
            + _SIGNS,
            client_certificate="asked",
        ),
        SpeaksTls(
            offers={TLS12: suites("RSA_WITH_AES_128_CBC_SHA")},
            groups=frozenset(),
            rest={
                "client_certificate": "asked",
                "secure_renegotiation": False,
                "extended_master_secret": False,
                "encrypt_then_mac": False,
                "tickets": False,
            },
        ),
    ),
    Exhibit(
        "certificates on both sides required",
        _MAKER,
        lambda keys: GnuTlsServer(
            (keys.rsa,),
            f"NONE:+VERS-TLS1.2:+ECDHE-RSA:+AES-128-GCM:+AEAD:+GROUP-X25519:{_SIGNS}",
            client_certificate="required",
        ),
        # Which of the two it is shows only when none is sent.
        SpeaksTls(offers={TLS12: suites("ECDHE_RSA_WITH_AES_128_GCM_SHA256")}, groups=frozenset({"x25519"})),
    ),
)
