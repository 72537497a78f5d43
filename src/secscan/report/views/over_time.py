"""How an agency came here and where it goes: from what is known beside one judgement to what a page says."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import tzinfo

from secscan.history.advice import Step
from secscan.history.background import Glance, Point
from secscan.history.difference import Change, Changed
from secscan.model import Finding, Subject
from secscan.report.text import localised, visible
from secscan.report.views.given import AgencyData
from secscan.report.views.shown_over_time import (
    AttestedView,
    ChangesView,
    ChangeView,
    EndingView,
    GlanceView,
    PartView,
    PointView,
    ServiceView,
    SinceView,
    StepView,
    TrendView,
    Unlock,
    WayView,
)

#: Findings that changed in one way, before the rest is counted.
MOST_CHANGED = 6

#: Rules that are mended in one step, before the rest is left out.
MOST_ALSO = 3

#: Places of a certificate, and services of a host, that a page names. Hosts can answer on every port there is.
MOST_PLACES = 8
MOST_SERVICES = 60

#: Certificates that end soon, before the rest is left to ``secscan certs``.
MOST_ENDINGS = 40

BETTER = (Change.FIXED, Change.SEEN_AGAIN, Change.RETIRED)
WORSE = (Change.NEW, Change.REOPENED, Change.UNVERIFIED)


def trend_view(data: AgencyData) -> TrendView | None:
    """None where there is nothing to compare with: neither earlier runs nor enough others."""
    points = _points(data.background.trend, data.tz)
    peers = data.peers
    if len(points) < 2 and peers.country is None and peers.tier is None:
        return None
    return TrendView(points, peers.country, peers.tier)


def since_view(data: AgencyData, anchors: Collection[str]) -> SinceView | None:
    """None where no earlier run is known."""
    background, told = data.background, data.background.waterfall
    if background.since is None:
        return None
    return SinceView(
        run=background.since.run,
        day=background.since.at.astimezone(data.tz).date(),
        start=told.start if told else None,
        end=told.end if told else None,
        parts=tuple(PartView(cause, moved) for cause, moved in told.parts.items() if moved) if told else (),
        better=tuple(_changes(BETTER, data, anchors)),
        worse=tuple(_changes(WORSE, data, anchors)),
    )


def _changes(kinds: Sequence[Change], data: AgencyData, anchors: Collection[str]) -> Iterator[ChangesView]:
    for kind in kinds:
        found = [one for one in data.background.changes if one.change is kind]
        if found:
            gravest = tuple(_change(one, data, anchors) for one in found[:MOST_CHANGED])
            yield ChangesView(kind, len(found), gravest)


def _change(changed: Changed, data: AgencyData, anchors: Collection[str]) -> ChangeView:
    life = changed.life
    check = data.checks.get(life.check)
    return ChangeView(
        id=life.finding,
        anchor=life.finding if life.finding in anchors else "",
        host=visible(life.subject.id),
        port=port(life.subject),
        check=visible(life.check),
        claim=check.claim if check else "",
        severity=life.severity,
    )


def way_view(data: AgencyData, anchors: Collection[str], most: int) -> WayView | None:
    """The first ``most`` steps; None where no advice is known, or there is nothing to mend on the way."""
    advice = data.background.advice
    if advice is None or not advice.steps:
        return None
    last = advice.steps[-1]
    return WayView(
        steps=tuple(_step(step, data, anchors) for step in advice.steps[:most]),
        rest=len(advice.steps) - most,
        target=advice.target,
        reaches=advice.reaches,
        end=last.score,
        end_grade=last.grade,
    )


def _step(step: Step, data: AgencyData, anchors: Collection[str]) -> StepView:
    findings = [finding for fix in step.fixes for finding in fix.findings]
    gravest = max(findings, key=lambda finding: finding.severity)
    checks = list(dict.fromkeys(finding.check for finding in findings))
    check = data.checks.get(gravest.check)
    others = [data.checks[id].claim for id in checks if id in data.checks and id != gravest.check]
    is_cause = len(step.fixes) == 1 and len(checks) > 1 and len({_words(f) for f in findings}) == 1
    if step.gain > 0:
        unlock, gain = Unlock.NOW, step.gain
    else:
        unlock = Unlock.LATER if step.gain_without_caps > 0 else Unlock.NOTHING
        gain = step.gain_without_caps
    return StepView(
        anchor=gravest.id if gravest.id in anchors else "",
        claim=check.claim if check else "",
        check=visible(gravest.check),
        fix=check.fix if check else "",
        evidence=localised(gravest.evidence, data.tz) if is_cause else None,
        also=() if is_cause else tuple(others[:MOST_ALSO]),
        severity=gravest.severity,
        hosts=tuple(visible(host) for host in sorted({finding.subject.id for finding in findings})),
        findings=len(findings),
        unlock=unlock,
        gain=gain,
        score=step.score,
        grade=step.grade,
    )


def _words(finding: Finding) -> str:
    return finding.evidence.template


def ending_views(data: AgencyData) -> tuple[EndingView, ...]:
    """The first to end on top."""
    at = data.stamp.at
    return tuple(
        EndingView(
            holder=visible(one.holder),
            issuer=visible(one.issuer),
            ends=one.ends.astimezone(data.tz).date(),
            days=(one.ends - at).days,
            places=tuple(
                (visible(s.host), f"{s.transport}/{s.port}", visible(s.server_name))
                for s in one.services[:MOST_PLACES]
            ),
        )
        for one in data.background.endings[:MOST_ENDINGS]
    )


def attested_views(data: AgencyData, host_anchors: Mapping[str, str]) -> tuple[AttestedView, ...]:
    """What the inventory vouches for, by host; the newest test of each backup first."""
    found = []
    for host in data.hosts:
        for backup in host.backups:
            name = visible(backup.name or backup.tool or backup.path)
            common = {"host": visible(host.id), "host_anchor": host_anchors.get(host.id, ""), "backup": name}
            if backup.off_site:
                found.append(AttestedView(**common, on=None, by="", evidence=visible(backup.off_site)))
            for test in sorted(backup.restore_tests, key=lambda test: test.on, reverse=True):
                found.append(
                    AttestedView(**common, on=test.on, by=visible(test.by), evidence=visible(test.evidence))
                )
    return tuple(found)


def glance_view(host: str, data: AgencyData) -> GlanceView | None:
    """None where no more is known of the host than what was judged."""
    glance: Glance | None = data.background.glances.get(host)
    points = _points(data.background.of_hosts.get(host, ()), data.tz)
    changes = Counter(one.change for one in data.background.changes if one.life.subject.host == host)
    if glance is None:
        return None
    return GlanceView(
        system=visible(glance.system),
        kernel=visible(glance.kernel),
        booted_at=glance.booted_at.astimezone(data.tz) if glance.booted_at else None,
        seen_at=glance.seen_at.astimezone(data.tz) if glance.seen_at else None,
        services=tuple(
            ServiceView(
                port=f"{one.service.transport}/{one.service.port}",
                server_name=visible(one.service.server_name),
                what=visible(one.what, limit=100),
                is_declared=one.is_declared,
            )
            for one in glance.services[:MOST_SERVICES]
        ),
        points=points,
        changes={change: changes[change] for change in Change if changes[change]},
    )


def _points(trend: Sequence[Point], tz: tzinfo) -> tuple[PointView, ...]:
    return tuple(
        PointView(point.run, point.at.astimezone(tz).date(), point.range, point.is_break)
        for point in trend
        if point.range is not None
    )


def port(subject: Subject) -> str:
    """``tcp/443``; empty for a host as a whole."""
    return f"{subject.transport}/{subject.port}" if subject.port else ""
