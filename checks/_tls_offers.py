"""What a server was seen to accept in TLS, and when that is enough to say that it accepts nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass

from secscan.facts import Gap, SuiteClass, TlsFacts, TlsVersion, VersionOffer, known
from secscan.facts.suites import Trait, in_class, traits
from secscan.model import Reason

#: Versions before TLS 1.3, which did away with renegotiation, compression and all old suites.
BEFORE_1_3 = (
    TlsVersion.SSLV2,
    TlsVersion.SSLV3,
    TlsVersion.TLS1_0,
    TlsVersion.TLS1_1,
    TlsVersion.TLS1_2,
)

#: Of these, those whose handshakes are renegotiated, resumed and bound to an extension: SSL 2.0 knows none of it.
RENEGOTIABLE = BEFORE_1_3[1:]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The names of all suites seen to be accepted, and the versions whose lists must be good for a claim."""

    #: By their IANA names, sorted.
    names: tuple[str, ...]
    matter: tuple[VersionOffer, ...]
    anything: bool

    def having(self, kind: SuiteClass) -> str:
        """The suites of a class; empty where none was seen to be accepted."""
        return listed(name for name in self.names if in_class(name, kind))

    def settle(self, kind: SuiteClass) -> None:
        """Raises NotSeen where a suite of the class may be accepted that was not seen, or one was that tells nothing."""
        for offer in self.matter:
            if known(offer.offered):
                known(offer.suites)
                if not offer.settles(kind):
                    known(offer.unsettled)
        if not self.anything:
            known(_NOTHING_OFFERED)
        for name in self.names:
            if Trait.UNKNOWN in traits(name):
                known(Gap(Reason.UNPARSED, f"a suite that we don't know is accepted: {name[:100]}"))


def accepted_suites(facts: TlsFacts, matters: Iterable[TlsVersion]) -> Accepted:
    """The suites of every version; only under the versions that matter must none be missing."""
    offers = [offer for offer in facts.versions if offer.offered is not False]
    names = {suite.name for o in offers if not isinstance(o.suites, Gap) for suite in o.suites}
    return Accepted(
        tuple(sorted(names)),
        tuple(facts.offer(version) for version in matters),
        any(offer.offered is True for offer in offers),
    )


_NOTHING_OFFERED = Gap(Reason.CONTRADICTORY, "it speaks TLS, but no version was seen to be accepted")


def offered_versions(facts: TlsFacts) -> list[str]:
    """The versions known to be offered. Raises NotSeen where there is none: then nothing else can be believed."""
    offered = [offer.version.value for offer in facts.versions if offer.offered is True]
    if not offered:
        known(next((o.offered for o in facts.versions if isinstance(o.offered, Gap)), _NOTHING_OFFERED))
    return offered


def offers_any(facts: TlsFacts, versions: Iterable[TlsVersion]) -> bool:
    """One that is offered is enough; that there is none takes all to be known, and raises NotSeen otherwise."""
    offers = [facts.offer(version).offered for version in versions]
    return any(offered is True for offered in offers) or any(known(offered) for offered in offers)


def listed(names: Iterable[str]) -> str:
    """The first five and how many more; names come from the collector, bounded all the same."""
    every = [name[:100] for name in names]
    shown = ", ".join(every[:5])
    return f"{shown} (+{len(every) - 5})" if len(every) > 5 else shown
