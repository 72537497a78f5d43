"""Second looks: what is asked of a port after first contact has heard what it speaks.

First contact (``secscan.collection.hello``, by way of the collector of TLS) is made with every open TCP port. A second
look asks further where that, the port scan or the inventory says that there is something of its own to ask. To add one:

1. Write a collector of ``Endpoint`` for kinds of facts of level ENDPOINT, and list the kinds in ``secscan.facts.SECOND``.
2. Write ``wants``: given an endpoint and what is ``Known`` of it, is it ours? (See ``SecondLook``.)
3. Add ``SecondLook(collector, wants)`` to ``Collectors.second`` in ``secscan.engine.worker.collectors``.

The collector may be plain and sequential: it is given one endpoint in each call, in up to ``at_once`` threads, and
never two endpoints of one address and port at a time. It is asked for each endpoint once, resumed runs included.
Of every endpoint that it is not asked for, the shard records itself why not, so that each endpoint has a record of
each kind: ``Absent`` where something else was heard, Unobserved where nothing was.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from secscan.collection import Collector
from secscan.facts import Absent, Gap, ServiceIdentity
from secscan.model import (
    NOT_AN_ATTEMPT,
    AddressTarget,
    Endpoint,
    ExpectedService,
    Observation,
    Reason,
    Record,
    Unobserved,
)
from secscan.scope import utc_now

#: Why first contact sent nothing: no look goes where it might not, and none knows what speaks there.
_UNSENT = NOT_AN_ATTEMPT | {Reason.OUT_OF_SCOPE}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an endpoint before a second look at it.

    ``protocol`` is what first contact recognised: ``tls``, or one of ``secscan.facts.Absent``; empty where it did not.
    ``heard`` says in words what it heard, and ``unheard`` why it heard nothing; one of them is there. ``is_closed``:
    nothing listens there. ``identity`` is the port scan's word, None where it has none (yet), and ``declared`` the
    inventory's.
    """

    protocol: str = ""
    heard: str = ""
    unheard: Gap | None = None
    is_closed: bool = False
    identity: ServiceIdentity | None = None
    declared: ExpectedService | None = None


@dataclass(frozen=True, slots=True)
class SecondLook:
    """A collector of endpoints, and which are its own.

    ``wants`` is asked as soon as first contact is over; where that recognised nothing and ``wants`` said no, or where it
    said None (it can't tell yet), it is asked once more when the port scan knows who answers. None then means yes. Of a declared port that is closed it says whether the
    collector's protocol was expected there: then that was not seen, and else it is absent.
    """

    collector: Collector[Endpoint]
    wants: Callable[[Endpoint, Known], bool | None]
    at_once: int = 16


class Queue:
    """The endpoints that wait for one second look, dealt out to as many threads as it may have.

    ``add`` says whether a thread is to be started that iterates over ``self``; a thread ends when nothing waits. Two
    endpoints of one address and port are never in hand at the same time.
    """

    def __init__(self, look: SecondLook) -> None:
        self.look = look
        self._guard = threading.Lock()
        self._waiting: deque[Endpoint] = deque()
        self._busy: set[tuple[str, int]] = set()
        self._added: set[Endpoint] = set()
        self._threads = 0

    def add(self, place: Endpoint) -> bool:
        with self._guard:
            self._waiting.append(place)
            self._added.add(place)
            if self._threads >= self.look.at_once:
                return False
            self._threads += 1
            return True

    def had(self, place: Endpoint) -> bool:
        """It was added already, asked or not: another look may still have been undecided about it."""
        with self._guard:
            return place in self._added

    def __iter__(self) -> Iterator[Endpoint]:
        """Each endpoint is in hand until the next is asked for."""
        place = self._next(None)
        while place is not None:
            yield place
            place = self._next(place)

    def _next(self, done: Endpoint | None) -> Endpoint | None:
        with self._guard:
            if done is not None:
                self._busy.discard(_server(done))
            # What waits for a server that is busy is left to the thread that has it in hand.
            place = next((p for p in self._waiting if _server(p) not in self._busy), None)
            if place is None:
                self._threads -= 1
                return None
            self._waiting.remove(place)
            self._busy.add(_server(place))
            return place


def _server(place: Endpoint) -> tuple[str, int]:
    return place.address, place.service.port


class SecondLooks:
    """Every second look of one shard: what they are asked, what is said of the rest, and what is still undecided.

    ``unasked``: the endpoint has no record of some kind of the look's. ``ask`` asks a look for the endpoints that
    wait in its queue; it is called when one more thread may do so.
    """

    def __init__(
        self,
        looks: Sequence[SecondLook],
        *,
        unasked: Callable[[SecondLook, Endpoint], bool],
        ask: Callable[[Queue], None],
    ) -> None:
        self._queues = [Queue(look) for look in looks]
        self._unasked = unasked
        self._ask = ask
        self._undecided: dict[AddressTarget, dict[Endpoint, None]] = {}

    def decide(self, place: Endpoint, known: Known, *, final: bool) -> Iterator[Record]:
        """After first contact. ``final``: nothing more will be known of the endpoint."""
        for queue in self._queues:
            look = queue.look
            if queue.had(place) or not self._unasked(look, place):
                continue
            if known.unheard is not None and known.unheard.reason in _UNSENT:
                yield from _unseen(look, place, known.unheard)
                continue
            try:
                wanted = look.wants(place, known)
            except Exception as e:  # noqa: BLE001 - a broken collector must not end the scan of the other hosts
                what = f"the collector {look.collector.name!r} failed: {type(e).__name__}: {e}"[:300]
                yield from _unseen(look, place, Gap(Reason.BUG, what))
                continue
            if wanted is None and not final:
                self._undecided.setdefault(AddressTarget(place.host, place.address), {})[place] = None
            elif wanted and known.is_closed:
                yield from _unseen(look, place, Gap(Reason.REFUSED, known.heard))
            elif wanted is not False:
                if queue.add(place):
                    self._ask(queue)
            elif known.protocol or known.is_closed or final:
                yield from _not_asked(look, place, known)
            else:
                self._undecided.setdefault(AddressTarget(place.host, place.address), {})[place] = None

    def undecided(self, address: AddressTarget) -> Sequence[Endpoint]:
        """The endpoints of an address that waited for the port scan's last word; they wait no more."""
        return tuple(self._undecided.pop(address, ()))

    def give_up(self, place: Endpoint, gap: Gap) -> Iterator[Record]:
        """Of an endpoint that is not to be asked for anything."""
        for queue in self._queues:
            if self._unasked(queue.look, place):
                yield from _unseen(queue.look, place, gap)


def _not_asked(look: SecondLook, place: Endpoint, known: Known) -> Iterator[Record]:
    if known.unheard is not None:
        yield from _unseen(look, place, known.unheard)
        return
    for kind in look.collector.kinds:
        absent = Absent(heard=known.heard[:200], protocol=known.protocol)
        yield Observation(place, look.collector.name, kind, utc_now(), absent)


def _unseen(look: SecondLook, place: Endpoint, gap: Gap) -> Iterator[Record]:
    for kind in look.collector.kinds:
        yield Unobserved(place, look.collector.name, kind, utc_now(), gap.reason, gap.detail)
