"""Files that exist in memory only, for libraries and programs that read keys from a path."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def file_in_memory(content: bytes) -> Iterator[int]:
    """A descriptor whose ``path_of`` this process, or a child that inherits it, can open and read from the start.

    So no private key is left behind on disk, whatever ends the lab.
    """
    descriptor = os.memfd_create("secscan-lab")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield descriptor
    finally:
        os.close(descriptor)


def path_of(descriptor: int) -> str:
    """Where whoever holds the descriptor finds the file."""
    return f"/proc/self/fd/{descriptor}"
