"""What is stored of SSH servers reads back as it was, its gaps too."""

import msgspec
import pytest

from secscan.facts import (
    Absent,
    Gap,
    GroupOffer,
    ShownKey,
    SshAlgorithms,
    SshFacts,
    TlsFacts,
    decode,
    encode,
)
from secscan.model import Reason

UNREAD = Gap(Reason.TIMED_OUT, "by hand")
WHOLE = SshFacts(
    protocol="2.0",
    software="OpenSSH_9.2p1",
    comment="Debian-2+deb12u3",
    algorithms=SshAlgorithms(
        key_exchange=("curve25519-sha256",),
        host_key=("ssh-ed25519",),
        ciphers_to_server=("aes128-ctr", "aes256-ctr"),
        ciphers_to_client=("aes256-ctr", "aes128-cbc"),
        macs_to_server=("hmac-sha1",),
        macs_to_client=("hmac-sha1", "hmac-md5"),
        compression_to_server=("none",),
        compression_to_client=("none",),
    ),
    host_keys=(ShownKey(type="ssh-ed25519", bits=256, fingerprint="SHA256:x", proven=True),),
    unseen_keys={"ssh-rsa": UNREAD},
    groups=(
        GroupOffer(least=1024, preferred=1024, most=8192, given=2048),
        GroupOffer(least=2048, preferred=3072, most=8192, given=UNREAD),
    ),
    methods=("publickey",),
    open_to_all=False,
)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(WHOLE, id="whole"),
        pytest.param(SshFacts(protocol="1.5", software="x"), id="its name alone"),
        *(
            pytest.param(msgspec.structs.replace(WHOLE, **{field: UNREAD}), id=f"without {field}")
            for field in ("algorithms", "host_keys", "groups", "methods", "open_to_all")
        ),
    ],
)
def test_what_is_stored_reads_back(facts: SshFacts) -> None:
    assert decode(SshFacts, SshFacts.version, encode(facts)) == facts


def test_both_directions_are_told_once() -> None:
    algorithms = WHOLE.algorithms
    assert isinstance(algorithms, SshAlgorithms)
    assert algorithms.ciphers == ("aes128-ctr", "aes256-ctr", "aes128-cbc")
    assert algorithms.macs == ("hmac-sha1", "hmac-md5")


def test_what_was_absent_before_protocols_were_named_reads_as_before() -> None:
    assert decode(TlsFacts, 1, b'{"absent":true,"heard":"plain HTTP"}') == Absent(heard="plain HTTP")
