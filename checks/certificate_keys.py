"""The keys of certificates, and the signatures on them: whether they can be forged."""

from collections.abc import Iterator

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._certificates import (
    issuer_of,
    line,
    own_certificates,
    unreadable,
    unreadable_part,
)
from secscan.facts import ChainFacts
from secscan.facts.certificate import (
    Certificate,
    Malformed,
    PublicKey,
)
from secscan.model import Observation, Reason, Severity


class KeyLimits(Limits):
    rsa_bits: int = Field(default=2048, ge=2048, le=16384, description="Fewest bits of an RSA modulus.")
    ec_bits: int = Field(default=256, ge=224, le=521, description="Fewest bits of an elliptic curve.")


@check("certificate.key-strength", severity=Severity.HIGH)
def key_strength(seen: Observation[ChainFacts], limits: KeyLimits) -> Iterator[Verdict]:
    """The keys of the server's certificate and of its issuers are strong.

    Why: Who computes the private key from the public one can impersonate the server, and read what was recorded
    where there was no forward secrecy. RSA below 2048 bits and curves below 256 bits are refused by browsers
    (CA/B Forum Baseline Requirements, 6.1.5) and not to be used after 2013 (NIST SP 800-131A). DSA is gone from
    TLS 1.3 and from browsers.

    Fix: Make a new key and have a certificate issued for it (openssl genpkey -algorithm EC -pkeyopt
    ec_paramgen_curve:P-256, or RSA with 3072 bits). If it is an issuer's key, move to another authority.
    """
    for chain in seen.facts.chains:
        for slot, certificate in line(chain):
            if isinstance(certificate, Malformed):
                yield unreadable(slot, certificate)
            elif isinstance(certificate.key, Malformed):
                yield unreadable_part(slot, certificate.key)
            else:
                yield _judge_key(slot, certificate.key, limits)


def _judge_key(slot: str, key: PublicKey, limits: KeyLimits) -> Verdict:
    match key:
        case PublicKey(type="RSA"):
            least = limits.rsa_bits
        case PublicKey(type="ECDSA"):
            least = limits.ec_bits
        case PublicKey(type="Ed25519" | "Ed448"):
            return passed("The key is {type}.", object=slot, type=key.type)
        case PublicKey(type="DSA"):
            return failed(
                "The key is DSA with {bits} bits; clients want RSA or an elliptic curve.",
                object=slot,
                bits=key.bits,
            )
        case _:
            return unknown(
                Reason.UNPARSED,
                "The key is of a type that we can't judge: {type}.",
                object=slot,
                type=key.type,
            )
    if key.bits < least:
        return failed(
            "The key is {type} with {bits} bits; at least {least} are needed.",
            object=slot,
            type=key.type,
            bits=key.bits,
            least=least,
        )
    return passed("The key is {type} with {bits} bits.", object=slot, type=key.type, bits=key.bits)


@check("certificate.exponent", severity=Severity.MEDIUM)
def exponent(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The public exponent of an RSA key is odd and at least 65537.

    Why: Small exponents such as 3 make several mistakes of implementations fatal (forged signatures:
    Bleichenbacher 2006, BERserk 2014). FIPS 186-5 asks for more than 65536, the Baseline Requirements, 6.1.6, for
    at least 3 and recommend the same.

    Fix: Make a new key; every current tool chooses 65537 by itself.
    """
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed():
                yield unreadable(slot, own)
            case Certificate(key=Malformed() as key):
                yield unreadable_part(slot, key)
            case Certificate(key=PublicKey(exponent=int() as e)):
                shown = str(e) if e.bit_length() <= 64 else f"2^{e.bit_length() - 1}+…"
                if e < 65537 or e % 2 == 0:
                    yield failed(
                        "The public exponent is {exponent}; odd and at least 65537 is expected.",
                        object=slot,
                        exponent=shown,
                    )
                else:
                    yield passed("The public exponent is {exponent}.", object=slot, exponent=shown)
            case Certificate():
                yield not_applicable("The key is not an RSA key.", object=slot)


_BROKEN_HASHES = frozenset({"md2", "md4", "md5", "sha1"})


@check("certificate.signature", severity=Severity.HIGH)
def signature(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate and its issuers are signed over a digest that can't be forged.

    Why: Two certificates with one MD5 digest were made in 2008 (Sotirov and others), with one SHA-1 digest the cost
    fell to some tens of thousands of dollars (Leurent and Peyrin, 2020). Then a signature for a harmless certificate is good
    for another one. Browsers refuse both (RFC 9155; Baseline Requirements, 7.1.3.2). A root's own signature is left
    out: a root is trusted for being in the list.

    Fix: Have the certificate issued again over SHA-256 or better. On a private authority set the digest first
    (openssl ca: default_md = sha256; AD CS: certutil -setreg ca\\csp\\CNGHashAlgorithm SHA256) and, if an issuing
    certificate is affected, renew that one first.
    """
    for chain in seen.facts.chains:
        for slot, certificate in line(chain):
            if isinstance(certificate, Malformed):
                yield unreadable(slot, certificate)
                continue
            if certificate.self_signed and not slot.endswith("/0"):
                continue
            used = certificate.signature
            if used.hash in _BROKEN_HASHES:
                yield failed(
                    "It is signed by {issuer} with {algorithm}; SHA-256 or better is expected.",
                    object=slot,
                    issuer=issuer_of(certificate),
                    algorithm=_signature_name(certificate),
                )
            elif used.hash is None:
                yield unknown(
                    Reason.UNPARSED,
                    "It is signed with an algorithm that we can't judge: {algorithm}.",
                    object=slot,
                    algorithm=_signature_name(certificate),
                )
            else:
                yield passed(
                    "It is signed with {algorithm}.", object=slot, algorithm=_signature_name(certificate)
                )


def _signature_name(certificate: Certificate) -> str:
    """RSASSA-PSS names its digest apart."""
    used = certificate.signature
    return f"{used.algorithm} ({used.hash})" if used.algorithm == "RSASSA_PSS" else used.algorithm
