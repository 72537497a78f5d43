"""Host keys as SSH servers show them: what they are, how big, and whether a signature is theirs. Pure."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from secscan.collection.ssh_surface.wire import Malformed, Reader, string

_CERTIFICATE = "-cert-v01@openssh.com"

#: RFC 5656, section 10.1: the curve of a key's type, its size, and the hash that its size asks for (section 6.2.1).
_CURVES: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "nistp521": (ec.SECP521R1(), hashes.SHA512()),
}

#: RFC 4253, section 6.6, and RFC 8332, section 3: what an RSA signature says it is -> its hash.
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ssh-rsa": hashes.SHA1(),  # noqa: S303 - what an old server signs with has to be checked to tell whose key it is
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
    "ssh-rsa-sha224@ssh.com": hashes.SHA224(),
    "ssh-rsa-sha256@ssh.com": hashes.SHA256(),
    "ssh-rsa-sha384@ssh.com": hashes.SHA384(),
    "ssh-rsa-sha512@ssh.com": hashes.SHA512(),
}

#: Numbers longer than these are not calculated with: a host may send what takes minutes.
_MOST_RSA_BITS, _MOST_EXPONENT_BITS = 16384, 64
_MOST_DSA_BITS, _MOST_DSA_ORDER_BITS = 3072, 256


@dataclass(frozen=True, slots=True)
class PublicHostKey:
    """``plain`` is the key itself in the shape of RFC 4253, section 6.6, also where a certificate was shown.

    ``verifies(signature, signed)`` tells whether the key made a signature.
    """

    type: str
    bits: int
    plain: bytes
    verifies: Callable[[bytes, bytes], bool]

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` shows it: ``SHA256:`` and base64 without padding."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.plain).digest()).rstrip(b"=").decode("ascii")


def read_host_key(blob: bytes) -> PublicHostKey:
    """Of any type; one that is not known has no size and verifies nothing. Raises Malformed."""
    reader = Reader(blob)
    type = reader.string().decode("ascii", "backslashreplace")[:64]
    if not type.endswith(_CERTIFICATE):
        return _key(type, type, blob, reader)
    # PROTOCOL.certkeys of OpenSSH: a nonce, and then the key as it would stand alone, but for its type.
    reader.string()
    plain_type = type.removesuffix(_CERTIFICATE)
    return _key(type, plain_type, None, reader)


def _key(type: str, plain_type: str, blob: bytes | None, reader: Reader) -> PublicHostKey:
    head = string(plain_type.encode())
    match plain_type.split("-"):
        case ["ssh", "rsa"]:
            exponent, modulus = reader.string(), reader.string()
            e, n = _positive(exponent), _positive(modulus)
            plain = blob or head + string(exponent) + string(modulus)
            return PublicHostKey(type, n.bit_length(), plain, lambda s, m: _rsa_verifies(e, n, s, m))
        case ["ssh", "dss"]:
            parts = [reader.string() for _ in range(4)]
            p, q, g, y = map(_positive, parts)
            plain = blob or head + b"".join(map(string, parts))
            return PublicHostKey(type, p.bit_length(), plain, lambda s, m: _dsa_verifies((p, q, g, y), s, m))
        case ["ecdsa", "sha2", curve] if curve in _CURVES:
            name, point = reader.string(), reader.string()
            if name != curve.encode():
                raise Malformed("a host key lies on another curve than it says")
            plain = blob or head + string(name) + string(point)
            bits = _CURVES[curve][0].key_size
            return PublicHostKey(type, bits, plain, lambda s, m: _ecdsa_verifies(curve, point, s, m))
        case ["ssh", "ed25519" | "ed448" as curve]:
            public = reader.string()
            plain = blob or head + string(public)
            # RFC 8709, section 4; the sizes are those that RFC 7748 and OpenSSH give.
            bits = 256 if curve == "ed25519" else 456
            return PublicHostKey(type, bits, plain, lambda s, m: _eddsa_verifies(curve, public, s, m))
    return PublicHostKey(type, 0, blob or head, lambda _signature, _signed: False)


def _positive(text: bytes) -> int:
    return Reader(string(text)).integer()


def _rsa_verifies(e: int, n: int, signature: bytes, signed: bytes) -> bool:
    if n.bit_length() > _MOST_RSA_BITS or e.bit_length() > _MOST_EXPONENT_BITS:
        return False

    def verify(name: str, value: bytes) -> None:
        hash = _RSA_HASHES[name]
        # Some servers leave leading zeros out, which PKCS #1 does not allow and everybody takes.
        whole = value.rjust((n.bit_length() + 7) // 8, b"\0")
        rsa.RSAPublicNumbers(e, n).public_key().verify(whole, signed, padding.PKCS1v15(), hash)

    return _verifies(verify, signature)


def _dsa_verifies(numbers: tuple[int, int, int, int], signature: bytes, signed: bytes) -> bool:
    p, q, g, y = numbers
    if p.bit_length() > _MOST_DSA_BITS or q.bit_length() > _MOST_DSA_ORDER_BITS:
        return False

    def verify(name: str, value: bytes) -> None:
        # RFC 4253, section 6.6: r and s as two numbers of 160 bits, one after the other.
        if name != "ssh-dss" or len(value) != 40:
            raise Malformed("a DSA signature of another shape")
        public = dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g)).public_key()
        pair = encode_dss_signature(int.from_bytes(value[:20], "big"), int.from_bytes(value[20:], "big"))
        public.verify(pair, signed, hashes.SHA1())  # noqa: S303 - ssh-dss knows no other

    return _verifies(verify, signature)


def _ecdsa_verifies(curve: str, point: bytes, signature: bytes, signed: bytes) -> bool:
    def verify(name: str, value: bytes) -> None:
        group, hash = _CURVES[curve]
        if name != f"ecdsa-sha2-{curve}":
            raise Malformed("a signature of another algorithm than the key's")
        reader = Reader(value)
        pair = encode_dss_signature(reader.integer(), reader.integer())
        ec.EllipticCurvePublicKey.from_encoded_point(group, point).verify(pair, signed, ec.ECDSA(hash))

    return _verifies(verify, signature)


def _eddsa_verifies(curve: str, public: bytes, signature: bytes, signed: bytes) -> bool:
    def verify(name: str, value: bytes) -> None:
        if name != f"ssh-{curve}":
            raise Malformed("a signature of another algorithm than the key's")
        if curve == "ed25519":
            ed25519.Ed25519PublicKey.from_public_bytes(public).verify(value, signed)
        else:
            ed448.Ed448PublicKey.from_public_bytes(public).verify(value, signed)

    return _verifies(verify, signature)


def _verifies(verify: Callable[[str, bytes], None], signature: bytes) -> bool:
    """A signature names its algorithm (RFC 4253, section 6.6). ValueError: keys that cryptography does not take."""
    try:
        reader = Reader(signature)
        verify(reader.string().decode("ascii", "replace"), reader.string())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, KeyError):
        return False
    return True
