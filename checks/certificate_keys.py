"""The keys of certificates, and the signatures on them: whether they can be forged."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._certificates import (
    issuer_of,
    keys_in,
    line,
    listed,
    own_certificates,
    unreadable,
)
from secscan.checks._roca import has_roca_fingerprint
from secscan.facts import ChainFacts
from secscan.facts.certificate import (
    Certificate,
    Malformed,
    PublicKey,
)
from secscan.model import Agency, Host, Observation, Reason, Severity
from secscan.reference import FleetKeys


class KeyLimits(Limits):
    rsa_bits: int = Field(default=2048, ge=2048, le=16384, description="Fewest bits of an RSA modulus.")
    ec_bits: int = Field(default=256, ge=224, le=521, description="Fewest bits of an elliptic curve.")


class CurveLimits(Limits):
    curves: tuple[str, ...] = Field(
        default=("secp256r1", "secp384r1", "secp521r1"),
        min_length=1,
        description="Curves that clients know, by their names in SEC 2 and RFC 5639.",
    )


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
        for slot, key in keys_in(line(chain)):
            yield key if isinstance(key, Verdict) else _judge_key(slot, key, limits)


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
    for slot, key in keys_in(own_certificates(seen.facts)):
        match key:
            case Verdict():
                yield key
            case PublicKey(exponent=int() as e):
                shown = str(e) if e.bit_length() <= 64 else f"2^{e.bit_length() - 1}+…"
                if e < 65537 or e % 2 == 0:
                    yield failed(
                        "The public exponent is {exponent}; odd and at least 65537 is expected.",
                        object=slot,
                        exponent=shown,
                    )
                else:
                    yield passed("The public exponent is {exponent}.", object=slot, exponent=shown)
            case PublicKey():
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


# --- Keys that look well and are not ----------------------------------------------------------------------


@check("certificate.curve", severity=Severity.MEDIUM)
def curve(seen: Observation[ChainFacts], limits: CurveLimits) -> Iterator[Verdict]:
    """The elliptic curves of the server's certificate and of its issuers are curves that clients know.

    Why: Browsers take the curves of NIST alone (CA/Browser Forum Baseline Requirements, 6.1.5); others, such as
    secp256k1 or those of Brainpool, are strong and still end in a failed connection for most. A curve that the
    certificate describes by itself, instead of naming it, let forged keys pass for an issuer's (CVE-2020-0601).

    Fix: Make a new key on a usual curve (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256) and have a
    certificate issued for it.
    """
    for chain in seen.facts.chains:
        for slot, key in keys_in(line(chain)):
            match key:
                case Verdict():
                    yield key
                case PublicKey(type="ECDSA", curve=used) if used in limits.curves:
                    yield passed("The key is on the curve {curve}.", object=slot, curve=used)
                case PublicKey(type="ECDSA", curve=used):
                    yield failed(
                        "The key is on the curve {curve}; clients know {curves}.",
                        object=slot,
                        curve=used,
                        curves=listed(limits.curves),
                    )
                case PublicKey(type=type):
                    yield not_applicable("The key is {type}: no curve is to choose.", object=slot, type=type)


@check("certificate.roca", severity=Severity.HIGH)
def roca(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """No RSA key of the server's certificate or of its issuers was made by Infineon's faulty library.

    Why: Smart cards, TPMs and tokens with that library made primes of a shape by which the private key can be computed
    from the public one, for 2048 bits within weeks on rented machines (CVE-2017-15361; Nemec and others, The Return of
    Coppersmith's Attack, 2017). Their moduli can be told from all others with certainty.

    Fix: Update the firmware of the device that made the key, or make keys without it, and have a certificate issued
    for a new key. Have the old one revoked.
    """
    for chain in seen.facts.chains:
        for slot, key in keys_in(line(chain)):
            match key:
                case Verdict():
                    yield key
                case PublicKey(modulus=int() as modulus) if has_roca_fingerprint(modulus):
                    yield failed(
                        "The RSA key with {bits} bits has the fingerprint of Infineon's faulty library.",
                        object=slot,
                        bits=modulus.bit_length(),
                    )
                case PublicKey(modulus=int()):
                    yield passed("The RSA key has no such fingerprint.", object=slot)
                case PublicKey():
                    yield not_applicable("The key is not an RSA key.", object=slot)


@check("certificate.shared-prime", severity=Severity.CRITICAL)
def shared_prime(seen: Observation[ChainFacts], fleet: FleetKeys) -> Iterator[Verdict]:
    """The server's RSA key has no prime in common with another key of the fleet.

    Why: Two moduli with one common prime are both factored by their greatest common divisor, which anybody computes in
    no time; no private key has to be stolen. It happens to devices that make their key at the first start, before
    they have collected any randomness (Heninger and others, Mining Your Ps and Qs, 2012).

    Fix: Make a new key on a machine that has been running for a while (openssl genpkey), have a certificate issued for
    it and the old one revoked. Do so for every other device of the same kind.
    """
    for slot, key in keys_in(own_certificates(seen.facts)):
        match key:
            case Verdict():
                yield key
            case PublicKey(modulus=int(), sha256=str() as digest):
                count = fleet.sharing_prime.get(digest, 0)
                if count:
                    yield failed(
                        "Its RSA key shares a prime with others of the fleet, so anybody can compute it; keys that "
                        "share one: {count}.",
                        object=slot,
                        count=count,
                    )
                else:
                    yield passed("No other key of the fleet shares a prime with it.", object=slot)
            case PublicKey():
                yield not_applicable("The key is not an RSA key.", object=slot)


@check("certificate.shared-key", severity=Severity.MEDIUM)
def shared_key(
    seen: Observation[ChainFacts], fleet: FleetKeys, host: Host, agency: Agency
) -> Iterator[Verdict]:
    """The server's key is on this host alone.

    Why: Who takes the key from the weakest of the hosts that have it can impersonate all of them, and when it is
    stolen, all need a new one on the same day. Between agencies it means that one can read what is meant for another;
    within one agency it is often a pair of servers for one name, or a wildcard certificate, and fails as low only.

    Fix: Let every host make its own key and have its own certificate issued (with ACME that is no more work), or keep
    the one key on a well-guarded reverse proxy in front of them.
    """
    for slot, key in keys_in(own_certificates(seen.facts)):
        match key:
            case Verdict():
                yield key
            case PublicKey(sha256=None, type=type):
                yield unknown(
                    Reason.UNPARSED,
                    "The key is of a type that we can't compare: {type}.",
                    object=slot,
                    type=type,
                )
            case PublicKey(sha256=str() as digest):
                yield _judge_holders(slot, fleet.holders.get(digest, {}), host, agency)


def _judge_holders(slot: str, holders: Mapping[str, tuple[str, ...]], host: Host, agency: Agency) -> Verdict:
    own = [id for id in holders.get(agency.id, ()) if id != host.id]
    foreign = sum(len(hosts) for owner, hosts in holders.items() if owner != agency.id)
    if not own and not foreign:
        return passed("No other host of the fleet was seen with this key.", object=slot)
    if not foreign:
        return failed(
            "The same key is on other hosts of the agency: {hosts}.",
            object=slot,
            severity=Severity.LOW,
            hosts=listed(own),
        )
    if not own:
        return failed(
            "The same key is on hosts of other agencies; how many: {count}.", object=slot, count=foreign
        )
    return failed(
        "The same key is on {hosts}, and on hosts of other agencies; how many of these: {count}.",
        object=slot,
        hosts=listed(own),
        count=foreign,
    )
