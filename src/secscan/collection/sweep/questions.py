"""What is asked of a server, in which order, and what each answer settles."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from secscan.collection.sweep.asking import OF_FORM, Answer, Asker, Chosen, Declined, Unclear
from secscan.collection.sweep.conversation import Line, Need, provoke
from secscan.collection.sweep.hellos import (
    CURVES_1_2,
    GROUPS_1_3,
    MANY,
    NULL_1_3,
    QUESTIONS,
    SCHEMES_ALL,
    SMALL,
    SUITES_1_3,
    VERSION_NAMES,
    Goal,
    Question,
    chunks,
    elliptic_suites,
    hello_1_2,
    hello_1_3,
    questions_of,
    signed_suites,
    suites_answering,
    suites_for,
    usual_suites,
)
from secscan.collection.sweep.seen import BEFORE_1_3, Seen
from secscan.collection.sweep.wire.code_points import (
    CURVES,
    POST_QUANTUM,
    SSL2_KINDS,
    WEAK_CURVES,
    WEAK_SCHEMES,
    Alert,
    Extension,
    suite_codes,
    suite_name,
)
from secscan.collection.sweep.wire.hello import ClientHello, encode_ssl2
from secscan.collection.sweep.wire.message import Ssl2Hello
from secscan.collection.sweep.wire.record import Flight, change_cipher, empty_heartbeat
from secscan.facts import EVERY_GROUP, Depth, Gap, Oddity, SuiteClass, TlsVersion
from secscan.facts.certificate import Certificate, PublicKey, read_certificate
from secscan.facts.suites import classes_of
from secscan.model import Reason

#: What a web server is asked to choose among (RFC 7301).
PROTOCOLS = (b"h2", b"http/1.1")

_1_2, _1_3 = TlsVersion.TLS1_2, TlsVersion.TLS1_3

#: A suite is looked for at most so often: no server has more suites than there are.
_MOST_ROUNDS = 400


class Questions:
    """The questions to one server. ``shuffle`` asks what may be asked in any order in an order of its own."""

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

    # --- First contact ---------------------------------------------------------------------------------------

    async def first_contact(self) -> Answer:
        """Finds a hello that is answered: with everything new first, then with less and less."""
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
        assert control is not None  # noqa: S101 - set by what was answered
        if control.bare:
            server.oddities.add(Oddity.EXTENSIONS)
            self._plain = True
        elif control.plain:
            server.oddities.add(Oddity.SIZE)
            self._plain = True
            self._most_suites = SMALL
        elif control.version == hello_1_2(_1_2, ()).version:
            server.oddities.add(Oddity.VERSION)

    # --- TLS 1.3 ------------------------------------------------------------------------------------------------

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

    # --- Before TLS 1.3 -------------------------------------------------------------------------------------------

    async def older_versions(self) -> None:
        """Newest first: what one version has settled need not be asked under the next."""
        for version in reversed(BEFORE_1_3[1:]):
            await self._version(version)
        await self._ssl2()

    async def _version(self, version: TlsVersion) -> None:
        seen = self.seen
        state = seen.versions[version]
        best = next(
            (v for v in reversed(BEFORE_1_3[1:]) if seen.versions[v].offered is True and v is not version),
            None,
        )
        first = best is None or list(TlsVersion).index(best) < list(TlsVersion).index(version)
        # Where a newer version is offered, the older ones are hardly ever, and one refusal is all it takes.
        usual = usual_suites(version) if first else suites_for(version)
        answer = await self._choose(version, usual, first=first)
        if first and isinstance(answer, Declined) and answer.alert != Alert.PROTOCOL_VERSION:
            rest = tuple(s for s in suites_for(version) if s not in usual_suites(version))
            answer = await self._choose(version, rest, first=first)
        if isinstance(answer, Unclear):
            if state.offered is not True:
                state.offered = answer.gap
            state.open = answer.gap
            self._leave_primes_open(answer.gap)
            return
        if isinstance(answer, Declined):
            if state.offered is True:
                state.open = Gap(
                    Reason.CONTRADICTORY, f"it chose {version} once, and refused it another time"
                )
                state.offered = state.open
            else:
                state.offered = False
            return
        chosen = VERSION_NAMES[answer.hello.version]
        seen.note(chosen, answer)
        if chosen is not version:
            # RFC 5246, appendix E.1: a server chooses the newest version that both know.
            state.offered = state.offered is True and _contradiction(version)
            return
        if self._full:
            await self._every_suite(version)
        else:
            await self._classes(version)

    async def _choose(self, version: TlsVersion, suites: tuple[int, ...], *, first: bool = False) -> Answer:
        """One hello for all these suites; in pieces where the server can't bear so many."""
        if not suites:
            return Declined(None, "nothing was offered")
        if first:
            return await self._introduce(version, suites)
        size = self._most_suites or len(suites)
        answer: Answer = Declined(None, "nothing was offered")
        pieces = list(chunks(suites, size))
        while pieces:
            piece = pieces.pop(0)
            answer = await self.asker.ask(self._hello(version, piece), need=Need.FLIGHT)
            if isinstance(answer, Chosen):
                return answer
            if len(piece) > MANY and _of_form(answer) and not self.asker.out_of_time():
                pieces = [*chunks(piece, MANY), *pieces]
                continue
            if isinstance(answer, Unclear):
                return answer
        return answer

    def _unseen_first(self, codes: tuple[int, ...], seen: set[int]) -> tuple[int, ...]:
        """Where all is asked, each answer about something else may name one that was not seen yet."""
        return tuple(sorted(codes, key=lambda code: code in seen)) if self._full else codes

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

    async def _choose_any(
        self, version: TlsVersion, suites: tuple[int, ...], *, groups: tuple[int, ...] = GROUPS_1_3
    ) -> Answer:
        if version is not _1_3:
            return await self._choose(version, suites)
        if not suites:
            return Declined(None, "nothing was offered")
        return await self.asker.ask(hello_1_3(suites, groups=groups))

    def _shuffled(self, suites: tuple[int, ...]) -> tuple[int, ...]:
        return suites if self._shuffle is None else tuple(self._shuffle.sample(suites, len(suites)))

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

    def _leave_primes_open(self, gap: Gap) -> None:
        if self.seen.prime_gap is None:
            self.seen.prime_gap = gap

    # --- What a first hello shows beside its choice -----------------------------------------------------------

    async def _introduce(self, version: TlsVersion, suites: tuple[int, ...]) -> Answer:
        """The fullest hello, to the end of the server's flight, and an early ChangeCipherSpec after it."""
        alpn = () if self.seen.starttls or self._plain else PROTOCOLS
        hello = (
            self._hello(version, suites) if self._plain else hello_1_2(version, suites, alpn=alpn, first=True)
        )
        answer = await self._ask_and_provoke(hello)
        if isinstance(answer, Declined) and answer.alert == Alert.NO_APPLICATION_PROTOCOL:
            self.seen.alpn_gap = None
            answer = await self._ask_and_provoke(replace(hello, alpn=()))
        if not isinstance(answer, Chosen):
            if _of_form(answer) and not self._plain:
                return await self.asker.ask(hello_1_2(version, suites), need=Need.FLIGHT)
            return answer
        if VERSION_NAMES[answer.hello.version] is version:
            self._note_extensions(answer, hello)
        return answer

    def _note_extensions(self, answer: Chosen, hello: ClientHello) -> None:
        seen, extensions = self.seen, answer.hello.extensions
        seen.secure_renegotiation = Extension.RENEGOTIATION_INFO in extensions
        seen.compression = answer.hello.compression != 0
        if hello.bare:
            # It was asked nothing of these, because it can't bear extensions or the version has none.
            seen.extended_master_secret = seen.tickets = seen.heartbeat = False
            seen.heartbleed = False
            seen.alpn_gap = None
        else:
            seen.extended_master_secret = Extension.EXTENDED_MASTER_SECRET in extensions
            seen.tickets = Extension.SESSION_TICKET in extensions
            if hello.heartbeat:
                seen.heartbeat = Extension.HEARTBEAT in extensions
                if seen.heartbeat is False:
                    seen.heartbleed = False
        if hello.alpn:
            seen.alpn_gap = None
            chosen = extensions.get(Extension.ALPN, b"")
            if len(chosen) > 3:
                seen.alpn.add(chosen[3:].decode("ascii", "replace")[:100])
        if answer.complete and seen.client_certificate not in ("asked", "required"):
            seen.client_certificate = "not-asked"
        seen.downgrade_mark = answer.hello.marked

    async def _ask_and_provoke(self, hello: ClientHello) -> Answer:
        """As ``ask``, and over the same connection what only a flawed server takes without complaint."""
        asker = self.asker
        async with asker.line() as line:
            if isinstance(line, Line):
                heard = await asker.say_over(line, hello, need=Need.FLIGHT)
                flight = heard.flight
                if flight.hello is not None and flight.done and flight.hello.version <= hello.version:
                    await self._provoke(line, flight)
                    return asker.checked(hello, heard)
        return await asker.ask(hello, need=Need.FLIGHT)

    async def _provoke(self, line: Line, flight: Flight) -> None:
        """CVE-2014-0224 and CVE-2014-0160 by one ChangeCipherSpec, and a heartbeat before it.

        Who takes the ChangeCipherSpec goes on with an empty key, and finds the second one undecipherable; everybody
        else finds it unexpected, or closes (the reading is that of nmap's ssl-ccs-injection).
        """
        seen = self.seen
        assert flight.hello is not None  # noqa: S101 - the caller looked
        version = flight.hello.version
        loop = asyncio.get_running_loop()
        wait = min(self.asker.server.settings.patience, 0.5 + 4 * self.asker.server.quickest)
        heartbeat = Extension.HEARTBEAT in flight.hello.extensions
        message = (empty_heartbeat(version) if heartbeat else b"") + change_cipher(version)
        await provoke(line, flight, message, until=loop.time() + wait)
        if heartbeat:
            seen.heartbleed = flight.heartbeats > 0
        if not line.late:
            seen.ccs_injection = False
            return
        await provoke(line, flight, change_cipher(version), until=loop.time() + wait)
        if line.late:
            seen.ccs_injection = Gap(Reason.TIMED_OUT, "it said nothing to an early change of cipher")
        else:
            seen.ccs_injection = flight.alert in (Alert.BAD_RECORD_MAC, Alert.DECRYPTION_FAILED)

    # --- SSL 2.0 -------------------------------------------------------------------------------------------------

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
                    self.seen.add_chain((certificate,), None)
            case Unclear(gap=gap):
                state.offered = gap
            case _:
                state.offered = False

    # --- What else ------------------------------------------------------------------------------------------------

    async def curves(self) -> None:
        """Weak curves by group testing; every curve where all is asked."""
        seen = self.seen
        version = next(
            (v for v in reversed(BEFORE_1_3[1:]) if _agrees_on_curves(seen.versions[v].suites)), None
        )
        if version is None:
            gap = next(
                (
                    s.offered
                    for v, s in seen.versions.items()
                    if isinstance(s.offered, Gap) and v in BEFORE_1_3
                ),
                None,
            )
            if gap is not None:
                seen.groups_gap = gap
            elif seen.versions[_1_3].offered is not True:
                seen.groups_gap, seen.groups_below = None, EVERY_GROUP
            elif not self._full:
                seen.groups_gap = None
            elif seen.groups_gap is None:
                seen.groups_below = EVERY_GROUP
            return
        left = set(CURVES_1_2) - seen.groups if self._full else set(WEAK_CURVES)
        anchor = self._certificate_curves()
        before = seen.groups_gap if self._full and seen.versions[_1_3].offered is True else None
        while left:
            groups = (*(group for group in CURVES_1_2 if group in left), *anchor)
            answer = await self.asker.ask(
                self._hello(version, elliptic_suites(version)[:MANY], groups=groups), need=Need.FLIGHT
            )
            if isinstance(answer, Unclear):
                seen.groups_gap = answer.gap
                return
            if isinstance(answer, Declined):
                break
            seen.note(VERSION_NAMES[answer.hello.version], answer)
            if answer.exchange.group not in left:
                break
            left.discard(answer.exchange.group)
        seen.groups_gap = before
        if self._full and before is None:
            seen.groups_below = EVERY_GROUP

    def _certificate_curves(self) -> tuple[int, ...]:
        """Curves without which a server can't use its only certificate (RFC 8422, section 5.1.1), and so would refuse
        whatever else was offered. They come last; who prefers them nevertheless is not asked further.
        """
        codes = {name: code for code, name in CURVES.items()}
        kinds = {slot for slot, _ in self.seen.chains}
        if kinds != {"ECDSA"}:
            return ()
        leaves = (read_certificate(certificates[0]) for _, certificates in self.seen.chains)
        keys = (leaf.key for leaf in leaves if isinstance(leaf, Certificate))
        return tuple(
            sorted({codes[key.curve] for key in keys if isinstance(key, PublicKey) and key.curve in codes})
        )

    async def signatures(self) -> None:
        """SHA-1 and MD5 in TLS 1.2; every scheme where all is asked."""
        seen = self.seen
        state = seen.versions[_1_2]
        if state.offered is not True:
            gap = state.offered if isinstance(state.offered, Gap) else None
            seen.weak_schemes_gap = seen.schemes_gap = gap
            return
        if not any("DHE_" in name for name in state.suites):
            seen.weak_schemes_gap = seen.schemes_gap = None
            return
        if self._full:
            seen.weak_schemes_gap = seen.schemes_gap = await self._schemes(set(SCHEMES_ALL) - seen.schemes)
        else:
            seen.weak_schemes_gap = await self._schemes(set(WEAK_SCHEMES), once=True)

    async def _schemes(self, left: set[int], *, once: bool = False) -> Gap | None:
        while left:
            schemes = tuple(scheme for scheme in SCHEMES_ALL if scheme in left)
            answer = await self.asker.ask(
                self._hello(_1_2, signed_suites()[:MANY], schemes=schemes), need=Need.FLIGHT
            )
            if isinstance(answer, Declined):
                return None
            if isinstance(answer, Unclear):
                return answer.gap
            self.seen.note(VERSION_NAMES[answer.hello.version], answer)
            if once or answer.exchange.scheme not in left:
                return None
            left = left - {answer.exchange.scheme}
        return None

    async def fallback(self) -> None:
        """RFC 7507: a hello for less than the server's best, which says that it is a second try."""
        seen = self.seen
        offered = [v for v in seen.offered() if v is not TlsVersion.SSLV2]
        old = [v for v in offered if v is not _1_3]
        if not old or len(offered) < 2 or (not self._full and len(old) < 2):
            return
        version = old[-1] if offered[-1] is _1_3 else old[-2]
        if not self._full or len(old) >= 2:
            version = old[-2]
        suites = tuple(s for s in suites_for(version) if suite_name(s) in seen.versions[version].suites)
        answer = await self.asker.ask(hello_1_2(version, suites, fallback=True))
        match answer:
            case Declined(alert=alert):
                # Who only closes the connection, or alerts in another way, refuses all the same.
                seen.fallback_scsv = (
                    alert is None or alert == Alert.INAPPROPRIATE_FALLBACK or alert != Alert.INTERNAL_ERROR
                )
            case Chosen():
                seen.fallback_scsv = False
            case Unclear(gap=gap):
                seen.fallback_scsv = gap

    async def without_name(self) -> None:
        """The chain that a hello without a server name gets."""
        seen = self.seen
        version = next((v for v in reversed(BEFORE_1_3[1:]) if seen.versions[v].offered is True), None)
        if not self.asker.server.server_name or version is None:
            return
        known_suites = tuple(s for s in suites_for(version) if suite_name(s) in seen.versions[version].suites)
        suites = (*known_suites, *(s for s in usual_suites(version) if s not in known_suites))
        answer = await self.asker.ask(self._hello(version, suites), need=Need.FLIGHT, named=False)
        match answer:
            case Declined():
                seen.without_name = None
            case Unclear(gap=gap):
                seen.without_name = gap
            case Chosen(flight=flight) if flight.certificates:
                seen.without_name = flight.certificates


def _contradiction(version: TlsVersion) -> Gap:
    return Gap(Reason.CONTRADICTORY, f"it chose {version} once, and refused it another time")


async def _run(question: Callable[[], Awaitable[None]]) -> None:
    await question()


def _of_form(answer: Answer) -> bool:
    """It may have been the form of the hello that was refused: an alert about that, a closed connection, silence."""
    match answer:
        case Declined(alert=alert):
            return alert is None or alert in OF_FORM
        case Unclear(gap=gap):
            return gap.reason is not Reason.CONTRADICTORY
    return False


def _answered(suites: set[str]) -> set[Question]:
    codes = suite_codes()
    return {question for name in suites if name in codes for question in questions_of(codes[name])}


def _agrees_on_curves(suites: set[str]) -> bool:
    return any(name.startswith(("TLS_ECDHE_", "TLS_ECDH_anon")) for name in suites)
