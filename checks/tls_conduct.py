"""How a TLS server treats its clients: whether it bears what they send, whose order it goes by, and what it signals.

Sources: RFC 8446, RFC 7366, RFC 9325 (BCP 195), and Mozilla's Server Side TLS guidelines 5.7.
"""

from collections.abc import Iterator

from secscan.check import Verdict, check, failed, not_applicable, passed
from secscan.checks._tls_offers import (
    BEFORE_1_3,
    RENEGOTIABLE,
    accepted_suites,
    listed,
    offered_versions,
    offers_any,
)
from secscan.facts import Gap, Oddity, SuiteClass, TlsFacts, TlsVersion, VersionOffer, known
from secscan.facts.suites import in_class
from secscan.model import Observation, Severity

#: What a server may not do, whatever it is offered. Limits on rates and lost connections are nobody's mistake.
_INTOLERANT = (Oddity.VERSION, Oddity.EXTENSIONS, Oddity.SIZE)


@check("tls.tolerance", severity=Severity.LOW)
def tolerance(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """The server bears what it does not know in a client's hello.

    Why: A server chooses what it knows and must ignore the rest: newer versions and extensions it never heard of
    (RFC 8446, section 4.1.2; RFC 5246, section 7.4.1.4 and appendix E.1). One that hangs up instead turns away current
    clients, or drives them to try again with less, which somebody in the middle can make them do as well. It is the
    mark of software that nobody has updated for years, or of a middlebox that meddles.

    Fix: Update the TLS library or the firmware; look for a firewall or load balancer in between that ends the
    connection. Where the product can't be mended, put a reverse proxy before it.
    """
    found = [oddity for oddity in known(seen.facts.oddities) if oddity in _INTOLERANT]
    if found:
        yield failed("It is {oddities}.", oddities=listed(oddity.value for oddity in found))
    else:
        yield passed("It bears hellos with newer versions, many extensions and over 255 bytes.")


@check("tls.downgrade-mark", severity=Severity.LOW)
def downgrade_mark(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """A server that knows TLS 1.3 says so even where it speaks an older version.

    Why: Its answer in TLS 1.2 or older then ends in a mark that nobody in the middle can take away, and by which a
    client notices that it was talked down from TLS 1.3 (RFC 8446, section 4.1.3, where every server must). Without
    it that safeguard is gone.

    Fix: Update the TLS library or the load balancer: every complete implementation of TLS 1.3 does it. Offering TLS 1.3
    alone leaves nothing to be talked down to.
    """
    if not known(seen.facts.offer(TlsVersion.TLS1_3).offered):
        yield not_applicable("TLSv1.3 is not offered; offered are {offered}.", offered=_versions(seen.facts))
    elif not offers_any(seen.facts, RENEGOTIABLE):
        yield not_applicable("Nothing older than TLSv1.3 is offered.")
    elif known(seen.facts.downgrade_mark):
        yield passed("Its answers in older versions carry the mark.")
    else:
        yield failed("Its answers in older versions lack the mark of a server that knows TLSv1.3.")


@check("tls.encrypt-then-mac", severity=Severity.LOW)
def encrypt_then_mac(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """Where a suite in CBC mode is accepted, what is encrypted is checked before it is decrypted.

    Why: CBC in TLS is broken by its order: padding is looked at before anything proves that it is genuine (Lucky
    Thirteen, 2013). RFC 7366 turns that round, and CBC should not be used without it (RFC 9325, section 4.2).

    Fix: Best leave CBC out altogether (nginx: ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20). Otherwise update the TLS library
    (OpenSSL 1.1.0 and later know the extension).
    """
    accepted = accepted_suites(seen.facts, RENEGOTIABLE)
    if not accepted.having(SuiteClass.CBC):
        accepted.settle(SuiteClass.CBC)
        yield not_applicable("No suite in CBC mode is accepted.")
    elif known(seen.facts.encrypt_then_mac):
        yield passed("It takes up encrypt_then_mac (RFC 7366).")
    else:
        yield failed("It does not take up encrypt_then_mac (RFC 7366) with suites in CBC mode.")


@check("tls.server-order", severity=Severity.INFO)
def server_order(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """Where weak suites are accepted beside strong ones, the server's order decides and not the client's.

    Why: A server must prefer a strong suite even if the client names another one first (RFC 9325, section 4.2.1). Where
    nothing weak is accepted the client may choose: it knows what its processor is quick at, and Mozilla's modern and
    intermediate configurations leave it the choice; its old one does not.

    Fix: Best leave the weak suites out. Otherwise: nginx: ssl_prefer_server_ciphers on; Apache: SSLHonorCipherOrder on;
    HAProxy: prefer-client-ciphers must not be set.
    """
    mixed = [offer for version in BEFORE_1_3 if _is_mixed(offer := seen.facts.offer(version))]
    if not mixed:
        accepted = accepted_suites(seen.facts, BEFORE_1_3)
        for kind in _WEAK:
            accepted.settle(kind)
        yield not_applicable("Weak and strong suites are not accepted side by side.")
        return
    deciders = {offer.version: known(offer.preference) for offer in mixed}
    clients = [version.value for version, decider in deciders.items() if decider == "client"]
    if clients:
        yield failed("The client's order decides under {versions}.", versions=listed(clients))
    else:
        yield passed(
            "The server's order decides under {versions}.", versions=listed(v.value for v in deciders)
        )


#: Suites that somebody would rather not get where there are better ones.
_WEAK = (
    SuiteClass.NULL,
    SuiteClass.ANONYMOUS,
    SuiteClass.EXPORT,
    SuiteClass.RC4,
    SuiteClass.SHORT_KEY,
    SuiteClass.BLOCK64,
    SuiteClass.CBC,
    SuiteClass.STATIC,
)


def _is_mixed(offer: VersionOffer) -> bool:
    if isinstance(offer.suites, Gap):
        return False
    weak = [any(in_class(suite.name, kind) for kind in _WEAK) for suite in offer.suites]
    return any(weak) and not all(weak)


def _versions(facts: TlsFacts) -> str:
    return listed(offered_versions(facts))
