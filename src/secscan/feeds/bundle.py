"""All feeds in one signed file, for the walk across an air gap.

A line that names the format, a line of JSON (dates, the SHA-256 of what follows), a line with an Ed25519 signature
(RFC 8032) over these two, and the entries, gzipped, a line of JSON each. Nothing of it is taken in before the signature
and the hash of the whole have been verified.
"""

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from secscan.feeds.errors import FeedError
from secscan.feeds.model import VALUES, DatedBy, Entry, Feed, Kind
from secscan.feeds.storage import open_store
from secscan.feeds.streams import MOST_STREAM_BYTES, reading
from secscan.language import _

MAGIC = b"secscan feeds bundle 2\n"
#: The first had no withdrawals, and is read as one that has none.
_KNOWN = (b"secscan feeds bundle 1\n", MAGIC)
_MOST_HEADER_BYTES = 16 << 20
_MOST_LINE_BYTES = 16 << 20


_OR_NONE: dict[Kind, Any] = {kind: value | None for kind, value in VALUES.items()}


class _Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    ecosystem: str
    release: str
    part: str
    as_of: datetime
    dated_by: DatedBy
    entries: int
    #: Entries that were taken back by their maker; their lines have no value.
    withdrawn: int = 0


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    made_at: datetime
    sha256: str
    members: tuple[_Member, ...]


class _Line(msgspec.Struct, frozen=True, array_like=True):
    member: int
    key: str
    dated: datetime | None
    value: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Member:
    """One feed of a bundle."""

    feed: Feed
    as_of: datetime
    dated_by: DatedBy
    entries: int
    withdrawn: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose signature and content have been verified."""

    name: str
    path: Path
    made_at: datetime
    #: Of the packed entries.
    sha256: str
    members: tuple[Member, ...]
    #: Who signed it: the key's fingerprint.
    signer: str
    #: Where the packed entries begin.
    start: int

    def entries(self) -> Iterator[Entry]:
        """Every entry. Raises FeedError at the end where the file is not the one that was verified."""
        with reading(self.name), self.path.open("rb") as file:
            file.seek(self.start)
            hashed = _Hashed(file)
            count = 0
            with gzip.GzipFile(fileobj=hashed) as lines:  # type: ignore[call-overload]  # it needs read() alone
                while line := lines.readline(_MOST_LINE_BYTES):
                    yield self._entry(line)
                    count += 1
                    if lines.tell() > MOST_STREAM_BYTES:
                        raise FeedError(
                            self.name,
                            "",
                            _("is larger than {limit} GiB, unpacked").format(limit=MOST_STREAM_BYTES >> 30),
                        )
            hashed.drain()
        if hashed.digest.hexdigest() != self.sha256:
            raise FeedError(self.name, "", _("was changed while it was read; copy it again"))
        if count != sum(member.entries + member.withdrawn for member in self.members):
            raise FeedError(self.name, "", _("lacks entries that its header counts; make it again"))

    def _entry(self, text: bytes) -> Entry:
        try:
            line = msgspec.json.decode(text, type=_Line)
            feed = self.members[line.member].feed
            value = msgspec.json.decode(line.value, type=_OR_NONE[feed.kind])
            return Entry(feed, line.key, value, line.dated)
        except (msgspec.MsgspecError, IndexError, RecursionError, UnicodeDecodeError) as e:
            raise FeedError(
                self.name, "", _("has an entry that can't be read: {error}").format(error=e)
            ) from e


def write_bundle(db: Path, out: Path, key: Ed25519PrivateKey, at: datetime) -> Bundle:
    """Write the newest revision of every feed in ``db`` to ``out``, signed. ``out`` is there whole, or not at all.

    Raises FeedError where there is nothing to write or ``out`` can't be written.
    """
    with open_store(db) as store:
        states = store.states()
        if not states:
            raise FeedError(str(db), "", _("holds no feed yet; run: secscan feeds import FILE"))
        with reading(str(out)), tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            packed = Path(folder) / "entries"
            withdrawn = [0] * len(states)
            # The time of packing is left out, so that the same feeds give the same bytes.
            with (
                packed.open("wb") as raw,
                gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=6) as lines,
            ):
                for number, state in enumerate(states):
                    for name, value, dated in store.entries(state):
                        lines.write(msgspec.json.encode((number, name, dated, value)) + b"\n")
                    # What is there on the other side has to go as well, so that these are said, too.
                    for name, dated in store.withdrawals(state):
                        lines.write(msgspec.json.encode((number, name, dated, None)) + b"\n")
                        withdrawn[number] += 1
            header = _Header(
                made_at=at,
                sha256=_sha256(packed),
                members=tuple(
                    _Member(
                        kind=s.feed.kind,
                        ecosystem=s.feed.ecosystem,
                        release=s.feed.release,
                        part=s.feed.part,
                        as_of=s.as_of,
                        dated_by=s.dated_by,
                        entries=s.entries,
                        withdrawn=withdrawn[number],
                    )
                    for number, s in enumerate(states)
                ),
            )
            signed = MAGIC + msgspec.json.encode(header) + b"\n"
            whole = Path(folder) / "whole"
            with whole.open("wb") as target, packed.open("rb") as source:
                target.write(signed + key.sign(signed).hex().encode("ascii") + b"\n")
                while chunk := source.read(1 << 20):
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            whole.replace(out)
    return read_bundle(out, [key.public_key()])


def is_bundle(head: bytes) -> bool:
    return head.startswith(b"secscan feeds bundle ")


def read_bundle(path: Path, trusted_keys: Iterable[Ed25519PublicKey]) -> Bundle:
    """The bundle at ``path``, verified. Raises FeedError where it is damaged or none of the keys signed it."""
    name = str(path)
    with reading(name), path.open("rb") as file:
        magic = file.readline(len(MAGIC) + 16)
        if magic not in _KNOWN:
            raise FeedError(
                name, "", _("is a bundle that this secscan does not know: {line!r}").format(line=magic[:40])
            )
        header_line = file.readline(_MOST_HEADER_BYTES)
        signature_line = file.readline(256)
        signer = _signer(name, magic + header_line, signature_line, trusted_keys)
        try:
            header = msgspec.json.decode(header_line, type=_Header)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as e:
            raise FeedError(name, "", _("has a header that can't be read: {error}").format(error=e)) from e
        start = file.tell()
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        if digest.hexdigest() != header.sha256:
            raise FeedError(
                name, "", _("is not what was signed: damaged, cut short or changed; copy it again")
            )
    members = tuple(
        Member(Feed(m.kind, m.ecosystem, m.release, m.part), m.as_of, m.dated_by, m.entries, m.withdrawn)
        for m in header.members
    )
    return Bundle(name, path, header.made_at, header.sha256, members, fingerprint(signer), start)


def _signer(
    name: str, signed: bytes, signature_line: bytes, keys: Iterable[Ed25519PublicKey]
) -> Ed25519PublicKey:
    known = tuple(keys)
    if not known:
        raise FeedError(
            name, "", _("is a bundle, and no key is trusted; name the public key of whoever made it")
        )
    try:
        signature = bytes.fromhex(signature_line.decode("ascii").strip())
    except ValueError as e:
        raise FeedError(name, "", _("has no signature that can be read; copy it again")) from e
    for key in known:
        with suppress(InvalidSignature):
            key.verify(signature, signed)
            return key
    raise FeedError(
        name,
        "",
        _("is signed by none of the trusted keys ({keys})").format(
            keys=", ".join(fingerprint(k) for k in known)
        ),
    )


class _Hashed:
    """A file that counts what passes into a hash."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.digest.update(content)
        return content

    def drain(self) -> None:
        while self.read(1 << 20):
            pass


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- Keys -----------------------------------------------------------------------------------------------


