"""What is asked of a server, in which order, and what each answer settles."""

import functools

from secscan.collection.sweep.asking import OF_FORM, Answer, Chosen, Declined, Unclear
from secscan.collection.sweep.choosing import contradiction
from secscan.collection.sweep.details import DetailQuestions
from secscan.collection.sweep.hellos import (
    MANY,
    SCHEMES_ALL,
    SMALL,
    VERSION_NAMES,
    hello_1_2,
    hello_1_3,
    suites_for,
    usual_suites,
)
from secscan.collection.sweep.introduction import Introducing
from secscan.collection.sweep.seen import BEFORE_1_3
from secscan.collection.sweep.suites import SuiteQuestions
from secscan.collection.sweep.wire.code_points import (
    SSL2_KINDS,
    Alert,
)
from secscan.collection.sweep.wire.hello import ClientHello, encode_ssl2
from secscan.collection.sweep.wire.message import Ssl2Hello
from secscan.facts import Gap, Oddity, TlsVersion

_1_2, _1_3 = TlsVersion.TLS1_2, TlsVersion.TLS1_3


class Questions(SuiteQuestions, DetailQuestions, Introducing):
    """The questions to one server."""

    # --- First contact ---------------------------------------------------------------------------------------

    async def first_contact(self) -> Answer:
        """Finds a hello that is answered, which becomes the server's control: with everything new first, then with less
        and less. What the first was answered tells why there is none.
        """
        seen = self.seen
        answer = await self.asker.ask(hello_1_3(older=True))
        if isinstance(answer, Chosen):
            if VERSION_NAMES[answer.hello.version] is _1_3:
                seen.note(_1_3, answer)
            else:
                # What is chosen instead is asked again without TLS 1.3: tlslite-ng, for one, claims TLS 1.2 here even
                # where it is set to SSL 3.0, and falls back to that as soon as supported_versions is gone.
                seen.versions[_1_3].offered = False
            return answer
        first = answer
        for hello in self._humbler_hellos():
            if self.asker.out_of_time():
                break
            answer = await self.asker.ask(hello)
            if isinstance(answer, Chosen):
                self._explain(first)
                return answer
        if not self.asker.out_of_time():
            await self._ssl2()
        return first

    def _humbler_hellos(self) -> tuple[ClientHello, ...]:
        usual = usual_suites(_1_2)
        old = usual_suites(TlsVersion.TLS1_0)
        return (
            hello_1_2(_1_2, usual),
            hello_1_2(_1_2, usual[:SMALL], groups=(29, 23, 24), schemes=SCHEMES_ALL[:9], plain=True),
            hello_1_2(TlsVersion.TLS1_0, old, bare=True),
            hello_1_2(TlsVersion.SSLV3, old),
            hello_1_2(_1_2, suites_for(_1_2)),
            hello_1_2(TlsVersion.TLS1_0, suites_for(TlsVersion.TLS1_0)[:MANY]),
            hello_1_2(TlsVersion.SSLV3, suites_for(TlsVersion.SSLV3)[:MANY]),
        )

    def _explain(self, first: Answer) -> None:
        """Why the first hello was not answered while a humbler one was."""
        server = self.asker.server
        if isinstance(first, Declined) and first.alert is not None and first.alert not in OF_FORM:
            # It chose none of the usual suites, or speaks no version that was offered with them.
            return
        control = server.control
        assert isinstance(control, ClientHello)  # noqa: S101 - it is what was answered
        if control.bare:
            server.oddities.add(Oddity.EXTENSIONS)
            self._plain = True
        elif control.plain:
            server.oddities.add(Oddity.SIZE)
            self._plain = True
            self._most_suites = SMALL
        elif control.version == hello_1_2(_1_2, ()).version:
            server.oddities.add(Oddity.VERSION)

    # --- Versions --------------------------------------------------------------------------------------------

    async def tls_1_3(self) -> None:
        """Whether it is offered, if the first contact left that open, and then what of it."""
        state = self.seen.versions[_1_3]
        if isinstance(state.offered, Gap):
            answer = await self.asker.ask(hello_1_3())
            if isinstance(answer, Declined) and answer.alert != Alert.PROTOCOL_VERSION:
                # A hello without a public key is unusual enough to be refused for itself.
                answer = await self.asker.ask(hello_1_3(shares=True))
            if isinstance(answer, Chosen):
                self.seen.note(VERSION_NAMES[answer.hello.version], answer)
                if VERSION_NAMES[answer.hello.version] is not _1_3:
                    state.offered = False
            else:
                state.offered = answer.gap if isinstance(answer, Unclear) else False
        if state.offered is not True:
            self.seen.hybrids_gap = None if state.offered is False else state.offered
            return
        if self._full:
            await self._everything_1_3()
        else:
            await self.together([self._suites_1_3, self._groups_1_3])

    async def older_versions(self) -> None:
        """Newest first: what one version has settled need not be asked under the next."""
        seen = self.seen
        if seen.versions[TlsVersion.SSLV2].offered is not True:
            questions = [self._from_ssl3_on, self._ssl2]
        else:
            questions = [self._from_ssl3_on]
        await self.together(questions)
        if seen.offered() == [TlsVersion.SSLV2]:
            # It has no extensions, no renegotiation, no compression and no tickets.
            seen.secure_renegotiation = seen.client_renegotiation = seen.extended_master_secret = False
            seen.compression = seen.tickets = seen.heartbeat = seen.heartbleed = seen.ccs_injection = False

    async def _from_ssl3_on(self) -> None:
        newest, *older = reversed(BEFORE_1_3[1:])
        await self._follow(newest, await self._offer(newest))
        if self.seen.versions[newest].offered is not True:
            for version in older:
                await self._follow(version, await self._offer(version))
            return
        answers: dict[TlsVersion, Answer] = {}

        async def offer(version: TlsVersion) -> None:
            answers[version] = await self._offer(version)

        # Hardly any of them is offered any more: asked together they take no longer than one.
        await self.together([functools.partial(offer, version) for version in older])
        for version in older:
            await self._follow(version, answers[version])

    async def _offer(self, version: TlsVersion) -> Answer:
        """What the server makes of a version, whatever the suite."""
        seen = self.seen
        newer = BEFORE_1_3[BEFORE_1_3.index(version) + 1 :]
        if any(seen.versions[v].offered is True for v in newer):
            return await self._choose(version, suites_for(version))
        answer = await self._introduce(version, usual_suites(version))
        if isinstance(answer, Declined) and answer.alert != Alert.PROTOCOL_VERSION:
            rest = tuple(s for s in suites_for(version) if s not in usual_suites(version))
            answer = await self._introduce(version, rest)
        return answer

    async def _follow(self, version: TlsVersion, answer: Answer) -> None:
        """Takes note of a version, and asks about its suites where it is offered."""
        seen = self.seen
        state = seen.versions[version]
        if isinstance(answer, Unclear):
            if state.offered is not True:
                state.offered = answer.gap
            state.open = answer.gap
            self._leave_primes_open(answer.gap)
            return
        if isinstance(answer, Declined):
            state.offered = state.offered is True and contradiction(version)
            return
        chosen = VERSION_NAMES[answer.hello.version]
        seen.note(chosen, answer)
        if chosen is not version:
            # RFC 5246, appendix E.1: a server chooses the newest version that both know.
            state.offered = state.offered is True and contradiction(version)
            return
        if self._full:
            await self._every_suite(version)
        else:
            await self._classes(version)

    async def _ssl2(self) -> None:
        state = self.seen.versions[TlsVersion.SSLV2]
        answer = await self.asker.ask_ssl2(encode_ssl2())
        match answer:
            case Ssl2Hello(kinds=kinds, certificate=certificate):
                state.offered = True
                state.every = True
                state.preference = "client"
                state.suites |= {SSL2_KINDS[kind] for kind in kinds}
                if certificate:
                    self.seen.ssl2_leaf = certificate
            case Unclear(gap=gap):
                state.offered = gap
            case _:
                state.offered = False
