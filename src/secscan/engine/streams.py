"""Several streams of values read at the same time, each in a thread of its own; and one that is ours alone."""

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import BinaryIO, Generic, Self, TypeVar

T = TypeVar("T")


class Streams(Generic[T]):
    """Iterates over what all streams yield, as it comes, until every one that was started has ended.

    A stream may be started while others run; ``put`` adds a value from wherever. What a stream raises is raised
    here. After ``close()`` the threads end at their next value, and close what they iterate over.
    """

    def __init__(self) -> None:
        self._values: queue.SimpleQueue[T | _Ended] = queue.SimpleQueue()
        self._running = 0
        self._closed = False

    def start(self, stream: Iterable[T]) -> None:
        self._running += 1
        threading.Thread(target=self._drain, args=(stream,), daemon=True).start()

    def put(self, value: T) -> None:
        self._values.put(value)

    def __iter__(self) -> Iterator[T]:
        while self._running or not self._values.empty():
            value = self._values.get()
            if isinstance(value, _Ended):
                self._running -= 1
                if value.error is not None:
                    raise value.error
            else:
                yield value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True

    def _drain(self, stream: Iterable[T]) -> None:
        try:
            for value in stream:
                self._values.put(value)
                if self._closed:
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where the streams are read
            self._values.put(_Ended(error))
        else:
            self._values.put(_Ended(None))
        finally:
            if hasattr(stream, "close"):
                stream.close()


class _Ended:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def claim_stdout() -> BinaryIO:
    """Standard output for messages alone: what any library prints goes to standard error from here on."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers
