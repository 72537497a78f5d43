"""The zoo with its gates open: every exhibit at a loopback address of its own."""

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from tests.lab.authority import Authority
from tests.lab.servers import MissingToolError, Running
from tests.lab.zoo.exhibit import Exhibit, Keys

#: Each its own address, so that the rate of one host never holds up another.
_ADDRESSES = "127.21.0.{}"


@dataclass(frozen=True)
class RunningZoo:
    """``at``: where each exhibit is; ``missing``: why it is not there, in words for a skip."""

    keys: Keys
    at: Mapping[Exhibit, Running]
    missing: Mapping[Exhibit, str]
    _servers: contextlib.ExitStack

    def stop(self) -> None:
        self._servers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_zoo(authority: Authority, exhibits: Sequence[Exhibit]) -> RunningZoo:
    """Returns when all listen that can. Raises LabError, with none left running, if one can't for another reason than
    that its program is not installed.
    """
    keys = Keys(authority)
    # One after the other: two threads that ask for the same key would make it twice.
    described = [(number, exhibit, exhibit.make(keys)) for number, exhibit in enumerate(exhibits, start=1)]
    at: dict[Exhibit, Running] = {}
    missing: dict[Exhibit, str] = {}
    with contextlib.ExitStack() as servers, ThreadPoolExecutor(4) as starters:
        started = [
            (exhibit, starters.submit(server.start, _ADDRESSES.format(number)))
            for number, exhibit, server in described
        ]
        problems: list[Exception] = []
        for exhibit, starting in started:
            try:
                at[exhibit] = servers.enter_context(starting.result())
            except MissingToolError as error:
                missing[exhibit] = str(error)
            except Exception as error:  # noqa: BLE001 - all that did start are ended first
                error.add_note(f"{exhibit.maker}: {exhibit.name}")
                problems.append(error)
        if problems:
            raise problems[0]
        return RunningZoo(keys, at, missing, servers.pop_all())
