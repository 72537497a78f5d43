"""The letter to an agency's owner: what to mend and by when, one matter for each root cause."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import TypeAlias

from secscan.check import Check
from secscan.history.letters import Item, Occasion
from secscan.model import Agency, Finding, Severity, Stamp, SubjectLevel, Text
from secscan.report.text import localised, visible
from secscan.report.views.agency import ONE_CAUSE
from secscan.report.views.parts import named
from secscan.report.views.shown import Named

#: Characters of a command that mends something; one that is longer is for no letter.
MOST_COMMAND = 500


@dataclass(frozen=True, slots=True)
class LetterPlace:
    """One finding: where it is, what was seen there, and until when it is to be mended, in the zone of the letter."""

    id: str
    host: str
    port: str
    server_name: str
    evidence: Text
    due: date | None
    is_overdue: bool


@dataclass(frozen=True, slots=True)
class Matter:
    """What one root cause makes necessary. ``claim`` is empty where one cause breaks many rules.

    ``commands`` are to be typed on the hosts; ``due`` is the earliest day.
    """

    severity: Severity
    claim: str
    why: str
    fix: str
    commands: tuple[str, ...]
    places: tuple[LetterPlace, ...]
    rules: int
    due: date | None

    @property
    def evidence(self) -> Text:
        return self.places[0].evidence

    @property
    def hosts(self) -> int:
        return len({place.host for place in self.places})


@dataclass(frozen=True, slots=True)
class LetterView:
    """The ``number``-th letter to an agency. Each part is in the order of its deadlines.

    ``standing`` is how many findings are open and not waived in all, told of here or before.
    """

    agency: Named
    contacts: tuple[str, ...]
    number: int
    at: datetime
    run: int
    judged_at: datetime
    secscan_version: str
    overdue: tuple[Matter, ...]
    reminders: tuple[Matter, ...]
    reopened: tuple[Matter, ...]
    new: tuple[Matter, ...]
    fixed: tuple[Matter, ...]
    standing: int


@dataclass(frozen=True, slots=True)
class LetterData:
    """What a letter is made of. ``findings``: each as it was last seen failing, by id; ``number`` is the letter's."""

    agency: Agency
    number: int
    at: datetime
    items: Sequence[Item]
    findings: Mapping[str, Finding]
    checks: Mapping[str, Check]
    standing: int
    stamp: Stamp
    tz: tzinfo


def letter_view(data: LetterData) -> LetterView:
    parts: dict[Occasion, list[Item]] = {occasion: [] for occasion in Occasion}
    for item in data.items:
        if item.aged.life.finding in data.findings:
            parts[item.occasion].append(item)
    matters = {occasion: _matters(items, data) for occasion, items in parts.items()}
    return LetterView(
        agency=named(data.agency),
        contacts=tuple(visible(contact.name) for contact in data.agency.contacts if contact.name),
        number=data.number,
        at=data.at.astimezone(data.tz),
        run=data.stamp.run or 0,
        judged_at=data.stamp.at.astimezone(data.tz),
        secscan_version=visible(data.stamp.secscan_version),
        overdue=matters[Occasion.OVERDUE],
        reminders=matters[Occasion.REMINDER],
        reopened=matters[Occasion.REOPENED],
        new=matters[Occasion.NEW],
        fixed=matters[Occasion.FIXED],
        standing=data.standing,
    )


#: What findings with one root cause have in common.
_Cause: TypeAlias = tuple[str, ...]


def _matters(items: Sequence[Item], data: LetterData) -> tuple[Matter, ...]:
    """The earliest deadline first, then the gravest; items come in that order."""
    rules: dict[_Cause, set[str]] = {}
    for item in items:
        finding = data.findings[item.aged.life.finding]
        rules.setdefault(_words(finding), set()).add(finding.check)
    groups: dict[_Cause, list[Item]] = {}
    for item in items:
        finding = data.findings[item.aged.life.finding]
        shared = len(rules[_words(finding)]) >= ONE_CAUSE
        cause = ("words", finding.evidence.template) if shared else ("rule", finding.check)
        groups.setdefault(cause, []).append(item)
    views = [_matter(cause[0] == "words", group, data) for cause, group in groups.items()]
    return tuple(sorted(views, key=lambda view: (view.due is None, view.due or date.max, -view.severity)))


def _words(finding: Finding) -> _Cause:
    """Where one thing breaks many rules of a subject, each says so in the very same words."""
    values = sorted((name, str(value)) for name, value in finding.evidence.values.items())
    return (finding.subject.key, finding.evidence.template, *(part for pair in values for part in pair))


def _matter(is_cause: bool, items: Sequence[Item], data: LetterData) -> Matter:
    findings = [data.findings[item.aged.life.finding] for item in items]
    check = None if is_cause else data.checks.get(findings[0].check)
    places: dict[_Cause, LetterPlace] = {}
    for item, finding in zip(items, findings, strict=True):
        # Of one cause on one service, the finding that is due first stands for the others.
        key = _words(finding) if is_cause else (finding.id,)
        places.setdefault(key, _place(item, finding, data))
    commands = dict.fromkeys(
        visible(fix, limit=MOST_COMMAND)
        for finding in findings
        if isinstance(fix := finding.evidence.values.get("fix"), str) and fix
    )
    return Matter(
        severity=max(item.aged.life.severity for item in items),
        claim=check.claim if check else "",
        why=check.why if check else "",
        fix=check.fix if check else "",
        commands=tuple(commands),
        places=tuple(places.values()),
        rules=len({finding.check for finding in findings}),
        due=min((place.due for place in places.values() if place.due is not None), default=None),
    )


def _place(item: Item, finding: Finding, data: LetterData) -> LetterPlace:
    subject, due = finding.subject, item.aged.due
    return LetterPlace(
        id=finding.id,
        host=visible(subject.id),
        port=f"{subject.transport}/{subject.port}" if subject.level is SubjectLevel.SERVICE else "",
        server_name=visible(subject.server_name),
        evidence=localised(finding.evidence, data.tz),
        due=due.astimezone(data.tz).date() if due else None,
        is_overdue=due is not None and due < data.at,
    )
