"""Opens files as they come, packed or not, and never reads more of them than a bound."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from secscan.feeds.errors import FeedError
from secscan.language import _

#: A document that has to be in memory as a whole, such as one of JSON. Debian's tracker has 80 MB.
MOST_DOCUMENT_BYTES = 160 << 20
#: A stream, unpacked. The largest known, Debian's own index, has 60 MB; a bomb has no end.
MOST_STREAM_BYTES = 4 << 30
#: What a format is told by.
HEAD_BYTES = 64 << 10

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """One file, or one member of an archive, that is to be read. ``name`` is what an operator knows it by."""

    name: str
    path: Path
    #: The file's own date.
    modified: datetime
    #: The first ``HEAD_BYTES``, unpacked.
    head: bytes

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """The bytes, unpacked as they are read. Raises FeedError where they are damaged, missing or too many."""
        with reading(self.name), self.path.open("rb") as file:
            yield cast("BinaryIO", io.BufferedReader(_Bounded(_unpacked(file, self.name), self.name), _CHUNK))

    def load(self, most: int = MOST_DOCUMENT_BYTES) -> bytes:
        """The whole. Raises FeedError as ``stream`` does, and where it has more than ``most`` bytes."""
        with self.stream() as stream:
            content = stream.read(most + 1)
        if len(content) > most:
            limit = most >> 20
            raise FeedError(self.name, "", _("is larger than {limit} MiB, unpacked").format(limit=limit))
        return content


def open_document(path: Path) -> Document:
    """The file at ``path``. Raises FeedError where it can't be read."""
    name = str(path)
    with reading(name), path.open("rb") as file:
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        head = io.BufferedReader(_Bounded(_unpacked(file, name), name)).read(HEAD_BYTES)
    return Document(name, path, modified, head)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Says in an operator's words what goes wrong while a file is read."""
    try:
        yield
    except EOFError as e:
        raise FeedError(
            name,
            "",
            _("ends in the middle: the copy is not complete, make it again ({error})").format(error=e),
        ) from e
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error) as e:
        raise FeedError(name, "", _("is damaged: {error}; copy it again").format(error=e)) from e
    except OSError as e:
        raise FeedError(name, "", _("cannot be read: {error}").format(error=e.strerror or e)) from e
    except RuntimeError as e:
        # lz4 and zipfile speak so of damaged frames and of encrypted members.
        raise FeedError(name, "", _("is damaged: {error}; copy it again").format(error=e)) from e


def _unpacked(file: BinaryIO, name: str) -> io.RawIOBase | BinaryIO:
    """Told by the first bytes, for the names of such files change on their way."""
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast("BinaryIO", lzma.LZMAFile(file))
    if magic.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(file))
    if magic.startswith(b"\x04\x22\x4d\x18"):
        import lz4.frame  # apt's own lists alone are packed so: other commands should not wait for it

        return cast("BinaryIO", lz4.frame.LZ4FrameFile(file))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        raise FeedError(
            name, "", _("is packed with zstd, which is not read here; unpack it first: zstd -d FILE")
        )
    return file


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than ``MOST_STREAM_BYTES``."""

    def __init__(self, inner: io.RawIOBase | BinaryIO, name: str) -> None:
        self._inner = inner
        self._name = name
        self._left = MOST_STREAM_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # typeshed wants any buffer
        content = self._inner.read(min(len(buffer), _CHUNK)) or b""
        self._left -= len(content)
        if self._left < 0:
            limit = MOST_STREAM_BYTES >> 30
            raise FeedError(self._name, "", _("is larger than {limit} GiB, unpacked").format(limit=limit))
        buffer[: len(content)] = content
        return len(content)
