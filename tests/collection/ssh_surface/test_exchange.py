"""The groups of the RFCs, the mathematics of an exchange, and signatures of host keys."""

import contextlib
import hashlib
import subprocess
from pathlib import Path

import asyncssh
import pytest
from asyncssh import kex_dh
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.collection.ssh_surface.exchange import (
    METHODS,
    MOST_PRIME_BITS,
    DiffieHellman,
    Transcript,
    modp_prime,
)
from secscan.collection.ssh_surface.host_key import read_host_key
from secscan.collection.ssh_surface.wire import Malformed, integer, string
from tests.lab.servers.tools import find_tool

#: asyncssh has the digits of the RFCs: an independent copy of what is calculated here by their formula.
PRIMES = {bits: prime for bits, _generator, prime in kex_dh._dh_gex_groups}


@pytest.mark.parametrize("bits", sorted(PRIMES))
def test_the_primes_of_the_rfcs(bits: int) -> None:
    assert modp_prime(bits) == PRIMES[bits]


@pytest.mark.parametrize("name", METHODS)
def test_both_sides_come_to_the_same_secret(name: str) -> None:
    ours, theirs = METHODS[name].begin(), METHODS[name].begin()
    assert ours.shared(theirs.public[4:]) == theirs.shared(ours.public[4:])


@pytest.mark.parametrize("name", [name for name in METHODS if "diffie" not in name or "group14" in name])
@settings(max_examples=30, deadline=None)
@given(half=st.binary(max_size=70))
def test_whatever_the_server_sends_as_its_half_is_taken_or_refused(name: str, half: bytes) -> None:
    with contextlib.suppress(ValueError):
        METHODS[name].begin().shared(half)


@pytest.mark.parametrize("half", [0, 1, PRIMES[2048] - 1, PRIMES[2048], PRIMES[2048] + 5])
def test_halves_that_give_the_secret_away_are_refused(half: int) -> None:
    with pytest.raises(Malformed, match="half"):
        DiffieHellman(PRIMES[2048], 2).shared(integer(half)[4:])


@pytest.mark.parametrize(
    ("prime", "generator"),
    [(2**MOST_PRIME_BITS + 1, 2), (2**200 + 1, 2), (2**2048, 2), (PRIMES[2048], 1), (PRIMES[2048], 0)],
)
def test_groups_that_are_none_are_refused(prime: int, generator: int) -> None:
    with pytest.raises(Malformed, match="group"):
        DiffieHellman(prime, generator)


def test_the_exchange_hash() -> None:
    said = Transcript(b"SSH-2.0-a", b"SSH-2.0-b", b"\x14ours", b"\x14theirs")
    whole = b"".join(map(string, (b"SSH-2.0-a", b"SSH-2.0-b", b"\x14ours", b"\x14theirs", b"key")))
    expected = hashlib.sha256(whole + b"halves" + integer(5)).digest()
    assert said.digest("sha256", b"key", b"halves", 5) == expected


# --- Host keys ------------------------------------------------------------------------------------------------

KINDS = {
    "ssh-rsa": 2048,
    "ssh-dss": 1024,
    "ssh-ed25519": 256,
    "ssh-ed448": 456,
    "ecdsa-sha2-nistp256": 256,
    "ecdsa-sha2-nistp384": 384,
    "ecdsa-sha2-nistp521": 521,
}
KEYS = {kind: asyncssh.generate_private_key(kind) for kind in KINDS if kind != "ssh-rsa"} | {
    "ssh-rsa": asyncssh.generate_private_key("ssh-rsa", key_size=2048)
}
by_kind = pytest.mark.parametrize("kind", KINDS)


@by_kind
def test_what_a_key_is(kind: str) -> None:
    key = read_host_key(KEYS[kind].public_data)
    assert (key.type, key.bits, key.fingerprint) == (kind, KINDS[kind], KEYS[kind].get_fingerprint())


