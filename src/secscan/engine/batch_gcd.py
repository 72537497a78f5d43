"""Which of many RSA moduli share a prime: all pairs at once, in little more than linear time and memory."""

import decimal
import math
from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import lru_cache

#: Longer moduli are left out: none in use has more, and a hostile server could send one of a megabit.
MOST_BITS = 16384

#: Digits beyond those of a product that its fraction keeps. Each level of the tree loses less than two, and a million
#: moduli make twenty levels.
_GUARD = 64

#: Of a modulus that the others divide altogether: how many of them it is held against, one by one.
_MOST_PAIRS = 1000

_EXACT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


def shared_primes(moduli: Collection[int]) -> dict[int, int]:
    """Modulus -> a divisor, neither 1 nor the modulus itself, that divides another of ``moduli`` too.

    Only such moduli are named. One that divides another whole (a hostile server can send the product of its
    neighbours' moduli) is not broken by that, and not named for it. Moduli below 2 and above ``MOST_BITS`` are left
    out.

    With N the product of all moduli n, the sum of all N/n is, modulo n, N/n itself: what that shares with n, n shares
    with others. The sum is brought down a tree of products as a fraction, which takes only multiplications: D. J.
    Bernstein, "Scaled remainder trees" (2004), after "How to find smooth parts of integers" by the same. Numbers are
    decimals, because libmpdec multiplies them by a number-theoretic transform, where Python's integers take
    Karatsuba's time.
    """
    return dict(_shared_primes(frozenset(n for n in moduli if n > 1 and n.bit_length() <= MOST_BITS)))


@lru_cache(maxsize=2)
def _shared_primes(moduli: frozenset[int]) -> tuple[tuple[int, int], ...]:
    # What explains a change of scores judges the same keys several times.
    if len(moduli) < 2:
        return ()
    distinct = sorted(moduli)
    found = {
        n: divisor
        for n, rest in zip(distinct, _cofactors(distinct), strict=True)
        if (divisor := math.gcd(n, rest)) > 1
    }
    proper = {n: divisor for n, divisor in found.items() if divisor < n}
    suspects = sorted(found)[:_MOST_PAIRS]
    for n in found.keys() - proper.keys():
        for other in suspects:
            divisor = math.gcd(n, other)
            if 1 < divisor < n:
                proper[n] = divisor
                break
    return tuple((n, proper[n]) for n in sorted(proper))


def _cofactors(moduli: Sequence[int]) -> list[int]:
    """For each modulus, the product of all others modulo it."""
    products = [Decimal(n) for n in moduli]
    sums = [Decimal(1)] * len(products)
    tree = [products]
    while len(products) > 1:
        products, sums = _above(products, sums)
        tree.append(products)
    fractions = [_context(products[0]).divide(sums[0], products[0])]
    for level in reversed(tree[:-1]):
        fractions = _below(level, fractions)
    return [
        int(_EXACT.multiply(fraction, Decimal(n)).to_integral_value(decimal.ROUND_HALF_EVEN, _EXACT))
        for fraction, n in zip(fractions, moduli, strict=True)
    ]


def _above(products: list[Decimal], sums: list[Decimal]) -> tuple[list[Decimal], list[Decimal]]:
    """Two and two: the product, and the sum of what each is without one of its factors. The odd one goes up as it is."""
    multiply = _EXACT.multiply
    upper: list[Decimal] = []
    upper_sums: list[Decimal] = []
    for i in range(0, len(products) - 1, 2):
        left, right = products[i], products[i + 1]
        upper.append(multiply(left, right))
        upper_sums.append(_EXACT.add(multiply(sums[i], right), multiply(sums[i + 1], left)))
    if len(products) % 2:
        upper.append(products[-1])
        upper_sums.append(sums[-1])
    return upper, upper_sums


def _below(products: list[Decimal], fractions: list[Decimal]) -> list[Decimal]:
    """Of the sum over each product, what is behind the point; ``fractions`` are those of the level above."""
    lower: list[Decimal] = []
    for i, product in enumerate(products):
        fraction = fractions[i // 2]
        if i ^ 1 < len(products):
            longer = _EXACT.multiply(fraction, products[i ^ 1])
            whole = longer.to_integral_value(decimal.ROUND_DOWN, _EXACT)
            fraction = _context(product).plus(_EXACT.subtract(longer, whole))
        lower.append(fraction)
    return lower


def _context(product: Decimal) -> decimal.Context:
    """As many digits as tell the remainder by this product."""
    return decimal.Context(prec=product.adjusted() + _GUARD, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
