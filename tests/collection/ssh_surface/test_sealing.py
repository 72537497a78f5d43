"""Encrypted packets, both ways, in every suite; real servers speak them in test_configurations."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.collection.ssh_surface.sealing import (
    Seal,
    Secrets,
    Suite,
    _seal,
    choose_suite,
    seals,
)
from secscan.collection.ssh_surface.wire import Malformed
from secscan.facts import SshAlgorithms

SECRETS = Secrets("sha256", 0x1234567890ABCDEF, b"d" * 32)
MACS = ("hmac-sha2-256", "hmac-sha2-512-etm@openssh.com", "hmac-sha1", "hmac-md5-96", "hmac-sha1-96")
SUITES = [
    *(Suite(cipher, mac) for cipher in ("aes128-ctr", "aes256-cbc", "3des-cbc") for mac in MACS),
    Suite("aes128-gcm@openssh.com", ""),
    Suite("aes256-gcm@openssh.com", ""),
    Suite("chacha20-poly1305@openssh.com", ""),
]
by_suite = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: f"{suite.cipher} {suite.mac}".strip())


def both_ends(suite: Suite) -> tuple[Seal, Seal]:
    """Ours, and what a server would open it with: the same keys, the other way round."""
    ours, _ = seals(suite, SECRETS)
    mirrored = Secrets(SECRETS.hash, SECRETS.shared, SECRETS.digest)

    class Mirrored(Secrets):
        def derive(self, letter: str, length: int) -> bytes:
            return mirrored.derive({"B": "A", "D": "C", "F": "E"}.get(letter, letter), length)

    return ours, _seal(suite, Mirrored(SECRETS.hash, SECRETS.shared, SECRETS.digest), is_ours=False)


@by_suite
@settings(max_examples=20, deadline=None)
@given(payloads=st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=4), cut=st.integers(1, 50))
def test_what_is_sealed_is_opened_however_it_is_cut(suite: Suite, payloads: list[bytes], cut: int) -> None:
    ours, theirs = both_ends(suite)
    data = b"".join(ours.seal(3 + n, payload) for n, payload in enumerate(payloads))
    opened: list[bytes] = []
    heard = b""
    for start in range(0, len(data), cut):
        heard += data[start : start + cut]
        while (read := theirs.open(3 + len(opened), heard)) is not None:
            payload, heard = read
            opened.append(payload)
    assert (opened, heard) == (payloads, b"")


@by_suite
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_was_changed_on_the_way_is_refused(suite: Suite, data: st.DataObject) -> None:
    ours, theirs = both_ends(suite)
    sealed = bytearray(ours.seal(0, b"payload"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Malformed):
        # A length that was changed may ask for more than there is, which never comes.
        assert theirs.open(0, bytes(sealed)) is None


@by_suite
def test_a_packet_out_of_its_turn_is_refused(suite: Suite) -> None:
    ours, theirs = both_ends(suite)
    ours.seal(0, b"first")
    second = ours.seal(1, b"second")
    with contextlib.suppress(Malformed):
        assert theirs.open(0, second) is None


@by_suite
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=200))
def test_whatever_comes_is_opened_or_refused(suite: Suite, data: bytes) -> None:
    _, theirs = seals(suite, SECRETS)
    with contextlib.suppress(Malformed):
        theirs.open(0, data)


def test_keys_are_made_longer_as_the_rfc_says() -> None:
    short, long = SECRETS.derive("C", 32), SECRETS.derive("C", 64)
    assert (long[:32], len(long)) == (short, 64)
    assert SECRETS.derive("D", 32) != short


def algorithms(
    ciphers: tuple[str, ...], macs: tuple[str, ...], compression: tuple[str, ...] = ("none",)
) -> SshAlgorithms:
    return SshAlgorithms(
        key_exchange=(),
        host_key=(),
        ciphers_to_server=ciphers,
        ciphers_to_client=ciphers,
        macs_to_server=macs,
        macs_to_client=macs,
        compression_to_server=compression,
        compression_to_client=compression,
    )


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (algorithms(("aes128-ctr",), ("hmac-sha1",)), Suite("aes128-ctr", "hmac-sha1")),
        (algorithms(("aes128-ctr",), ("umac-64@openssh.com",)), None),
        (
            algorithms(("aes128-gcm@openssh.com",), ("umac-64@openssh.com",)),
            Suite("aes128-gcm@openssh.com", ""),
        ),
        (algorithms(("arcfour",), ("hmac-sha1",)), None),
        (algorithms(("aes128-ctr",), ("hmac-sha1",), ("zlib",)), None),
        (algorithms(("none",), ("none",)), None),
    ],
)
def test_the_suite_is_one_of_the_servers_that_is_done_here(
    offered: SshAlgorithms, expected: Suite | None
) -> None:
    assert choose_suite(offered) == expected
