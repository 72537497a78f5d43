"""What every kind of fact shares: canonical JSON, versions, and fields that were not collected."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar

import msgspec

from secscan.model import Level, Reason

T = TypeVar("T")


class FactKindError(ValueError):
    """Stored facts that no known kind and version can read."""


class Gap(msgspec.Struct, frozen=True, tag_field="gap", tag="yes"):
    """One field of otherwise good facts that could not be read, and why."""

    reason: Reason = Reason.NOT_COLLECTED
    detail: str = ""


class Value(msgspec.Struct, frozen=True, kw_only=True, tag_field="gap", tag="no"):
    """What stands by itself in a ``Reading`` and is more than a number or a text: JSON has to tell it from a Gap."""


#: A field that may have stayed unread. ``known()`` opens it.
Reading: TypeAlias = T | Gap


class NotSeen(Exception):  # noqa: N818 - control flow of judgement, not an error of anybody's
    """Raised by ``known()``; evaluation turns it into UNKNOWN with the gap's reason."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(gap.detail or gap.reason.value)
        self.gap = gap


def known(reading: "T | Gap") -> T:
    """The value that was read. Raises NotSeen where there is only a gap."""
    if isinstance(reading, Gap):
        raise NotSeen(reading)
    return reading


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of fact. ``version`` rises with every change of shape; ``upgrades`` maps each older version to a
    pure function from its plain JSON to that of the next version. A field that an old version lacked becomes
    ``Gap(NOT_COLLECTED)`` there, never an empty value.

    ``recalled``: judging needs what earlier runs saw, too (see ``secscan.model.Earlier``). Reading it costs time for
    every target, so a kind says so itself.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    level: ClassVar[Level]
    upgrades: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
    recalled: ClassVar[bool] = False


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """Positive evidence that the subject of a kind does not exist here (a port that speaks no TLS).

    ``heard`` says what was found instead, in plain words; it may quote the host, bounded to 200 characters.
    ``protocol`` is the same for programs, where it was recognised: ``http``, ``ssh``, ``smtp``, ``ftp``, ``pop3``,
    ``imap``, ``xmpp``, ``vnc``, ``redis``, ``memcached``, ``amqp``, ``mysql``, or what else STARTTLS is asked for in;
    ``printing`` by the number of its port alone, for nothing is sent there. It is ours, never the host's word.
    """

    absent: bool = True
    heard: str
    protocol: str = ""


def encode(facts: "Facts | Absent") -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8. Equal facts give equal bytes."""
    try:
        return msgspec.json.encode(facts, order="sorted")
    except UnicodeEncodeError:
        return msgspec.json.encode(_all_encodable(msgspec.to_builtins(facts)), order="sorted")


def encodable(text: str) -> str:
    """The text with ``?`` for halves of surrogate pairs: JSON may name them, and UTF-8 can't."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _all_encodable(plain: Any) -> Any:
    if isinstance(plain, str):
        return encodable(plain)
    if isinstance(plain, dict):
        return {_all_encodable(key): _all_encodable(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [_all_encodable(value) for value in plain]
    return plain


def digest(kind: str, version: int, encoded: bytes) -> bytes:
    """The content address: SHA-256 over kind, version and canonical JSON; the first 16 bytes."""
    return hashlib.sha256(b"%s %d\n" % (kind.encode(), version) + encoded).digest()[:16]


def decode(model: type[Facts], version: int, encoded: bytes) -> "Facts | Absent":
    """Facts of ``model`` from canonical JSON of ``version``, upgraded step by step.

    Raises FactKindError where the version is newer than ours, has no upgrade, or the JSON does not fit.
    """
    try:
        if encoded.startswith(b'{"absent":'):
            return msgspec.json.decode(encoded, type=Absent)
        if version == model.version:
            return msgspec.json.decode(encoded, type=model)
        plain = msgspec.json.decode(encoded)
        for step in range(version, model.version):
            plain = model.upgrades[step](plain)
        if version > model.version:
            raise FactKindError(
                f"facts of kind {model.kind!r} have version {version}; this secscan knows up to "
                f"{model.version}: use the newer secscan that wrote them"
            )
        return msgspec.convert(plain, type=model)
    except (msgspec.MsgspecError, KeyError, TypeError) as e:
        raise FactKindError(f"facts of kind {model.kind!r}, version {version}, cannot be read: {e}") from e
