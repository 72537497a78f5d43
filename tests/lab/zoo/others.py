"""nginx, Java, and those that only misbehave."""

from secscan.facts.suites import SuiteClass
from secscan.model import Reason
from tests.lab.servers import (
    SSH_GREETING,
    BannerServer,
    ClosingServer,
    NginxServer,
    OpenSslServer,
    PlainHttpServer,
    ResettingServer,
    SilentServer,
)
from tests.lab.servers.java import JavaServer
from tests.lab.servers.picky import PickyServer
from tests.lab.zoo.exhibit import (
    EC_256,
    NAME,
    SSL3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    USUAL_13,
    Exhibit,
    SpeaksNoTls,
    SpeaksTls,
    Undecided,
    suites,
)

_NGINX = "nginx, OpenSSL 3.0"
_JAVA = "Java 17"
_OURS = "ours"

_ONE = ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
_OLD = suites("ECDHE_RSA_WITH_AES_256_CBC_SHA RSA_WITH_AES_256_CBC_SHA RSA_WITH_NULL_SHA")
_BOTH = ("-cipher", "ECDHE-RSA-AES128-GCM-SHA256")


EXHIBITS = (
    Exhibit(
        "modern",
        _NGINX,
        lambda keys: NginxServer(((NAME, keys.ecdsa),)),
        SpeaksTls(
            offers={
                TLS12: suites(
                    "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
                    " ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
                ),
                TLS13: USUAL_13,
            },
            dh_bits=None,
            slots=EC_256,
            rest={"post_quantum": (), "compression": False, "early_data": False, "fallback_scsv": True},
        ),
    ),
    Exhibit(
        "TLS 1.3 alone",
        _NGINX,
        lambda keys: NginxServer(((NAME, keys.rsa),), protocols="TLSv1.3"),
        SpeaksTls(offers={TLS13: USUAL_13}, dh_bits=None),
    ),
    Exhibit(
        "neglected",
        _NGINX,
        lambda keys: NginxServer(
            ((NAME, keys.rsa),),
            protocols="TLSv1 TLSv1.1 TLSv1.2",
            ciphers="ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA:AES256-SHA:NULL-SHA:@SECLEVEL=0",
        ),
        SpeaksTls(
            offers={TLS10: _OLD, TLS11: _OLD, TLS12: _OLD | suites("ECDHE_RSA_WITH_AES_128_GCM_SHA256")},
            weak=frozenset({SuiteClass.NULL}),
            rest={"client_certificate": "not-asked"},
        ),
    ),
    Exhibit(
        "early data",
        _NGINX,
        lambda keys: NginxServer(((NAME, keys.rsa),), early_data=True),
        SpeaksTls(
            offers={
                TLS12: suites(
                    "ECDHE_RSA_WITH_AES_128_GCM_SHA256 ECDHE_RSA_WITH_AES_256_GCM_SHA384"
                    " ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
                ),
                TLS13: USUAL_13,
            },
            dh_bits=None,
            rest={"early_data": True},
        ),
    ),
    Exhibit(
        "as it comes",
        _JAVA,
        lambda keys: JavaServer(keys.rsa),
        SpeaksTls(
            offers={TLS12: None, TLS13: USUAL_13},
            dh_bits=2048,
            rest={"post_quantum": (), "compression": False, "extended_master_secret": True},
        ),
    ),
    Exhibit(
        "with nothing disabled",
        _JAVA,
        lambda keys: JavaServer(
            keys.rsa_512,
            protocols=("SSLv3", "TLSv1", "TLSv1.1"),
            suites=(
                "SSL_RSA_WITH_3DES_EDE_CBC_SHA",
                "SSL_RSA_WITH_RC4_128_MD5",
                "SSL_RSA_WITH_NULL_SHA",
            ),
            weak=True,
        ),
        SpeaksTls(
            offers=dict.fromkeys(
                (SSL3, TLS10, TLS11),
                suites("RSA_WITH_3DES_EDE_CBC_SHA RSA_WITH_RC4_128_MD5 RSA_WITH_NULL_SHA"),
            ),
            weak=frozenset({SuiteClass.NULL, SuiteClass.RC4, SuiteClass.BLOCK64}),
            slots=frozenset({("RSA", 512)}),
        ),
    ),
    Exhibit(
        "resets on TLS 1.3, before OpenSSL",
        _OURS,
        lambda keys: PickyServer(OpenSslServer(keys.rsa, _ONE), refuses="tls1.3"),
        SpeaksTls(offers={TLS12: suites("ECDHE_RSA_WITH_AES_128_GCM_SHA256")}),
    ),
    Exhibit(
        "resets on more than 255 bytes, before OpenSSL",
        _OURS,
        lambda keys: PickyServer(OpenSslServer(keys.rsa, _ONE), refuses="size"),
        SpeaksTls(offers={TLS12: suites("ECDHE_RSA_WITH_AES_128_GCM_SHA256")}),
    ),
    Exhibit(
        "resets on any extension, before OpenSSL",
        _OURS,
        lambda keys: PickyServer(
            OpenSslServer(keys.rsa, ("-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0")), refuses="extensions"
        ),
        SpeaksTls(offers={TLS10: suites("RSA_WITH_AES_128_CBC_SHA")}),
    ),
    Exhibit(
        "answers byte by byte, before OpenSSL",
        _OURS,
        lambda keys: PickyServer(OpenSslServer(keys.rsa, _BOTH), dribbles=True),
        SpeaksTls(offers={TLS12: suites("ECDHE_RSA_WITH_AES_128_GCM_SHA256"), TLS13: USUAL_13}, dh_bits=None),
    ),
    Exhibit(
        "accepts, and stays silent",
        _OURS,
        lambda _: SilentServer(),
        Undecided(frozenset({Reason.TIMED_OUT, Reason.TARPIT})),
        holds_up=True,
    ),
    Exhibit("plain HTTP", _OURS, lambda _: PlainHttpServer(), SpeaksNoTls(), holds_up=True),
    Exhibit("SSH", _OURS, lambda _: BannerServer(SSH_GREETING), SpeaksNoTls(), holds_up=True),
    Exhibit(
        "resets every connection",
        _OURS,
        lambda _: ResettingServer(),
        Undecided(frozenset({Reason.REFUSED, Reason.UNREACHABLE})),
    ),
    Exhibit(
        "closes every connection",
        _OURS,
        lambda _: ClosingServer(),
        Undecided(frozenset({Reason.REFUSED, Reason.UNREACHABLE})),
    ),
)
