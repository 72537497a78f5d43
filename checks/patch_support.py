"""How long the system is looked after: whether its release still gets security updates.

A day of the world's (an end of life, the date of the table that knows it) is held against the instant of judging.
"""

from collections.abc import Iterator
from datetime import date, datetime

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._missing import (
    is_stale,
    last_day,
)
from secscan.checks._words import called, day, short
from secscan.facts import (
    SystemFacts,
    known,
)
from secscan.model import Observation, Reason, Severity
from secscan.reference import EndOfLife

#: Distributions without releases, by their id in os-release(5).
ROLLING = frozenset({"arch", "opensuse-tumbleweed"})


class EndOfLifeLimits(Limits):
    table_days: int = Field(
        default=400,
        ge=1,
        le=3660,
        description="Days after which the dates of end of life no longer tell anything, and the rule is unknown.",
    )


class EndOfLifeSoonLimits(EndOfLifeLimits):
    days: int = Field(
        default=180, ge=1, le=1830, description="Days before the end from which the rule fails."
    )


@check("patch.end-of-life", severity=Severity.CRITICAL)
def end_of_life(
    seen: Observation[SystemFacts], dates: EndOfLife, limits: EndOfLifeLimits, at: datetime
) -> Iterator[Verdict]:
    """The operating system's release still gets security updates.

    Why: After its end of life nobody mends a release, while every flaw found in its successors is a hint how to
    break into it. The use of software without support is the first of CISA's Bad Practices, "dangerous", and "especially
    egregious" where the Internet reaches it. Paid support (ESM, EUS, ESU) counts where the host says that it takes part;
    free long-term support always counts.

    Fix: Move to a release that is supported (do-release-upgrade; on Debian, the release notes' chapter on upgrades;
    leapp on Red Hat), or install anew and move the service. Until then, cut the host off from all that does not need it.
    """
    told = _support(seen.facts, dates, limits, at)
    if isinstance(told, Verdict):
        yield told
        return
    name, ends = told
    if ends is None:
        yield passed("{system} has no known end of life.", system=name)
    elif at.date() > ends:
        yield failed(
            "{system} got its last security updates on {date}; a release that still gets them is expected.",
            system=name,
            date=str(ends),
        )
    else:
        yield passed("{system} gets security updates until {date}.", system=name, date=str(ends))


@check("patch.end-of-life-soon", severity=Severity.MEDIUM)
def end_of_life_soon(
    seen: Observation[SystemFacts], dates: EndOfLife, limits: EndOfLifeSoonLimits, at: datetime
) -> Iterator[Verdict]:
    """The operating system's release gets security updates for longer than a move to the next takes.

    Why: Moving a service to a new release takes budget, tests and a window. Begun after the end of life, all of that
    happens while the host stands open.

    Fix: Plan the move now: which release, who tests, when. Where it can't be done in time, ask the vendor for extended
    support.
    """
    told = _support(seen.facts, dates, limits, at)
    if isinstance(told, Verdict):
        yield told
        return
    name, ends = told
    if ends is None:
        yield passed("{system} has no known end of life.", system=name)
    elif ends < at.date():
        yield failed(
            "{system} got its last security updates on {date}; an end yet to come is expected (days: more than {days}).",
            system=name,
            date=str(ends),
            days=limits.days,
        )
    elif (ends - at.date()).days <= limits.days:
        yield failed(
            "{system} gets its last security updates on {date}; a later end is expected (days: more than {days}).",
            system=name,
            date=str(ends),
            days=limits.days,
        )
    else:
        yield passed("{system} gets security updates until {date}.", system=name, date=str(ends))


def _support(
    system: SystemFacts, dates: EndOfLife, limits: EndOfLifeLimits, at: datetime
) -> tuple[str, date | None] | Verdict:
    """The release's name and the last day on which this host gets security updates, or why neither is known."""
    release = known(system.release)
    if release.id.lower() in ROLLING:
        return not_applicable(
            "{system} has no releases: it is updated for good, and patch.last-change tells whether it is.",
            system=called(release),
        )
    lifetime, as_of = dates.lifetime(release), dates.as_of(release)
    if lifetime is None or as_of is None:
        return unknown(
            Reason.NOT_COLLECTED,
            "No date of end of life is known for {system}; bring endoflife.date's JSON of it and run: "
            "secscan feeds import FILE",
            system=called(release),
        )
    ends = last_day(release, dates)
    # Dates ahead are moved; of a release that had ended when the table was made, an old table still says so.
    if is_stale(as_of, limits.table_days, at) and (ends is None or ends >= as_of.date()):
        return unknown(
            Reason.STALE_FEED,
            "The dates of end of life are of {date}, older than allowed (days: {days}); by them {system} ends on {ends}. "
            "Bring newer ones and run: secscan feeds import FILE",
            date=day(as_of),
            days=limits.table_days,
            system=short(lifetime.name),
            ends=str(ends or "-"),
        )
    return short(lifetime.name), ends
