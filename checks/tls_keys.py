"""How keys are agreed on in TLS: primes that many share, signatures with broken hashes, quantum computers to come.

Sources: RFC 9155, RFC 9325 (BCP 195), the Logjam paper (Adrian and others, 2015), and for the hybrids of ML-KEM
draft-ietf-tls-ecdhe-mlkem and NIST IR 8547.
"""

from collections.abc import Iterator

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed
from secscan.checks._tls_offers import listed
from secscan.facts import TlsFacts, TlsVersion, known
from secscan.model import Observation, Severity


class SharedPrimeLimits(Limits):
    bits: int = Field(
        default=2048,
        ge=1024,
        le=8192,
        description="Fewest bits of a prime that many servers share; from there on sharing one does no harm.",
    )


@check("tls.shared-prime", severity=Severity.MEDIUM)
def shared_prime(seen: Observation[TlsFacts], limits: SharedPrimeLimits) -> Iterator[Verdict]:
    """No short prime that many servers share is used for Diffie-Hellman.

    Why: Nearly all the work of breaking a key exchange is done once for its prime, and then serves for every
    connection to every server that uses the same one (Logjam, 2015: for 512 bits it was done, for 1024 bits a state
    could do it). The primes of RFC 2409, of Apache and of other products are the first that anybody would choose. The
    long ones of RFC 7919 are shared on purpose, and may be.

    Fix: Offer ECDHE only (OpenSSL notation: !kDHE), or take a prime of RFC 7919 (nginx: ssl_dhparam with ffdhe2048 or
    larger; Apache: SSLOpenSSLConfCmd DHParameters).
    """
    primes = known(seen.facts.dh_primes)
    short = [prime for prime in primes if prime.name != "own" and prime.bits < limits.bits]
    if not primes:
        yield not_applicable("No suite with finite-field Diffie-Hellman is accepted.")
    elif short:
        yield failed(
            "Primes below {least} bits that many servers share are used: {primes}.",
            least=limits.bits,
            primes=listed(f"{prime.name} ({prime.bits})" for prime in short),
        )
    else:
        yield passed("The primes used are {primes}.", primes=listed(f"{p.name} ({p.bits})" for p in primes))


@check("tls.weak-signature", severity=Severity.LOW)
def weak_signature(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """The key exchange of TLS 1.2 is signed with neither MD5 nor SHA-1.

    Why: Two messages with the same MD5 or SHA-1 can be made, and with them somebody in the middle takes part in a
    handshake whose signature was meant for another (SLOTH, 2016). RFC 9155 forbids both for the signatures of TLS 1.2;
    TLS 1.3 knows neither.

    Fix: Update the TLS library (OpenSSL 3.0 signs with neither at its default security level; Java: leave SHA1 and MD5
    in jdk.tls.disabledAlgorithms), or name the algorithms (Apache: SSLOpenSSLConfCmd SignatureAlgorithms; nginx:
    ssl_conf_command SignatureAlgorithms).
    """
    if known(seen.facts.offer(TlsVersion.TLS1_2).offered) is False:
        yield not_applicable("TLSv1.2 is not offered; what is older can sign with nothing else.")
        return
    weak = known(seen.facts.weak_signatures)
    if weak:
        yield failed("It signs its key exchange with {schemes}.", schemes=listed(weak))
    else:
        yield passed("It does not sign its key exchange with MD5 or SHA-1.")


@check("tls.post-quantum", severity=Severity.INFO)
def post_quantum(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """A key exchange that also withstands quantum computers is offered.

    Why: Whoever records connections today can read them on the day a large enough quantum computer exists, for it
    breaks every elliptic curve. The hybrids of ML-KEM (FIPS 203) and a curve hold as long as either part does. NIST
    plans to disallow elliptic curves alone after 2035 (IR 8547, a draft of 2024). It is information: nobody is at
    fault yet, and what has to stay secret for long should come first.

    Fix: Update the TLS library (OpenSSL 3.5 offers X25519MLKEM768 by default), offer TLS 1.3, and where groups are
    named, name it first (nginx: ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1).
    """
    found = known(seen.facts.post_quantum)
    if found:
        yield passed("It accepts {groups}.", groups=listed(found))
    else:
        yield failed("It accepts no hybrid of ML-KEM and an elliptic curve.")
