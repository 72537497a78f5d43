"""What is asked once the versions and suites are known."""

from secscan.collection.sweep.asking import Chosen, Declined, Unclear
from secscan.collection.sweep.choosing import Choosing
from secscan.collection.sweep.conversation import Need
from secscan.collection.sweep.hellos import (
    CURVES_1_2,
    MANY,
    SCHEMES_ALL,
    VERSION_NAMES,
    elliptic_suites,
    hello_1_2,
    signed_suites,
    usual_suites,
)
from secscan.collection.sweep.seen import BEFORE_1_3
from secscan.collection.sweep.wire.code_points import (
    CURVES,
    WEAK_CURVES,
    WEAK_SCHEMES,
)
from secscan.facts import EVERY_GROUP, Gap, TlsVersion
from secscan.facts.certificate import Certificate, PublicKey, read_certificate

_1_2, _1_3 = TlsVersion.TLS1_2, TlsVersion.TLS1_3


class DetailQuestions(Choosing):
    """Curves, signatures, fallback, and what a hello without a name gets. None waits for another."""

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
        version = old[-2] if len(old) > 1 else old[-1]
        answer = await self.asker.ask(hello_1_2(version, self._accepted(version), fallback=True))
        match answer:
            case Declined():
                # RFC 7507 has an alert of its own for it, but who refuses in another way is as safe.
                seen.fallback_scsv = True
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
        known_suites = self._accepted(version)
        suites = (*known_suites, *(s for s in usual_suites(version) if s not in known_suites))
        answer = await self.asker.ask(self._hello(version, suites), need=Need.FLIGHT, named=False)
        match answer:
            case Declined():
                seen.without_name = None
            case Unclear(gap=gap):
                seen.without_name = gap
            case Chosen(flight=flight) if flight.certificates:
                seen.without_name = flight.certificates


def _agrees_on_curves(suites: set[str]) -> bool:
    return any(name.startswith(("TLS_ECDHE_", "TLS_ECDH_anon")) for name in suites)