@by_kind
def test_a_signature_of_the_key_is_known(kind: str) -> None:
    key = read_host_key(KEYS[kind].public_data)
    for algorithm in KEYS[kind].sig_algorithms:
        signature = KEYS[kind].sign(b"what was said", algorithm)
        assert key.verifies(signature, b"what was said"), algorithm


@by_kind
def test_a_signature_of_something_else_is_none(kind: str) -> None:
    signature = KEYS[kind].sign(b"what was said", KEYS[kind].sig_algorithms[0])
    assert not read_host_key(KEYS[kind].public_data).verifies(signature, b"what was not said")


@by_kind
def test_a_signature_of_another_key_is_none(kind: str) -> None:
    for other in KINDS.keys() - {kind}:
        signature = KEYS[other].sign(b"x", KEYS[other].sig_algorithms[0])
        assert not read_host_key(KEYS[kind].public_data).verifies(signature, b"x")


def test_a_signature_without_its_leading_zero_is_the_keys() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - small ones are quicker
    numbers = private.public_key().public_numbers()
    blob = string(b"ssh-rsa") + integer(numbers.e) + integer(numbers.n)
    for attempt in range(4000):
        text = b"%d" % attempt
        signature = private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if signature[0] == 0:
            short = string(b"rsa-sha2-256") + string(signature.lstrip(b"\0"))
            assert read_host_key(blob).verifies(short, text)
            return
    pytest.fail("no signature began with a zero")


def test_a_certificate_is_shown_by_the_key_in_it() -> None:
    authority, subject = KEYS["ssh-ed25519"], KEYS["ssh-rsa"]
    certificate = authority.generate_host_certificate(subject, "lab")
    key = read_host_key(certificate.public_data)
    assert key.type.endswith("-cert-v01@openssh.com")
    assert (key.bits, key.fingerprint) == (2048, subject.get_fingerprint())
    assert key.verifies(subject.sign(b"x", b"rsa-sha2-512"), b"x")


def test_a_key_of_an_unknown_kind_is_shown_without_a_size() -> None:
    blob = string(b"ssh-trefoil") + string(b"whatever")
    key = read_host_key(blob)
    assert (key.type, key.bits, key.verifies(b"", b"")) == ("ssh-trefoil", 0, False)


@pytest.mark.parametrize("bits", [16385, 200_000])
def test_numbers_beyond_any_key_are_not_calculated_with(bits: int) -> None:
    blob = string(b"ssh-rsa") + integer(3) + integer(2 ** (bits - 1) + 1)
    key = read_host_key(blob)
    assert key.bits == bits
    assert not key.verifies(string(b"rsa-sha2-256") + string(bytes(bits // 8)), b"x")


@settings(deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=200), st.binary(max_size=100))
def test_whatever_is_shown_as_a_key_is_read_or_refused(kind: str, blob: bytes, signature: bytes) -> None:
    for shown in (blob, string(kind.encode()) + blob, string(f"{kind}-cert-v01@openssh.com".encode()) + blob):
        try:
            key = read_host_key(shown)
        except Malformed:
            continue
        key.verifies(signature, b"x")
        key.verifies(string(kind.encode()) + string(signature), b"x")


@by_kind
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_key_with_a_byte_changed_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    blob = bytearray(KEYS[kind].public_data)
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    signature = KEYS[kind].sign(b"x", KEYS[kind].sig_algorithms[0])
    with contextlib.suppress(Malformed):
        read_host_key(bytes(blob)).verifies(signature, b"x")


def test_a_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    public = KEYS["ssh-ed25519"].export_public_key("openssh")
    (tmp_path / "key.pub").write_bytes(public)
    said = subprocess.run(
        [find_tool("ssh-keygen"), "-l", "-f", tmp_path / "key.pub"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert read_host_key(KEYS["ssh-ed25519"].public_data).fingerprint == said.split()[1]
