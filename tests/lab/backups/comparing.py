"""How the facts of a host differ from what was written down for it."""

from datetime import UTC, datetime

from secscan.facts import Gap
from secscan.facts.backups import Backup, BackupFacts
from tests.lab.backups.machine import Expected


def differences(expected: Expected, facts: BackupFacts, now: datetime | None = None) -> list[str]:
    """How facts differ from what was expected, one sentence each; nothing where they don't."""
    now = now or datetime.now(UTC)
    assert not isinstance(facts.backups, Gap)
    found = [b for b in facts.backups if b.tool == expected.tool and b.name == expected.name]
    if not found:
        return [
            f"there is no {expected.tool} {expected.name!r} among {[(b.tool, b.name) for b in facts.backups]}"
        ]
    [backup] = found
    wrong = [
        f"{name} is told: {getattr(backup, name)}"
        for name in expected.untold
        if not isinstance(getattr(backup, name), Gap)
    ]
    for name, wanted, seen in _compared(expected, backup, now):
        if wanted is not None and wanted != seen:
            wrong.append(f"{name}: expected {wanted!r}, got {seen!r}")
    return wrong


def _compared(expected: Expected, backup: Backup, now: datetime) -> list[tuple[str, object, object]]:
    runs, place = backup.runs, backup.place
    last = None if isinstance(runs, Gap) or not runs else runs[0]
    checked, locked, attempt = backup.checked_at, backup.locked_since, backup.attempt
    return [
        ("hours", expected.hours, _near(expected.hours, last.at if last else None, now, runs)),
        ("runs", expected.runs, runs if isinstance(runs, Gap) else len(runs)),
        ("files", expected.files, last.files if last else None),
        ("size", expected.size, last.size if last else None),
        ("device", expected.device, place if isinstance(place, Gap) else place.device),
        ("path", expected.path, place if isinstance(place, Gap) else place.path),
        ("host", expected.host, place if isinstance(place, Gap) else place.host),
        ("source", expected.source, backup.source),
        ("encrypted", expected.encrypted, backup.encrypted),
        ("append_only", expected.append_only, backup.append_only),
        ("included", expected.included, backup.included),
        ("excluded", expected.excluded, backup.excluded),
        (
            "retention",
            expected.retention,
            backup.retention
            if isinstance(backup.retention, Gap)
            else {
                k: v
                for k in backup.retention.__struct_fields__
                if (v := getattr(backup.retention, k)) is not None
            },
        ),
        ("locked", expected.locked, locked if isinstance(locked, Gap) else locked is not None),
        (
            "checked_hours",
            expected.checked_hours,
            _near(expected.checked_hours, checked if isinstance(checked, datetime) else None, now, checked),
        ),
        ("attempt", expected.attempt, attempt if isinstance(attempt, Gap) else attempt.succeeded),
        ("started_by", expected.started_by, backup.started_by),
    ]


def _near(wanted: float | None, at: datetime | None, now: datetime, reading: object) -> object:
    """The expected age, where the real one is within the two hours that a slow machine may take; else the real one."""
    if at is None:
        return -1 if reading == () else reading
    age = (now - at).total_seconds() / 3600
    return wanted if wanted is not None and abs(age - wanted) < 2 else age
