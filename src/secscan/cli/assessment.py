"""A judgement on the terminal, and as JSON, CSV and HTML for whoever asked for it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

import click
from rich.padding import Padding
from rich.text import Text as Styled

from secscan.alphabet import sort_key
from secscan.baseline import Baseline
from secscan.check import Check
from secscan.cli.console import CLEAN, COVERAGE, FINDINGS, out, table
from secscan.history import Aged
from secscan.language import _, in_use, plural
from secscan.model import (
    Finding,
    GroupScore,
    Inventory,
    Judgement,
    Outcome,
    Range,
    Severity,
    Stamp,
    Subject,
    SubjectLevel,
    Waiver,
)
from secscan.report import formats
from secscan.report.text import sentence, visible
from secscan.report.words import outcome_word, reason_word, severity_word, state_word
from secscan.scoring import MUCH_WAIVED

if TYPE_CHECKING:
    from secscan.report.exported import Exported

#: More findings of one kind than this are counted, not listed, on the terminal.
MOST_PLACES = 8

COLOURS = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A judgement and what it takes to show it."""

    judgement: Judgement
    inventory: Inventory
    baseline: Baseline
    checks: Mapping[str, Check]
    #: What time has made of findings, by their id; nothing where no history is kept.
    aged: Mapping[str, Aged] = field(default_factory=dict)
    #: By key, those that are in the file today.
    waivers: Mapping[str, Waiver] = field(default_factory=dict)

    def aged_by_host(self) -> dict[str, list[Aged]]:
        by_host: dict[str, list[Aged]] = {}
        for one in self.aged.values():
            by_host.setdefault(one.life.subject.id, []).append(one)
        return by_host


def exit_code(
    shown: Shown, *, fail_on: str, min_coverage: float | None, agencies: Collection[str] = ()
) -> int:
    """0 clean; 1 findings at or above ``fail_on``; 3 too little was seen. 1 wins over 3."""
    groups = [shown.judgement.agencies[id] for id in agencies if id in shown.judgement.agencies]
    members = {host for group in groups for host in group.members}
    findings = [f for f in _all(shown) if not groups or f.subject.host in members]
    if fail_on != "never":
        limit = Severity[fail_on.upper()]
        if any(f.outcome is Outcome.FAIL and f.severity >= limit for f in findings):
            return FINDINGS
    enough = float(shown.baseline.scoring.enough_coverage) * 100 if min_coverage is None else min_coverage
    seen = groups or [shown.judgement.whole]
    expected = sum(group.coverage.expected for group in seen)
    evaluated = sum(group.coverage.evaluated for group in seen)
    share = float(evaluated / expected) * 100 if expected else 0.0
    return COVERAGE if share < enough else CLEAN


# --- On the terminal ------------------------------------------------------------------------------------


def print_audit(shown: Shown) -> None:
    """Findings by severity with evidence and fix, what could not be seen, and the score of each host."""
    failures = [f for f in _all(shown) if f.outcome is Outcome.FAIL]
    _print_failures(shown, failures)
    _print_unseen([f for f in _all(shown) if f.outcome in (Outcome.UNKNOWN, Outcome.ERROR)])
    passes = sum(f.outcome is Outcome.PASS for f in _all(shown))
    click.echo(plural("{n} rule passed.", "{n} rules passed.", passes))
    if len(shown.judgement.hosts) > 1:
        rows = [
            (host, _range(score.range), formats.percent(score.coverage.share))
            for host, score in sorted(shown.judgement.hosts.items(), key=lambda item: sort_key(item[0]))
        ]
        out().print(table("", [_("Host"), _("Score"), _("Coverage")], rows, right=[1, 2]))
    for group in shown.judgement.agencies.values():
        _print_headline(group, shown)


def print_agencies(shown: Shown) -> None:
    """One row an agency: grade, range, coverage, and what is open."""
    judgement = shown.judgement
    late = Counter(one.life.subject.id for one in shown.aged.values() if one.is_overdue)
    adjusted = judgement.adjusted.agencies if judgement.adjusted else {}
    rows = []
    by_name = sorted(
        shown.inventory.agencies.items(), key=lambda item: (sort_key(item[1].name(in_use())), item[0])
    )
    for id, agency in by_name:
        group = judgement.agencies.get(id)
        if group is None:
            continue
        open_now = Counter(
            f.severity
            for host in group.members
            for f in judgement.findings.get(host, ())
            if f.outcome is Outcome.FAIL
        )
        graves = [str(open_now[s]) if open_now[s] else "·" for s in sorted(Severity, reverse=True)[:3]]
        rows.append(
            (
                agency.name(in_use()),
                group.grade or _("not assessed"),
                _range(group.range),
                formats.percent(group.coverage.share) if group.range else "",
                _("yes") if group.meets_baseline else _("no"),
                str(len(group.members)),
                *graves,
                *((_adjusted(adjusted.get(id)),) if adjusted else ()),
                *((str(sum(late[host] for host in group.members) or "·"),) if shown.aged else ()),
            )
        )
    columns = [_("Agency"), _("Grade"), _("Score"), _("Coverage"), _("Meets"), _("Hosts")]
    columns += [severity_word(s) for s in sorted(Severity, reverse=True)[:3]]
    columns += [_("Adjusted")] if adjusted else []
    columns += [_("Overdue")] if shown.aged else []
    out().print(table("", columns, rows, right=[2, 3, *range(5, len(columns))]))
    meeting = sum(group.meets_baseline for group in judgement.agencies.values())
    click.echo(
        _("Agencies that meet the baseline ({baseline}): {n} of {m}.").format(
            n=meeting, m=len(judgement.agencies), baseline=shown.baseline.title(in_use())
        )
    )


