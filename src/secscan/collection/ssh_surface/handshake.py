"""A handshake with a server: what is proposed, and the exchange up to the proof that the host key is its own."""

import secrets
from collections.abc import Sequence

import msgspec

from secscan.collection.ssh_surface.call import Call, Ended
from secscan.collection.ssh_surface.exchange import ASKING, METHODS, DiffieHellman, Secret, Transcript
from secscan.collection.ssh_surface.host_key import read_host_key
from secscan.collection.ssh_surface.sealing import Secrets, Suite
from secscan.collection.ssh_surface.wire import (
    GEX_GROUP,
    GEX_INIT,
    GEX_REPLY,
    GEX_REQUEST,
    KEX_REPLY,
    Malformed,
    integer,
    kexinit,
    read_group,
    read_reply,
)
from secscan.facts import Gap, ShownKey, SshAlgorithms
from secscan.model import Reason

#: What old clients ask for, and what newer ones do at the least (RFC 4419, section 3: least, preferred, most bits).
ASKED_GROUPS = ((1024, 1024, 8192), (2048, 3072, 8192))

#: Names in the lists that are no algorithms but say what else a server understands (RFC 8308, section 2.1; OpenSSH's
#: PROTOCOL, section 1.9; Dropbear's guess).
_SIGNALS = ("ext-info-", "kex-strict-", "kexguess2@")


def real_names(names: Sequence[str]) -> tuple[str, ...]:
    """The algorithms in a list."""
    return tuple(name for name in names if not name.startswith(_SIGNALS))


def proposal(
    theirs: SshAlgorithms, method: str, host_keys: Sequence[str], suite: Suite | None
) -> SshAlgorithms:
    """Ours: this method, these keys and this suite; of all else, whatever the server itself has."""
    ours = msgspec.structs.replace(theirs, key_exchange=(method,), host_key=tuple(host_keys))
    if suite is None:
        return ours
    ciphers, none = (suite.cipher,), ("none",)
    ours = msgspec.structs.replace(ours, ciphers_to_server=ciphers, ciphers_to_client=ciphers)
    if suite.mac:
        ours = msgspec.structs.replace(ours, macs_to_server=(suite.mac,), macs_to_client=(suite.mac,))
    return msgspec.structs.replace(ours, compression_to_server=none, compression_to_client=none)


def exchange_keys(
    call: Call, their_kexinit: bytes, theirs: SshAlgorithms, host_key: str, suite: Suite | None
) -> tuple[ShownKey, Secrets]:
    """One exchange, up to the server's reply, with a host key of this algorithm. Raises Ended or Malformed."""
    named = real_names(theirs.key_exchange)
    method = next((name for name in (*METHODS, *ASKING) if name in named), None)
    if method is None:
        detail = f"secscan does none of its ways to exchange keys: {', '.join(named[:4])}"
        raise Ended(Gap(Reason.NOT_COLLECTED, detail[:200]))
    ours = kexinit(secrets.token_bytes(16), proposal(theirs, method, (host_key,), suite))
    call.say(ours)
    said = Transcript(call.our_line, call.identification.line, ours, their_kexinit)
    if method in ASKING:
        secret, before = _agree_on_group(call)
        hash, reply = ASKING[method], GEX_REPLY
    else:
        hash, before, reply = METHODS[method].hash, b"", KEX_REPLY
        secret = METHODS[method].begin()
        call.say(METHODS[method].first_message(secret))
    blob, half, signature = read_reply(call.hear(reply))
    key = read_host_key(blob)
    # Over the wire a number and a text look the same: a length, and so many bytes.
    halves = before + secret.public + len(half).to_bytes(4, "big") + half
    try:
        shared = secret.shared(half)
    except ValueError as e:
        raise Malformed("the server's half of the exchange is none") from e
    digest = said.digest(hash, blob, halves, shared)
    shown = ShownKey(
        type=key.type, bits=key.bits, fingerprint=key.fingerprint, proven=key.verifies(signature, digest)
    )
    return shown, Secrets(hash, shared, digest)


def group_request(asked: tuple[int, int, int]) -> bytes:
    return bytes([GEX_REQUEST]) + b"".join(number.to_bytes(4, "big") for number in asked)


def _agree_on_group(call: Call) -> tuple[Secret, bytes]:
    """RFC 4419, section 3. What is agreed on is signed as well, before the halves."""
    request = group_request(ASKED_GROUPS[-1])
    call.say(request)
    prime, generator = read_group(call.hear(GEX_GROUP))
    secret = DiffieHellman(prime, generator)
    call.say(bytes([GEX_INIT]) + secret.public)
    return secret, request[1:] + integer(prime) + integer(generator)
