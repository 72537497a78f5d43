"""Key exchange as a client does it, as far as the host key and the proof that it is the server's. No I/O."""

import functools
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secscan.collection.ssh_surface.wire import KEX_INIT, Malformed, Reader, integer, string

#: Primes longer than this are not calculated with. RFC 4419, section 3, and RFC 8268 know none above 8192 bits.
MOST_PRIME_BITS = 8192
#: Bits of our exponents: more than twice the strength of any cipher. None of ours protects anything.
_EXPONENT_BITS = 320


class Secret(Protocol):
    """Our half of an exchange. ``public`` is as it is sent, and ``shared`` makes the common secret of the server's.

    ``shared`` raises ValueError on what can't be any server's half.
    """

    @property
    def public(self) -> bytes: ...

    def shared(self, theirs: bytes) -> int: ...


@dataclass(frozen=True, slots=True)
class Method:
    """A method whose first message is our half, and whose answer is the reply."""

    hash: str
    begin: Callable[[], Secret]

    def first_message(self, secret: Secret) -> bytes:
        return bytes([KEX_INIT]) + secret.public


@dataclass(frozen=True, slots=True)
class Transcript:
    """What both sides said before the exchange, which is signed with it (RFC 4253, section 8)."""

    our_line: bytes
    their_line: bytes
    our_kexinit: bytes
    their_kexinit: bytes

    def digest(self, hash: str, host_key: bytes, halves: bytes, shared: int) -> bytes:
        """The exchange hash: what is signed. ``halves``: both, as they went over the wire."""
        said = (self.our_line, self.their_line, self.our_kexinit, self.their_kexinit, host_key)
        return hashlib.new(hash, b"".join(map(string, said)) + halves + integer(shared)).digest()


class _Curve25519:
    def __init__(self) -> None:
        self._key = x25519.X25519PrivateKey.generate()
        self.public = string(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def shared(self, theirs: bytes) -> int:
        # RFC 8731, section 3.1: the bytes are read as a number of the usual order.
        return int.from_bytes(self._key.exchange(x25519.X25519PublicKey.from_public_bytes(theirs)), "big")


class _Curve448:
    def __init__(self) -> None:
        self._key = x448.X448PrivateKey.generate()
        self.public = string(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def shared(self, theirs: bytes) -> int:
        return int.from_bytes(self._key.exchange(x448.X448PublicKey.from_public_bytes(theirs)), "big")


class _Ecdh:
    def __init__(self, curve: ec.EllipticCurve) -> None:
        self._curve = curve
        self._key = ec.generate_private_key(curve)
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = string(point)

    def shared(self, theirs: bytes) -> int:
        point = ec.EllipticCurvePublicKey.from_encoded_point(self._curve, theirs)
        return int.from_bytes(self._key.exchange(ec.ECDH(), point), "big")


class DiffieHellman:
    """In a group that is given, or that the server gave. Raises Malformed on one that is none, or is too big."""

    def __init__(self, prime: int, generator: int) -> None:
        if not 256 <= prime.bit_length() <= MOST_PRIME_BITS or prime % 2 == 0:
            raise Malformed(f"a group has a modulus of {prime.bit_length()} bits")
        if not 1 < generator < prime - 1:
            raise Malformed("a group has a generator that is none")
        self._prime = prime
        self._exponent = secrets.randbits(_EXPONENT_BITS) | 1 << _EXPONENT_BITS
        self.public = integer(pow(generator, self._exponent, prime))

    def shared(self, theirs: bytes) -> int:
        value = Reader(string(theirs)).integer()
        if not 1 < value < self._prime - 1:
            raise Malformed("the server's half is none (RFC 4253, section 8)")
        return pow(value, self._exponent, self._prime)


#: RFC 2409, section 6.2 (group 2, which SSH calls 1), and RFC 3526, sections 3 to 7: the size of a prime -> the number in
#: its formula.
_OFFSETS = {1024: 129093, 2048: 124476, 3072: 1690314, 4096: 240904, 6144: 929484, 8192: 4743158}


@functools.cache
def modp_prime(bits: int) -> int:
    """2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + offset), as the RFCs above give it beside its digits."""
    return (1 << bits) - (1 << bits - 64) - 1 + ((_pi_times_two_to(bits - 130) + _OFFSETS[bits]) << 64)


def _pi_times_two_to(bits: int) -> int:
    """The whole part of pi * 2^bits, by Machin's formula, with some bits more to lose in rounding."""
    spare = 64
    one = 1 << (bits + spare)
    return 4 * (4 * _arctan_of_inverse(5, one) - _arctan_of_inverse(239, one)) >> spare


def _arctan_of_inverse(x: int, one: int) -> int:
    """arctan(1/x) times ``one``."""
    total, power, divisor, sign = 0, one // x, 1, 1
    while power:
        total += sign * (power // divisor)
        power //= x * x
        divisor += 2
        sign = -sign
    return total


def _group(bits: int) -> Callable[[], Secret]:
    return lambda: DiffieHellman(modp_prime(bits), 2)


#: What is done here, cheapest first. RFC 8731, 5656, 8268 and 4253.
METHODS: dict[str, Method] = {
    "curve25519-sha256": Method("sha256", _Curve25519),
    "curve25519-sha256@libssh.org": Method("sha256", _Curve25519),
    "curve448-sha512": Method("sha512", _Curve448),
    "ecdh-sha2-nistp256": Method("sha256", lambda: _Ecdh(ec.SECP256R1())),
    "ecdh-sha2-nistp384": Method("sha384", lambda: _Ecdh(ec.SECP384R1())),
    "ecdh-sha2-nistp521": Method("sha512", lambda: _Ecdh(ec.SECP521R1())),
    "diffie-hellman-group14-sha256": Method("sha256", _group(2048)),
    "diffie-hellman-group14-sha1": Method("sha1", _group(2048)),
    "diffie-hellman-group1-sha1": Method("sha1", _group(1024)),
    "diffie-hellman-group15-sha512": Method("sha512", _group(3072)),
    "diffie-hellman-group16-sha512": Method("sha512", _group(4096)),
    "diffie-hellman-group17-sha512": Method("sha512", _group(6144)),
    "diffie-hellman-group18-sha512": Method("sha512", _group(8192)),
}

#: Methods in which the client asks for a group first (RFC 4419), and their hashes.
ASKING: dict[str, str] = {
    "diffie-hellman-group-exchange-sha256": "sha256",
    "diffie-hellman-group-exchange-sha1": "sha1",
}
