"""What one endpoint shows of SSH to whoever does not log in."""

from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading, Value
from secscan.model import Level


class SshAlgorithms(Value, frozen=True, kw_only=True):
    """What the server names in its SSH_MSG_KEXINIT (RFC 4253, section 7.1), in its order, word for word.

    All text is the host's. ``to_server`` and ``to_client`` are the directions; nearly all servers name the same in both.
    """

    key_exchange: tuple[str, ...]
    host_key: tuple[str, ...]
    ciphers_to_server: tuple[str, ...]
    ciphers_to_client: tuple[str, ...]
    macs_to_server: tuple[str, ...]
    macs_to_client: tuple[str, ...]
    compression_to_server: tuple[str, ...]
    compression_to_client: tuple[str, ...]

    @property
    def ciphers(self) -> tuple[str, ...]:
        """Those of either direction, each once."""
        return tuple(dict.fromkeys(self.ciphers_to_server + self.ciphers_to_client))

    @property
    def macs(self) -> tuple[str, ...]:
        """Those of either direction, each once."""
        return tuple(dict.fromkeys(self.macs_to_server + self.macs_to_client))


class ShownKey(msgspec.Struct, frozen=True, kw_only=True):
    """A host key that the server showed.

    ``type`` is what the key says of itself (``ssh-rsa``, ``ssh-ed25519-cert-v01@openssh.com``), ``bits`` its size (0: of
    a kind that is not known), and ``fingerprint`` as ``ssh-keygen -l`` shows it; of a certificate, that of the key in it.
    ``proven``: the server signed the exchange with it, so that it has the private key and not only somebody's public one.
    """

    type: str
    bits: int
    fingerprint: str
    proven: bool


class GroupOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A group for Diffie-Hellman that was asked for (RFC 4419, section 3), and the size of the prime that came, in bits.

    ``given`` is 0 where the server refused such a request.
    """

    least: int
    preferred: int
    most: int
    given: Reading[int]


class SshFacts(Facts, frozen=True, kw_only=True):
    """One endpoint that speaks SSH. Every field but the first three may be a Gap."""

    kind: ClassVar[str] = "ssh"
    level: ClassVar[Level] = Level.ENDPOINT
    recalled: ClassVar[bool] = True

    #: Its identification (RFC 4253, section 4.2) in parts: ``2.0`` (``1.99``: version 1 as well), ``OpenSSH_9.2p1``,
    #: and what follows the first space. All three are the host's words.
    protocol: str
    software: str
    comment: str = ""
    algorithms: Reading[SshAlgorithms] = Gap()
    #: Sorted by type; one for each type that is offered and could be asked for.
    host_keys: Reading[tuple[ShownKey, ...]] = Gap()
    #: Host key algorithm -> why the key behind it was not seen, where the others were.
    unseen_keys: dict[str, Gap] = msgspec.field(default_factory=dict)
    #: Empty where the server does not let clients ask for groups.
    groups: Reading[tuple[GroupOffer, ...]] = Gap()
    #: Ways to log in that "can continue" (RFC 4252, section 5.1), as the server lists them to an account that it does
    #: not know; it may list others to those it does.
    methods: Reading[tuple[str, ...]] = Gap()
    #: It let in, without a password or a key, whoever asked (RFC 4252, section 5.2).
    open_to_all: Reading[bool] = Gap()