def _adjusted(group: GroupScore | None) -> str:
    if group is None or group.range is None:
        return ""
    much = " " + _("(much is waived)") if group.waived_share > MUCH_WAIVED else ""
    return f"{formats.score(group.range.verified)} {group.grade}{much}"


def print_listing(rows: "Sequence[Exported]", stamp: Stamp, clock: Callable[[datetime], str]) -> None:
    """One line a finding, the gravest first, with its life and its deadline."""
    lines = [
        (
            row.finding.id,
            severity_word(row.finding.severity),
            _standing(row.finding, row.aged),
            *_times(row.aged, stamp.at),
            row.finding.check,
            place(row.finding),
            row.finding.object,
            sentence(row.finding.evidence),
        )
        for row in sorted(rows, key=lambda row: _gravest_first(row.finding))
    ]
    columns = [_("Finding"), _("Severity"), _("State"), _("First seen"), _("Age"), _("Due"), _("Check")]
    columns += [_("Where"), _("Object"), _("Evidence")]
    if lines:
        out().print(table("", columns, lines, right=[4]))
    said = plural("{n} finding", "{n} findings", len(lines))
    late = sum(row.aged is not None and row.aged.is_overdue for row in rows)
    click.echo(
        _("{findings} in run {run}, {late} overdue as of {at}.").format(
            findings=said, run=stamp.run, late=late, at=clock(stamp.at)
        )
    )


def _standing(finding: Finding, aged: Aged | None) -> str:
    """The state of what once failed; the outcome of all else."""
    if aged is None:
        return outcome_word(finding.outcome)
    life = aged.life
    words = [state_word(life.state)]
    if life.reopened:
        words.append(_("reopened ×{n}").format(n=life.reopened))
    if life.waiver:
        words.append(_("waived"))
    return ", ".join(words)


def _times(aged: Aged | None, at: datetime) -> tuple[str, str, str]:
    if aged is None:
        return "", "", ""
    days = plural("{n} day", "{n} days", aged.life.age(at).days)
    due = formats.day(aged.due) if aged.due else "-"
    return formats.day(aged.life.first_seen), days, due + (" " + _("OVERDUE") if aged.is_overdue else "")


def place(finding: Finding) -> str:
    """Where a finding is, as an engineer would type it."""
    subject = finding.subject
    if subject.level is not SubjectLevel.SERVICE:
        return subject.id
    name = f" ({subject.server_name})" if subject.server_name and subject.server_name != subject.id else ""
    return f"{subject.id}:{subject.port}{name}"


def _print_failures(shown: Shown, failures: Sequence[Finding]) -> None:
    console = out()
    for severity in sorted(Severity, reverse=True):
        groups = _alike(f for f in failures if f.severity is severity)
        if not groups:
            continue
        console.print(Styled(f"\n{severity_word(severity).upper()}", style=COLOURS[severity]))
        for same in groups:
            first = same[0]
            check = shown.checks.get(first.check)
            others = len({f.check for f in same}) - 1
            if check and not others:
                title = _("expected: {claim}").format(claim=_(check.claim))
            else:
                title = sentence(first.evidence)
            ids = first.check + (plural(" and {n} more", " and {n} more", others) if others else "")
            _print_indented(
                Styled.assemble(("✗ ", COLOURS[severity]), visible(title), (f"  [{ids}]", "dim")), 2
            )
            for where, seen in _places(same, with_evidence=not others):
                _print_indented(Styled(where + (f": {seen}" if seen else "")), 6)
            if check and not others:
                fix = _("Fix: {text}").format(text=_(check.fix))
                _print_indented(Styled(visible(fix, limit=2000), style="dim"), 6)


def _print_indented(text: Styled, columns: int) -> None:
    """A long text goes on under its own beginning."""
    out().print(Padding(text, (0, 0, 0, columns), expand=False))


