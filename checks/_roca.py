"""Whether an RSA modulus was made by the library whose primes can be found from it (CVE-2017-15361, "ROCA")."""

import math
from functools import lru_cache

# Its primes are k*M + (65537^a mod M), with M a product of small primes (Nemec, Sys, Svenda, Klinec, Matyas: "The
# Return of Coppersmith's Attack", CCS 2017, section 2.1). So a modulus, the product of two, is a power of 65537
# modulo M, which of other moduli is as good as none. The smallest M, of 512-bit keys, is the product of the primes up
# to 167 and divides all larger ones; the powers of 65537 modulo it are 2454106387091158800 (the same number stands in
# the detectors of the authors and of badkeys).

_GENERATOR = 65537
_LARGEST_PRIME = 167


def has_roca_fingerprint(modulus: int) -> bool:
    """Whether ``modulus`` is a power of 65537 modulo the product of the odd primes up to 167.

    By a discrete logarithm modulo each of them: a common exponent exists if and only if all these agree, two by two,
    modulo what their orders have in common.
    """
    if modulus < 2:
        return False
    known: list[tuple[int, int]] = []
    for prime, logarithms, order in _tables():
        exponent = logarithms.get(modulus % prime)
        if exponent is None or not all(_agree(exponent, order, *other) for other in known):
            return False
        known.append((exponent, order))
    return True


def _agree(exponent: int, order: int, other: int, other_order: int) -> bool:
    return (exponent - other) % math.gcd(order, other_order) == 0


@lru_cache(maxsize=1)
def _tables() -> tuple[tuple[int, dict[int, int], int], ...]:
    """Of each prime: the exponents of the powers of 65537, and how many of these there are."""
    tables = []
    for prime in range(3, _LARGEST_PRIME + 1, 2):
        if all(prime % divisor for divisor in range(3, prime, 2)):
            logarithms: dict[int, int] = {}
            power = 1
            while power not in logarithms:
                logarithms[power] = len(logarithms)
                power = power * _GENERATOR % prime
            tables.append((prime, logarithms, len(logarithms)))
    return tuple(tables)
