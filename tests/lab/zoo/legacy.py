"""tlslite-ng: SSL 3.0, old ciphers, and what is missing from servers that nobody has looked after."""

from secscan.facts.suites import SuiteClass
from tests.lab.servers import LegacyServer
from tests.lab.servers.legacy import SSL3 as WIRE_SSL3
from tests.lab.servers.legacy import TLS1_0, TLS1_1, TLS1_2
from tests.lab.zoo.exhibit import SSL3, TLS10, TLS11, TLS12, Exhibit, SpeaksTls, suites

_MAKER = "tlslite-ng"
_RSA_1024 = frozenset({("RSA", 1024)})

EXHIBITS = (
    Exhibit(
        "SSL 3.0 with RC4 alone",
        _MAKER,
        lambda keys: LegacyServer(keys.rsa_1024, ciphers=("rc4",)),
        SpeaksTls(
            offers={SSL3: suites("RSA_WITH_RC4_128_SHA RSA_WITH_RC4_128_MD5")},
            weak=frozenset({SuiteClass.RC4}),
            slots=_RSA_1024,
            groups=frozenset(),
        ),
    ),
    Exhibit(
        "SSL 3.0 with 3DES alone",
        _MAKER,
        lambda keys: LegacyServer(keys.rsa_1024, ciphers=("3des",)),
        SpeaksTls(
            offers={SSL3: suites("RSA_WITH_3DES_EDE_CBC_SHA")},
            weak=frozenset({SuiteClass.BLOCK64}),
            slots=_RSA_1024,
        ),
    ),
    Exhibit(
        "SSL 3.0 to TLS 1.2 with all that is old",
        _MAKER,
        lambda keys: LegacyServer(
            keys.rsa_1024,
            minimum=WIRE_SSL3,
            maximum=TLS1_2,
            ciphers=("aes128", "3des", "rc4"),
            macs=("sha",),
            extensions=(),
        ),
        SpeaksTls(
            offers=dict.fromkeys(
                (SSL3, TLS10, TLS11, TLS12),
                suites("RSA_WITH_AES_128_CBC_SHA RSA_WITH_3DES_EDE_CBC_SHA RSA_WITH_RC4_128_SHA"),
            ),
            weak=frozenset({SuiteClass.RC4, SuiteClass.BLOCK64}),
            slots=_RSA_1024,
            rest={
                "extended_master_secret": False,
                "encrypt_then_mac": False,
                "secure_renegotiation": True,
                "fallback_scsv": True,
                "compression": False,
                "heartbleed": False,
                "client_certificate": "not-asked",
            },
        ),
    ),
    Exhibit(
        "TLS 1.0 with Diffie-Hellman of 768 bits",
        _MAKER,
        lambda keys: LegacyServer(
            keys.rsa_1024,
            minimum=TLS1_0,
            maximum=TLS1_0,
            ciphers=("aes128",),
            macs=("sha",),
            key_exchanges=("dhe_rsa",),
            dh_bits=768,
        ),
        SpeaksTls(offers={TLS10: suites("DHE_RSA_WITH_AES_128_CBC_SHA")}, dh_bits=768, slots=_RSA_1024),
    ),
    Exhibit(
        "anonymous Diffie-Hellman of 1024 bits alone",
        _MAKER,
        lambda _: LegacyServer(
            None,
            minimum=TLS1_1,
            maximum=TLS1_1,
            ciphers=("aes256",),
            macs=("sha",),
            key_exchanges=("dh_anon",),
            dh_bits=1024,
        ),
        SpeaksTls(
            offers={TLS11: suites("DH_anon_WITH_AES_256_CBC_SHA")},
            weak=frozenset({SuiteClass.ANONYMOUS}),
            dh_bits=1024,
            slots=None,
        ),
    ),
    Exhibit(
        "no encryption beside AES, without an extended master secret",
        _MAKER,
        lambda keys: LegacyServer(
            keys.rsa_1024,
            minimum=TLS1_2,
            maximum=TLS1_2,
            ciphers=("aes128", "null"),
            macs=("sha",),
            extensions=("encrypt_then_mac",),
        ),
        SpeaksTls(
            offers={TLS12: suites("RSA_WITH_AES_128_CBC_SHA RSA_WITH_NULL_SHA")},
            weak=frozenset({SuiteClass.NULL}),
            slots=_RSA_1024,
            rest={"extended_master_secret": False, "encrypt_then_mac": True},
        ),
    ),
    Exhibit(
        "ECDHE over secp384r1 alone",
        _MAKER,
        lambda keys: LegacyServer(
            keys.rsa_1024,
            minimum=TLS1_2,
            maximum=TLS1_2,
            ciphers=("aes128gcm",),
            macs=("aead",),
            key_exchanges=("ecdhe_rsa",),
            curves=("secp384r1",),
        ),
        SpeaksTls(
            offers={TLS12: suites("ECDHE_RSA_WITH_AES_128_GCM_SHA256")},
            groups=frozenset({"secp384r1"}),
            slots=_RSA_1024,
        ),
    ),
)