def _alike(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings of one check together; and where one cause fails many checks of a service, these together."""
    found = sorted(findings, key=_gravest_first)
    causes = Counter((f.subject, str(f.evidence)) for f in found)
    groups: dict[object, list[Finding]] = {}
    for f in found:
        cause = (f.subject, str(f.evidence))
        groups.setdefault(cause if causes[cause] > 1 else f.check, []).append(f)
    return list(groups.values())


def _places(findings: Sequence[Finding], *, with_evidence: bool) -> Iterable[tuple[str, str]]:
    lines = list(
        dict.fromkeys((visible(_where(f)), sentence(f.evidence) if with_evidence else "") for f in findings)
    )
    yield from lines[:MOST_PLACES]
    if len(lines) > MOST_PLACES:
        yield plural("and {n} more place", "and {n} more places", len(lines) - MOST_PLACES), ""


def _where(finding: Finding) -> str:
    addresses = ", ".join(a for a in finding.addresses if a != finding.subject.id)
    return place(finding) + (f" [{addresses}]" if addresses else "")


def _print_unseen(findings: Sequence[Finding]) -> None:
    if not findings:
        return
    console = out()
    console.print(Styled(f"\n{_('COULD NOT BE SEEN')}", style="bold"))
    by_cause: dict[tuple[str, str, str], int] = Counter(
        (place(f), reason_word(f.reason) if f.reason else outcome_word(f.outcome), sentence(f.evidence))
        for f in findings
    )
    for (where, reason, detail), count in sorted(by_cause.items()):
        rules = plural("{n} rule", "{n} rules", count)
        _print_indented(Styled(f"? {visible(where)}: {reason}: {detail} ({rules})"), 2)
    console.print()


def _print_headline(group: GroupScore, shown: Shown) -> None:
    scoring = shown.baseline.scoring
    coverage = formats.percent(group.coverage.share)
    console = out()
    if group.coverage.share < scoring.enough_coverage:
        console.print(Styled(_("Not enough was seen to speak of a grade."), style="bold"))
    line = _("Score {range}, grade {grade}, coverage {coverage}, baseline {baseline}").format(
        range=_range(group.range),
        grade=group.grade or "-",
        coverage=coverage,
        baseline=shown.baseline.title(in_use()),
    )
    console.print(Styled(line, style="bold"))
    met = _("Meets the baseline.") if group.meets_baseline else _("Does not meet the baseline.")
    console.print(Styled(met))


def _range(range: Range | None) -> str:
    if range is None:
        return ""
    if range.verified == range.possible:
        return formats.score(range.verified)
    return f"{formats.score(range.verified)}–{formats.score(range.possible)}"


def _gravest_first(finding: Finding) -> tuple[int, str, Subject, str]:
    return (-finding.severity, finding.check, finding.subject, finding.object)


def _all(shown: Shown) -> Iterable[Finding]:
    for host in sorted(shown.judgement.findings):
        yield from shown.judgement.findings[host]


# --- For programs and browsers ----------------------------------------------------------------------------


def as_json(shown: Shown) -> str:
    """The whole judgement."""
    from secscan.report.json_export import judgement_document, to_json

    return to_json(
        judgement_document(
            shown.judgement,
            shown.inventory,
            shown.baseline,
            shown.checks,
            aged=shown.aged,
            waivers=shown.waivers,
        )
    )


def audit_pieces(shown: Shown, form: str) -> Iterator[str]:
    """The findings of an audit as "csv", "sarif" or "ocsf"."""
    from secscan.report.exported import exported

    owners = {host: id for id, group in shown.judgement.agencies.items() for host in group.members}
    rows = exported(_all(shown), shown.checks, owners=owners)
    return finding_pieces(form, rows, shown.judgement.stamp, shown.checks)


def as_html(shown: Shown, tz: tzinfo = UTC) -> str:
    """The scorecard of the one agency an audit has."""
    from secscan.report.rendering import render_agency
    from secscan.report.views import agency_data, agency_view

    (agency,) = shown.judgement.agencies
    data = agency_data(
        shown.judgement, shown.inventory, shown.baseline, checks=shown.checks, agency_id=agency, tz=tz
    )
    return render_agency(agency_view(data), in_use())


def finding_pieces(
    form: str, rows: "Iterable[Exported]", stamp: Stamp, checks: Mapping[str, Check]
) -> Iterator[str]:
    """Findings as one of FINDING_FORMS, a finding at a time; together one document."""
    match form:
        case "json":
            from secscan.report.json_export import findings_pieces

            return findings_pieces(rows, stamp)
        case "csv":
            from secscan.report.csv_export import findings_lines

            return findings_lines(rows)
        case "sarif":
            from secscan.report.sarif_export import sarif_pieces

            return sarif_pieces(rows, stamp, checks)
        case "ocsf":
            from secscan.report.ocsf_export import ocsf_lines

            return ocsf_lines(rows, stamp)
    raise ValueError(f"not a format of findings: {form}")
