"""How fast: token buckets for all connections of one worker and for each host."""

import threading
import time
from collections.abc import Callable

#: How much of a rate may be spent at once, in seconds of it: a tenth of a second's connections.
BURST = 0.1

#: The shortest sleep, in seconds. Oversleeping within BURST costs nothing, and many threads wake less often.
_NAP = 0.005

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
        waited = False
        while (delay := self.take(host, connections)) > 0:
            waited = True
            self._sleep(delay)
        return waited

    def take(self, host: str, connections: int = 1) -> float:
        """Takes the turn of ``connections`` to ``host`` and returns 0; or, where it is not yet theirs, takes none
        and returns the seconds after which to ask again.
        """
        with self._lock:
            now = self._monotonic()
            bucket = self._bucket_of(host, now)
            # Both turns are taken at once or not at all: one taken ahead of time, while the other is
            # still to come, would either hold up every other host or run over the rate of this one.
            delay = max(bucket.delay(now), self._all.delay(now))
            if delay > 0:
                return max(delay, _NAP)
            bucket.take(now, connections)
            self._all.take(now, connections)
            return 0.0

    def _bucket_of(self, host: str, now: float) -> "_Bucket":
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

    def delay(self, now: float) -> float:
        """Seconds from now until the next turn."""
        return self.spent_until - BURST - now

    def take(self, now: float, connections: int) -> None:
        self.spent_until = max(self.spent_until, now) + connections / self.rate
