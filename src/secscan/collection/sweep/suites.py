"""Which suites are accepted: by classes, or each of them; and in TLS 1.3 the groups that go with them."""

from secscan.collection.sweep.asking import Chosen, Declined, Unclear
from secscan.collection.sweep.choosing import Choosing
from secscan.collection.sweep.hellos import (
    GROUPS_1_3,
    NULL_1_3,
    QUESTIONS,
    SUITES_1_3,
    VERSION_NAMES,
    Goal,
    Question,
    hello_1_3,
    questions_of,
    suites_answering,
    suites_for,
    usual_suites,
)
from secscan.collection.sweep.seen import BEFORE_1_3
from secscan.collection.sweep.wire.code_points import (
    POST_QUANTUM,
    suite_codes,
    suite_name,
)
from secscan.facts import Gap, SuiteClass, TlsVersion
from secscan.facts.suites import classes_of
from secscan.model import Reason

_1_2, _1_3 = TlsVersion.TLS1_2, TlsVersion.TLS1_3

#: A suite is looked for at most so often: no server has more suites than there are.
_MOST_ROUNDS = 400


class SuiteQuestions(Choosing):
    """What is asked of each version."""

    async def _suites_1_3(self) -> None:
        state = self.seen.versions[_1_3]
        state.settled |= {kind for name in state.suites for kind in classes_of(name)}
        if SuiteClass.NULL not in state.settled:
            answer = await self.asker.ask(hello_1_3(NULL_1_3))
            if isinstance(answer, Chosen):
                self.seen.note(_1_3, answer)
            elif isinstance(answer, Unclear):
                state.open = answer.gap
                return
        # TLS 1.3 has nothing else that any rule forbids: RFC 8446, appendix B.4.
        state.settled |= set(SuiteClass) - {SuiteClass.EVERY}

    async def _groups_1_3(self) -> None:
        """By HelloRetryRequest: each answer names a group, which is then left out (RFC 8446, section 4.1.4)."""
        seen = self.seen
        seen.hybrids_gap = await self._groups_until_refused(set(POST_QUANTUM) - seen.groups)

    async def _everything_1_3(self) -> None:
        """Every suite and every group: what an answer names of either is left out of the next hello.

        A refusal may mean that no suite or that no group of those left is accepted; with all groups it is the former.
        """
        seen = self.seen
        before = set(seen.versions[_1_3].suites)
        suites = list(self._shuffled(tuple(reversed(suites_for(_1_3)))))
        left = [group for group in GROUPS_1_3 if group not in seen.groups]
        accepted: list[int] = []
        refused = settled = False
        while True:
            groups = tuple(left) if left and not refused else GROUPS_1_3
            answer = await self._choose_any(_1_3, tuple(suites), groups=groups)
            if isinstance(answer, Unclear):
                seen.versions[_1_3].open = seen.hybrids_gap = seen.groups_gap = answer.gap
                return
            if isinstance(answer, Declined):
                if groups == GROUPS_1_3:
                    break
                refused = True
                continue
            # A suite that all groups together find accepted was offered with those left, and refused, before.
            settled = settled or refused
            seen.note(_1_3, answer)
            accepted.append(answer.hello.suite)
            suites.remove(answer.hello.suite)
            left = [group for group in left if group != answer.hello.group]
        gap = None if settled else await self._groups_until_refused(set(left))
        seen.hybrids_gap = seen.groups_gap = gap
        await self._close(_1_3, before, accepted)

    async def _groups_until_refused(self, left: set[int]) -> Gap | None:
        while left:
            groups = tuple(group for group in GROUPS_1_3 if group in left)
            answer = await self.asker.ask(hello_1_3(groups=groups))
            if isinstance(answer, Declined):
                return None
            if isinstance(answer, Unclear):
                return answer.gap
            self.seen.note(_1_3, answer)
            if answer.hello.group not in left:
                return None
            left = left - {answer.hello.group}
        return None

    async def _every_suite(self, version: TlsVersion) -> None:
        """Offers all, then all but what was chosen, until nothing more is."""
        seen = self.seen
        state = seen.versions[version]
        before = set(state.suites)
        # The other way round than the hello that found the version: whose order counts shows at the first choice.
        order = self._shuffled(tuple(reversed(suites_for(version))))
        accepted: list[int] = []
        for _ in range(_MOST_ROUNDS):
            suites = tuple(suite for suite in order if suite not in accepted)
            answer = await self._choose(version, suites)
            if isinstance(answer, Unclear):
                state.open = answer.gap
                self._leave_primes_open(answer.gap)
                return
            if isinstance(answer, Declined):
                break
            chosen = VERSION_NAMES[answer.hello.version]
            seen.note(chosen, answer)
            if chosen is not version:
                break
            accepted.append(answer.hello.suite)
        await self._close(version, before, accepted)

    async def _close(self, version: TlsVersion, before: set[str], accepted: list[int]) -> None:
        """Every suite was offered until the rest was refused."""
        state = self.seen.versions[version]
        missing = sorted(state.suites - {suite_name(suite) for suite in accepted})
        if missing:
            words = f"it accepted {missing[0]} once, and refused it another time"
            state.open = Gap(Reason.CONTRADICTORY, words)
            self._leave_primes_open(state.open)
            return
        state.every = True
        state.settled = set(QUESTIONS)
        await self._preference(version, before, accepted)

    async def _preference(self, version: TlsVersion, before: set[str], accepted: list[int]) -> None:
        """Whose order counts: ``before`` holds the choice among the usual suites in one order, ``accepted`` begins with
        that among all of them in the other.
        """
        state = self.seen.versions[version]
        first = suite_name(accepted[0])
        offered_before = SUITES_1_3 if version is _1_3 else usual_suites(version)
        if len(accepted) == 1:
            state.preference = "one"
        elif (
            len(before) == 1 and self._shuffle is None and (first in before or accepted[0] in offered_before)
        ):
            state.preference = "server" if first in before else "client"
        else:
            pair = (accepted[-1], accepted[0])
            answer = await self._choose_any(version, pair)
            if isinstance(answer, Chosen):
                self.seen.note(version, answer)
                state.preference = "client" if answer.hello.suite == pair[0] else "server"
            elif isinstance(answer, Unclear):
                state.preference = answer.gap

    async def _classes(self, version: TlsVersion) -> None:
        """Group testing: offers every suite that would answer an open question, until none is chosen any more."""
        seen = self.seen
        state = seen.versions[version]
        elsewhere = {
            question
            for other in BEFORE_1_3
            if other is not version
            for question in _answered(seen.versions[other].suites)
        }
        state.settled |= _answered(state.suites)
        open_ = set(QUESTIONS) - state.settled - elsewhere
        for _ in range(len(QUESTIONS) + 1):
            suites = suites_answering(version, frozenset(open_))
            answer = await self._choose(version, self._shuffled(suites))
            if isinstance(answer, Unclear):
                state.open = answer.gap
                if open_ & {Goal.DHE, Goal.DHE_EXPORT}:
                    self._leave_primes_open(answer.gap)
                return
            if isinstance(answer, Chosen):
                chosen = VERSION_NAMES[answer.hello.version]
                seen.note(chosen, answer)
                if chosen is version:
                    answered = questions_of(answer.hello.suite)
                    state.settled |= answered
                    open_ -= answered
                    continue
            state.settled |= open_
            return


def _answered(suites: set[str]) -> set[Question]:
    codes = suite_codes()
    return {question for name in suites if name in codes for question in questions_of(codes[name])}
