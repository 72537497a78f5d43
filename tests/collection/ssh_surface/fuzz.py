"""Coverage-guided fuzzing of all that reads what SSH servers send: python -m tests.collection.ssh_surface.fuzz -runs=N."""

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["secscan.collection.ssh_surface"]):
    from secscan.collection.ssh_surface import host_key, sealing, wire

SECRETS = sealing.Secrets("sha256", 5, b"d" * 32)
SUITES = (
    sealing.Suite("aes128-ctr", "hmac-sha2-256"),
    sealing.Suite("3des-cbc", "hmac-md5-96-etm@openssh.com"),
    sealing.Suite("aes128-gcm@openssh.com", ""),
    sealing.Suite("chacha20-poly1305@openssh.com", ""),
)


def read(data: bytes) -> None:
    """Raises whatever is not Malformed: that is a mistake."""
    for parse in (
        wire.read_identification,
        wire.read_packet,
        wire.read_kexinit,
        wire.read_group,
        wire.read_reply,
    ):
        with contextlib.suppress(wire.Malformed):
            parse(data)
    wire.read_disconnect(data)
    with contextlib.suppress(wire.Malformed):
        key = host_key.read_host_key(data)
        key.verifies(data[-80:], b"signed")
    for suite in SUITES:
        _ours, theirs = sealing.seals(suite, SECRETS)
        with contextlib.suppress(wire.Malformed):
            theirs.open(0, data)


if __name__ == "__main__":
    atheris.Setup([sys.argv[0], "-max_len=2048", *sys.argv[1:]], read)
    atheris.Fuzz()
