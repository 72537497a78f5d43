"""The record of every probe that was made or refused: append-only JSON lines."""

import json
import os
from datetime import datetime
from pathlib import Path
from types import TracebackType

from secscan.scope.contract import Refusal, ScopeError


class ProbeLogError(ScopeError):
    """The probe log can't be written, so nothing may be probed.

    Not an OSError: collectors read those as the host's answer.
    """


class ProbeLog:
    """One line a probe, written before the probe is made. ``path`` None keeps no log.

    Any number of processes append to one file: each line is one write to a descriptor in append mode. The file
    is created readable to its owner alone: it is a map of what an agency runs. Raises ProbeLogError.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._descriptor: int | None = None
        if path is not None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            try:
                self._descriptor = os.open(path, flags, 0o600)
            except OSError as error:
                raise ProbeLogError(f"the probe log {path} can't be opened: {error.strerror}") from error

    def write(
        self,
        at: datetime,
        *,
        what: str,
        address: str,
        name: str,
        ports: str,
        connections: int,
        refusal: Refusal | None,
    ) -> None:
        """Adds a line: the probe was admitted, or refused for this reason. Raises ProbeLogError."""
        if self.path is None:
            return
        if self._descriptor is None:
            raise ProbeLogError(f"the probe log {self.path} is closed")
        entry: dict[str, str | int] = {
            "at": at.isoformat(timespec="milliseconds"),
            "what": what,
            "address": address[:80],
            "name": name[:255],
            "ports": ports,
            "connections": connections,
            "verdict": "admitted" if refusal is None else "refused",
        }
        if refusal is not None:
            entry["reason"] = refusal.reason.value
            entry["detail"] = refusal.detail
        # JSON in ASCII escapes every control character but DEL.
        line = json.dumps(entry, ensure_ascii=True).replace("\x7f", "\\u007f").encode("ascii") + b"\n"
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            raise ProbeLogError(f"the probe log {self.path} can't be written: {error.strerror}") from error
        if written != len(line):
            raise ProbeLogError(f"the probe log {self.path} can't be written: the disk is full")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "ProbeLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
