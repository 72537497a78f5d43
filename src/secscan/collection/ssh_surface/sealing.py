"""Encrypted packets: what both sides send once keys are agreed on. No I/O.

Nothing that needs protection ever goes over it: it is there because servers tell whom they let in to nobody who can't.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.poly1305 import Poly1305

from secscan.collection.ssh_surface.wire import MOST_PACKET, Malformed, integer, packet, read_packet
from secscan.facts import SshAlgorithms


class Seal(Protocol):
    """One direction. ``number`` counts its packets from the first, before there were keys (RFC 4253, section 6.4)."""

    def seal(self, number: int, payload: bytes) -> bytes: ...

    def open(self, number: int, data: bytes) -> tuple[bytes, bytes] | None:
        """The payload of the first packet and what follows it, or None where more has to come.

        It is asked for a packet until it is whole, with all there is of it each time. Raises Malformed.
        """


class Unsealed:
    """Before there are keys."""

    def seal(self, number: int, payload: bytes) -> bytes:  # noqa: ARG002 - as every seal
        return packet(payload)

    def open(self, number: int, data: bytes) -> tuple[bytes, bytes] | None:  # noqa: ARG002
        return read_packet(data)


# --- What is done here ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Block:
    """A block cipher: bytes of its key and of its blocks, and its mode."""

    key: int
    block: int
    mode: str


#: RFC 4344, section 4, and RFC 4253, section 6.3; those with a tag of their own: OpenSSH's PROTOCOL, sections 1.6 and 1.7.
_BLOCKS = {
    **{f"aes{bits}-ctr": _Block(bits // 8, 16, "ctr") for bits in (128, 192, 256)},
    **{f"aes{bits}-cbc": _Block(bits // 8, 16, "cbc") for bits in (128, 192, 256)},
    "3des-cbc": _Block(24, 8, "cbc"),
}
_GCM = {"aes128-gcm@openssh.com": 16, "aes256-gcm@openssh.com": 32}
_CHACHA = "chacha20-poly1305@openssh.com"

#: RFC 4253, section 6.4, and RFC 6668: the hash, and the bytes of it that are sent (0: all).
_MACS = {
    "hmac-sha2-256": ("sha256", 0),
    "hmac-sha2-512": ("sha512", 0),
    "hmac-sha1": ("sha1", 0),
    "hmac-sha1-96": ("sha1", 12),
    "hmac-md5": ("md5", 0),
    "hmac-md5-96": ("md5", 12),
}
_ETM = "-etm@openssh.com"


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher and what authenticates its packets ("" where it does so itself), the same in both directions."""

    cipher: str
    mac: str


def choose_suite(algorithms: SshAlgorithms) -> Suite | None:
    """One that the server has in both directions and that is done here; None where there is none."""
    ciphers = _both(algorithms.ciphers_to_server, algorithms.ciphers_to_client)
    macs = _both(algorithms.macs_to_server, algorithms.macs_to_client)
    if "none" not in _both(algorithms.compression_to_server, algorithms.compression_to_client):
        return None
    whole = next((name for name in (*_GCM, _CHACHA) if name in ciphers), None)
    if whole is not None and macs:
        # The names of MACs must match in the exchange all the same (RFC 4253, section 7.1), for some servers.
        return Suite(whole, "")
    cipher = next((name for name in _BLOCKS if name in ciphers), None)
    mac = next((name for name in macs if name.removesuffix(_ETM) in _MACS), None)
    return Suite(cipher, mac) if cipher is not None and mac is not None else None


def _both(to_server: Sequence[str], to_client: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in to_server if name in to_client)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an exchange ends in: the common secret, the exchange hash (the session's id as well), and its hash."""

    hash: str
    shared: int
    digest: bytes

    def derive(self, letter: str, length: int) -> bytes:
        """RFC 4253, section 7.2."""
        secret = integer(self.shared) + self.digest
        key = hashlib.new(self.hash, secret + letter.encode() + self.digest).digest()
        while len(key) < length:
            key += hashlib.new(self.hash, secret + key).digest()
        return key[:length]


def seals(suite: Suite, secrets: Secrets) -> tuple[Seal, Seal]:
    """Ours and the server's."""
    return _seal(suite, secrets, is_ours=True), _seal(suite, secrets, is_ours=False)


def _seal(suite: Suite, secrets: Secrets, *, is_ours: bool) -> Seal:
    iv_letter, key_letter, mac_letter = ("A", "C", "E") if is_ours else ("B", "D", "F")
    if suite.cipher == _CHACHA:
        return _Chacha(secrets.derive(key_letter, 64))
    if suite.cipher in _GCM:
        key = secrets.derive(key_letter, _GCM[suite.cipher])
        return _Gcm(key, secrets.derive(iv_letter, 12))
    form = _BLOCKS[suite.cipher]
    key, iv = secrets.derive(key_letter, form.key), secrets.derive(iv_letter, form.block)
    algorithm = TripleDES(key) if suite.cipher == "3des-cbc" else algorithms.AES(key)
    cipher = Cipher(algorithm, modes.CTR(iv) if form.mode == "ctr" else modes.CBC(iv))
    hash, sent = _MACS[suite.mac.removesuffix(_ETM)]
    mac = _Mac(hash, secrets.derive(mac_letter, hashlib.new(hash).digest_size), sent)
    context = cipher.encryptor() if is_ours else cipher.decryptor()
    if suite.mac.endswith(_ETM):
        return _EncryptedThenChecked(context, form.block, mac)
    return _CheckedAndEncrypted(context, form.block, mac)


# --- Each of them -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mac:
    hash: str
    key: bytes
    sent: int

    @property
    def size(self) -> int:
        return self.sent or hashlib.new(self.hash).digest_size

    def of(self, number: int, data: bytes) -> bytes:
        return hmac.digest(self.key, number.to_bytes(4, "big") + data, self.hash)[: self.size]

    def check(self, number: int, data: bytes, given: bytes) -> None:
        if not hmac.compare_digest(self.of(number, data), given):
            raise Malformed("an encrypted packet is not what was sent")


def _framed(payload: bytes, block: int, *, clear: int) -> bytes:
    """``clear``: bytes at the beginning that are not encrypted, and so do not count for the blocks."""
    padding = block - (5 + len(payload) - clear) % block
    padding += block if padding < 4 else 0
    return (1 + len(payload) + padding).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


def _payload(body: bytes) -> bytes:
    """What is in a packet after its length."""
    padding = body[0]
    if padding + 1 >= len(body):
        raise Malformed("a packet is all padding")
    return body[1 : len(body) - padding]


def _length(data: bytes, block: int, *, clear: int) -> int:
    length = int.from_bytes(data[:4], "big")
    if not 2 <= length <= MOST_PACKET or (length + 4 - clear) % block:
        raise Malformed("an encrypted packet has a length that none can have")
    return length


Context: TypeAlias = CipherContext


class _CheckedAndEncrypted:
    """RFC 4253, section 6.4: what is checked is the packet before it is encrypted, its length among it."""

    def __init__(self, context: Context, block: int, mac: _Mac) -> None:
        self._context = context
        self._block = block
        self._mac = mac
        self._head = b""

    def seal(self, number: int, payload: bytes) -> bytes:
        plain = _framed(payload, self._block, clear=0)
        return self._context.update(plain) + self._mac.of(number, plain)

    def open(self, number: int, data: bytes) -> tuple[bytes, bytes] | None:
        if len(data) < self._block:
            return None
        if not self._head:
            # The cipher goes on from here: what it has decrypted, it never sees again.
            self._head = self._context.update(data[: self._block])
        whole = 4 + _length(self._head, self._block, clear=0)
        if len(data) < whole + self._mac.size:
            return None
        plain = self._head + self._context.update(data[self._block : whole])
        self._head = b""
        self._mac.check(number, plain, data[whole : whole + self._mac.size])
        return _payload(plain[4:]), data[whole + self._mac.size :]


class _EncryptedThenChecked:
    """OpenSSH's PROTOCOL, section 1.5: the length is in the clear, and what is checked is encrypted."""

    def __init__(self, context: Context, block: int, mac: _Mac) -> None:
        self._context = context
        self._block = block
        self._mac = mac

    def seal(self, number: int, payload: bytes) -> bytes:
        plain = _framed(payload, self._block, clear=4)
        sealed = plain[:4] + self._context.update(plain[4:])
        return sealed + self._mac.of(number, sealed)

    def open(self, number: int, data: bytes) -> tuple[bytes, bytes] | None:
        if len(data) < 4:
            return None
        whole = 4 + _length(data, self._block, clear=4)
        if len(data) < whole + self._mac.size:
            return None
        self._mac.check(number, data[:whole], data[whole : whole + self._mac.size])
        return _payload(self._context.update(data[4:whole])), data[whole + self._mac.size :]


class _Gcm:
    """RFC 5647, section 7, as OpenSSH's PROTOCOL, section 1.6, has it."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._cipher = AESGCM(key)
        self._fixed, self._invocation = iv[:4], int.from_bytes(iv[4:], "big")

    def seal(self, number: int, payload: bytes) -> bytes:  # noqa: ARG002 - it counts by itself
        plain = _framed(payload, 16, clear=4)
        return plain[:4] + self._cipher.encrypt(self._nonce(), plain[4:], plain[:4])

    def open(self, number: int, data: bytes) -> tuple[bytes, bytes] | None:  # noqa: ARG002
        if len(data) < 4:
            return None
        whole = 4 + _length(data, 16, clear=4) + 16
        if len(data) < whole:
            return None
        try:
            return _payload(self._cipher.decrypt(self._nonce(), data[4:whole], data[:4])), data[whole:]
        except InvalidTag as e:
            raise Malformed("an encrypted packet is not what was sent") from e

    def _nonce(self) -> bytes:
        nonce = self._fixed + self._invocation.to_bytes(8, "big")
        self._invocation = (self._invocation + 1) % 2**64
        return nonce


class _Chacha:
    """OpenSSH's PROTOCOL.chacha20poly1305: one key for the lengths, and one for all else."""

    def __init__(self, key: bytes) -> None:
        self._main, self._lengths = key[:32], key[32:]

    def seal(self, number: int, payload: bytes) -> bytes:
        plain = _framed(payload, 8, clear=4)
        length = self._stream(self._lengths, number, 0, plain[:4])
        sealed = length + self._stream(self._main, number, 1, plain[4:])
        return sealed + Poly1305.generate_tag(self._stream(self._main, number, 0, bytes(32)), sealed)

    def open(self, number: int, data: bytes) -> tuple[bytes, bytes] | None:
        if len(data) < 4:
            return None
        whole = 4 + _length(self._stream(self._lengths, number, 0, data[:4]), 8, clear=4)
        if len(data) < whole + 16:
            return None
        key = self._stream(self._main, number, 0, bytes(32))
        try:
            Poly1305.verify_tag(key, data[:whole], data[whole : whole + 16])
        except InvalidSignature as e:
            raise Malformed("an encrypted packet is not what was sent") from e
        return _payload(self._stream(self._main, number, 1, data[4:whole])), data[whole + 16 :]

    def _stream(self, key: bytes, number: int, block: int, data: bytes) -> bytes:
        nonce = block.to_bytes(8, "little") + number.to_bytes(8, "big")
        return Cipher(algorithms.ChaCha20(key, nonce), None).encryptor().update(data)
