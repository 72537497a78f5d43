"""One hello at a time, in a form that the server can bear: what all questions are asked with."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from secscan.collection.sweep.asking import OF_FORM, Answer, Asker, Chosen, Declined, Unclear
from secscan.collection.sweep.conversation import Need
from secscan.collection.sweep.hellos import (
    CURVES_1_2,
    GROUPS_1_3,
    MANY,
    SCHEMES_ALL,
    chunks,
    hello_1_2,
    hello_1_3,
)
from secscan.collection.sweep.seen import Seen
from secscan.collection.sweep.wire.code_points import (
    suite_codes,
)
from secscan.collection.sweep.wire.hello import ClientHello
from secscan.facts import Depth, Gap, Oddity, TlsVersion
from secscan.model import Reason

_1_2, _1_3 = TlsVersion.TLS1_2, TlsVersion.TLS1_3


class Choosing:
    """Lets a server choose. ``shuffle`` asks what may be asked in any order in an order of its own."""

    def __init__(self, asker: Asker, seen: Seen, *, shuffle: random.Random | None = None) -> None:
        self.asker = asker
        self.seen = seen
        self._full = seen.depth is Depth.FULL
        self._shuffle = shuffle
        #: What every hello leaves out, once the server has shown that it can't bear it.
        self._plain = False
        self._most_suites = 0

    async def together(self, questions: Sequence[Callable[[], Awaitable[None]]]) -> None:
        """Asks questions that do not wait for each other."""
        ordered = list(questions)
        if self._shuffle is not None:
            self._shuffle.shuffle(ordered)
        async with asyncio.TaskGroup() as group:
            for question in ordered:
                group.create_task(_run(question))

    async def _choose(self, version: TlsVersion, suites: tuple[int, ...]) -> Answer:
        """One hello for all these suites; in pieces where the server can't bear so many."""
        if not suites:
            return Declined(None, "nothing was offered")
        size = self._most_suites or len(suites)
        answer: Answer = Declined(None, "nothing was offered")
        pieces = list(chunks(suites, size))
        while pieces:
            piece = pieces.pop(0)
            answer = await self.asker.ask(self._hello(version, piece), need=Need.FLIGHT)
            if isinstance(answer, Chosen):
                return answer
            if len(piece) > MANY and of_form(answer) and not self.asker.out_of_time():
                pieces = [*chunks(piece, MANY), *pieces]
                continue
            if isinstance(answer, Unclear):
                return answer
        return answer

    async def _choose_any(
        self, version: TlsVersion, suites: tuple[int, ...], *, groups: tuple[int, ...] = GROUPS_1_3
    ) -> Answer:
        if version is not _1_3:
            return await self._choose(version, suites)
        if not suites:
            return Declined(None, "nothing was offered")
        return await self.asker.ask(hello_1_3(suites, groups=groups))

    def _hello(self, version: TlsVersion, suites: tuple[int, ...], **changes: tuple[int, ...]) -> ClientHello:
        changes = {
            "groups": self._unseen_first(CURVES_1_2, self.seen.groups),
            "schemes": self._unseen_first(SCHEMES_ALL, self.seen.schemes),
            **changes,
        }
        if self._plain:
            bare = Oddity.EXTENSIONS in self.asker.server.oddities
            few = {"groups": changes["groups"][:3], "schemes": changes["schemes"][:9]}
            return hello_1_2(version, suites, bare=bare, plain=True, **few)
        return hello_1_2(version, suites, **changes)

    def _unseen_first(self, codes: tuple[int, ...], seen: set[int]) -> tuple[int, ...]:
        """Where all is asked, each answer about something else may name one that was not seen yet."""
        return tuple(sorted(codes, key=lambda code: code in seen)) if self._full else codes

    def _shuffled(self, suites: tuple[int, ...]) -> tuple[int, ...]:
        return suites if self._shuffle is None else tuple(self._shuffle.sample(suites, len(suites)))

    def _accepted(self, version: TlsVersion) -> tuple[int, ...]:
        codes = suite_codes()
        return tuple(sorted(codes[n] for n in self.seen.versions[version].suites if n in codes))

    def _leave_primes_open(self, gap: Gap) -> None:
        if self.seen.prime_gap is None:
            self.seen.prime_gap = gap


async def _run(question: Callable[[], Awaitable[None]]) -> None:
    await question()


def contradiction(version: TlsVersion) -> Gap:
    return Gap(Reason.CONTRADICTORY, f"it chose {version} once, and refused it another time")


def of_form(answer: Answer) -> bool:
    """It may have been the form of the hello that was refused: an alert about that, a closed connection, silence."""
    match answer:
        case Declined(alert=alert):
            return alert is None or alert in OF_FORM
        case Unclear(gap=gap):
            return gap.reason is not Reason.CONTRADICTORY
    return False
