"""Agencies with a past: what a scorecard tells beside one judgement, made up and alike on every run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

from secscan.history import Aged, settle
from secscan.history.advice import Hosts, advise
from secscan.history.background import Background, Ending, Glance, Listening, Point
from secscan.history.difference import Change, Changed
from secscan.history.waterfall import CAUSES, Cause, Waterfall
from secscan.model import DeclaredBackup, Outcome, Range, RestoreTest, Service
from secscan.report.views import AgencyData
from secscan.report.views.given import Peers
from tests.report import samples

#: Verified and possible of the last runs; the rules changed before the fifth.
PAST = ((48, 66), (51, 66), (50, 70), (57, 70), (44, 61), (46, 60), (53, 62))
BREAK = 4

PEERS = Peers(country=Fraction(613, 10), tier=Fraction(668, 10))

LAST = samples.AT - timedelta(days=7)


def make_background(data: AgencyData) -> Background:
    """A past of eight runs, a week apart, whose last led to the judgement of ``data``."""
    end = data.score.range or Range(Fraction(0), Fraction(0))
    start = Fraction(PAST[-1][0])
    moved = {Cause.ADDED: Fraction(-21, 10), Cause.NEW: Fraction(-46, 10), Cause.VERIFIED: Fraction(12, 10)}
    moved[Cause.FIXED] = end.verified - start - sum(moved.values())
    return Background(
        trend=(*points(), Point(42, samples.AT, end, is_break=False)),
        of_hosts={host.id: points() for host in data.hosts},
        since=replace(data.stamp, run=41, at=LAST),
        changes=changes(data),
        waterfall=Waterfall(start, end.verified, {cause: moved.get(cause, Fraction(0)) for cause in CAUSES}),
        advice=advise(
            Hosts(
                {host.id: tuple(f for f in data.findings if f.subject.id == host.id) for host in data.hosts},
                {host.id: host.criticality for host in data.hosts},
                lambda _host: data.baseline,
            ),
            data.baseline,
        )
        if data.hosts
        else None,
        endings=tuple(
            Ending(
                f"cong-{n}.vi-du.example",
                "CN=Local Test CA",
                samples.AT + timedelta(days=days),
                (Service(data.hosts[n].id, "tcp", 443, f"cong-{n}.vi-du.example"),),
            )
            for n, days in enumerate((-12, 9, 64)[: len(data.hosts)])
        ),
        glances={
            host.id: Glance(
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-18-amd64",
                samples.AT - timedelta(days=40),
                samples.AT - timedelta(hours=2),
                (
                    Listening(Service(host.id, "tcp", 22), "OpenSSH 9.2p1", is_declared=True),
                    Listening(
                        Service(host.id, "tcp", 443, host.server_name), "nginx 1.22.1", is_declared=True
                    ),
                    Listening(Service(host.id, "tcp", 8081), "", is_declared=False),
                ),
            )
            for host in data.hosts
        },
    )


def points(past: Sequence[tuple[int, int]] = PAST) -> tuple[Point, ...]:
    return tuple(
        Point(
            42 - len(past) + n,
            samples.AT - timedelta(weeks=len(past) - n),
            Range(Fraction(verified), Fraction(possible)),
            n == BREAK,
        )
        for n, (verified, possible) in enumerate(past)
    )


def changes(data: AgencyData) -> tuple[Changed, ...]:
    """The first failures are new, relapsed or gone out of sight, and as many are fixed."""
    failures = [finding for finding in data.findings if finding.outcome is Outcome.FAIL]
    lives = settle({}, failures, LAST)
    kinds = (Change.NEW, Change.NEW, Change.REOPENED, Change.FIXED, Change.FIXED, Change.UNVERIFIED)
    found = [
        Changed(kind, lives[finding.id], None, finding)
        for kind, finding in zip(kinds * 2, failures, strict=False)
    ]
    return tuple(sorted(found, key=lambda one: list(Change).index(one.change)))


def make_aged(data: AgencyData) -> dict[str, Aged]:
    """Every failure since New Year; every third past its deadline."""
    failures = [finding for finding in data.findings if finding.outcome is Outcome.FAIL]
    lives = settle({}, failures, samples.AT - timedelta(days=67))
    return {
        id: Aged(life, samples.AT + timedelta(days=(-20, 11, 40)[n % 3]), n % 3 == 0)
        for n, (id, life) in enumerate(lives.items())
    }


def with_history(data: AgencyData) -> AgencyData:
    """The agency with a past, peers, deadlines, and a backup on its first host that somebody vouches for."""
    backup = DeclaredBackup(
        name="nightly",
        tool="restic",
        off_site="the archive in the next province",
        restore_tests=(RestoreTest(date(2026, 2, 1), "Lê Thị Hòa", "minutes 12/2026"),),
    )
    hosts = tuple(replace(host, backups=(backup,)) if n == 0 else host for n, host in enumerate(data.hosts))
    data = replace(data, hosts=hosts, peers=PEERS, aged=make_aged(data))
    return replace(data, background=make_background(data))


def hostile_background(data: AgencyData, text: str) -> Background:
    """A past in which every word that came from a host is ``text``."""
    (host, *_) = data.hosts
    made = make_background(data)
    service = Service(text, "tcp", 443, text)
    return replace(
        made,
        endings=(Ending(text, text, samples.AT, (service,)),),
        glances={host.id: Glance(text, text, None, None, (Listening(service, text, is_declared=False),))},
    )