def make_key(private: Path, public: Path) -> Ed25519PublicKey:
    """Make a pair of keys: ``private`` (PKCS #8, for its owner's eyes alone) and ``public``, both PEM.

    Raises FeedError where ``private`` is there already: who overwrites it can't sign any more.
    """
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with reading(str(private)):
        try:
            descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as e:
            raise FeedError(str(private), "", _("is there already; choose another name")) from e
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
    with reading(str(public)):
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key.public_key()


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Raises FeedError where the file holds no Ed25519 key that can be read without a passphrase."""
    key = _loaded(path, lambda content: load_pem_private_key(content, None))
    if not isinstance(key, Ed25519PrivateKey):
        raise FeedError(str(path), "", _("holds no private key of Ed25519"))
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Raises FeedError where the file holds no Ed25519 key."""
    key = _loaded(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise FeedError(str(path), "", _("holds no public key of Ed25519"))
    return key


def _loaded(path: Path, load: Any) -> Any:
    with reading(str(path)), path.open("rb") as file:
        content = file.read(1 << 16)
    try:
        return load(content)
    except (ValueError, TypeError) as e:
        raise FeedError(
            str(path), "", _("holds no key that can be read; PEM without a passphrase is expected")
        ) from e


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 over the key's 32 bytes, the first 16 hex digits: to compare by eye or by telephone."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]
