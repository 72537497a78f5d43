"""Which moduli share a prime, held against every pair one by one."""

import math
import random
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.engine.batch_gcd import MOST_BITS, shared_primes

SMALL = [p for p in range(3, 400) if all(p % d for d in range(2, p))]


def pairwise(moduli: list[int]) -> set[int]:
    """Those with a divisor of their own in common with another."""
    distinct = set(moduli)
    return {n for n in distinct for m in distinct - {n} if 1 < math.gcd(n, m) < n}


@lru_cache(maxsize=1)
def modulus_sized() -> list[int]:
    rng = random.Random(7)
    return [rng.getrandbits(1024) | 1 | 1 << 1023 for _ in range(600)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SMALL), st.sampled_from(SMALL)), max_size=40))
def test_as_every_pair_one_by_one(factors: list[tuple[int, int]]) -> None:
    moduli = [p * q for p, q in factors]
    found = shared_primes(moduli)
    assert set(found) == pairwise(moduli)
    for modulus, divisor in found.items():
        assert 1 < divisor < modulus
        assert modulus % divisor == 0


def test_two_among_many_of_real_size() -> None:
    *numbers, shared, first, second = modulus_sized()
    broken = [shared * first, shared * second]
    sound = [p * q for p, q in zip(numbers[::2], numbers[1::2], strict=False)]
    found = shared_primes([*sound, *broken])
    assert {n: found[n] % shared for n in broken} == dict.fromkeys(broken, 0)
    assert set(found) == pairwise([*sound, *broken])


def test_order_plays_no_part() -> None:
    moduli = [15, 21, 77, 221, 323, 437]
    assert shared_primes(moduli) == shared_primes(moduli[::-1])


@pytest.mark.parametrize("moduli", [[], [15], [15, 15], [15, 77], [0, 1, -5], [1 << MOST_BITS, 2]])
def test_nothing_is_shared(moduli: list[int]) -> None:
    assert shared_primes(moduli) == {}


def test_a_product_of_its_neighbours_breaks_none_of_them() -> None:
    # 5 * 7 and 11 * 13 divide the last one whole: that shows nothing about them.
    assert set(shared_primes([35, 143, 35 * 143])) == {35 * 143}


def test_a_key_both_of_whose_primes_are_shared_is_found() -> None:
    assert set(shared_primes([35, 5 * 11, 7 * 13])) == {35, 55, 91}
