"""How fast: token buckets for all connections of one worker and for each host."""

import threading
import time
from collections.abc import Callable

#: How much of a rate may be spent at once, in seconds of it: a tenth of a second's connections.
BURST = 0.1

#: Hosts whose buckets are full again are forgotten when more than this many are held.
_MANY_HOSTS = 4096


class Pace:
    """Makes callers wait for their turn. Rates are connections a second, above 0; threads may share it.

    A turn for many connections at once begins as soon as one for a single one would; those after it wait
    until it is paid off. So no stretch of ``t`` seconds sees more than ``rate * (t + BURST)`` connections begin,
    and the last turn's.
    """

    def __init__(
        self,
        rate: float,
        per_host: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._all = _Bucket(rate)
        self._per_host = per_host
        self._hosts: dict[str, _Bucket] = {}

    def wait(self, host: str, connections: int = 1) -> bool:
        """Returns when it is the turn of ``connections`` to ``host``; True where that took waiting."""
        # The host's turn comes first and is slept through before one of all is taken: otherwise a host that
        # must wait long would hold a turn in the future, and everybody else behind it.
        waited = self._wait(self._host_bucket, host, connections)
        return self._wait(self._all_bucket, host, connections) or waited

    def _wait(self, bucket: "Callable[[str, float], _Bucket]", host: str, connections: int) -> bool:
        with self._lock:
            now = self._monotonic()
            delay = bucket(host, now).reserve(now, connections)
        if delay > 0:
            self._sleep(delay)
        return delay > 0

    def _all_bucket(self, _host: str, _now: float) -> "_Bucket":
        return self._all

    def _host_bucket(self, host: str, now: float) -> "_Bucket":
        bucket = self._hosts.get(host)
        if bucket is None:
            if len(self._hosts) >= _MANY_HOSTS:
                self._hosts = {h: b for h, b in self._hosts.items() if b.spent_until > now}
            bucket = self._hosts[host] = _Bucket(self._per_host)
        return bucket


class _Bucket:
    """The generic cell rate algorithm (ITU-T I.371): one instant instead of a counter that must be refilled."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.spent_until = float("-inf")

    def reserve(self, now: float, connections: int) -> float:
        """Seconds from now until the turn."""
        delay = max(0.0, self.spent_until - BURST - now)
        self.spent_until = max(self.spent_until, now) + connections / self.rate
        return delay
