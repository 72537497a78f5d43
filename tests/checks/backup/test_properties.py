"""Whatever hosts say: no exception, and reading less never gains a pass."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secscan.check import Verdict
from secscan.facts import (
    Attempt,
    Backup,
    BackupFacts,
    BackupRun,
    BackupTool,
    CronEntry,
    Gap,
    MountFacts,
    Place,
    PlaceKind,
    Retention,
    ScheduleFacts,
    Unread,
)
from secscan.model import DeclaredBackup, Reason, Unobserved
from secscan.reference import HeldBackup, HeldBackups, Keeper
from tests.checks.backup.case import (
    ALL,
    AT,
    BARE,
    DAY,
    DECLARED,
    HERE,
    HOUR,
    MOUNTS,
    NOT_APPLICABLE,
    PASS,
    SCHEDULE,
    SYSTEM,
    UNREAD,
    Case,
    a_backup,
    a_host,
    daily,
    facts,
    judge,
    mounts,
    run,
    rung,
    schedule,
    system,
    timer,
    unobserved,
)
from tests.checks.backup.test_signals import AHEAD, BEHIND

gaps = st.sampled_from([UNREAD, Gap(), Gap(Reason.NEEDS_CREDENTIALS, "x" * 900)])
instants = st.sampled_from(
    [AT, AT - 3 * HOUR, AT - 40 * DAY, AT + 3 * DAY, AT.replace(tzinfo=None), datetime(1, 1, 1, tzinfo=UTC)]
) | st.integers(0, 60).map(lambda d: AT - d * DAY)
counts = st.none() | st.integers(0, 20)
words = st.sampled_from(
    ["", "db-1", "nas", "/", "*", "/srv", "/srv/*", "database portal", "a" * 400, "é\u202e{x}"]
)
entries = st.lists(words, max_size=3).map(tuple)
places = st.builds(
    Place,
    kind=st.sampled_from(PlaceKind),
    address=words,
    host=words,
    path=words,
    device=st.sampled_from(["", "/dev/sda1", "/dev/sdb", "x"]),
)
runs = st.lists(st.builds(BackupRun, at=instants, size=counts, stored=counts, files=counts), max_size=6).map(
    tuple
)
backups = st.builds(
    Backup,
    tool=st.sampled_from(["restic", "borg"]),
    name=words,
    source=words,
    started_by=gaps | st.lists(st.sampled_from(["timer restic.timer", "cron x", ""]), max_size=2).map(tuple),
    place=gaps | places,
    runs=gaps | runs | st.just(daily()),
    attempt=gaps | st.builds(Attempt, at=instants, succeeded=st.sampled_from([True, False, None])),
    included=gaps | entries,
    excluded=gaps | entries,
    retention=gaps | st.builds(Retention, last=counts, daily=counts, days=counts, hourly=counts),
    encrypted=gaps | st.booleans(),
    append_only=gaps | st.booleans(),
    checked_at=gaps | st.none() | instants,
    locked_since=gaps | st.none() | instants,
)
unread = st.builds(
    Unread, tool=st.sampled_from(["", "borg"]), what=words, reason=st.just(Reason.UNREADABLE), access=words
)
declarations = st.lists(
    st.builds(
        DeclaredBackup,
        tool=st.sampled_from(["", "restic", "borg"]),
        name=words,
        on=st.sampled_from(["", "nas"]),
        must_contain=entries,
        off_site=words,
        minimum_bytes=counts,
        restore_tests=st.just(DECLARED.restore_tests),
    ),
    max_size=2,
).map(tuple)
timers = st.lists(
    st.builds(timer, enabled=st.booleans(), result=st.sampled_from(["", "success", "x"])), max_size=2
)
cases = st.builds(
    Case,
    seen=st.builds(
        BackupFacts,
        tools=gaps | st.just((BackupTool(name="restic"),)),
        backups=st.lists(backups, max_size=3).map(tuple) | gaps,
        unread=st.lists(unread, max_size=2).map(tuple),
    )
    | st.just(unobserved()),
    system=st.builds(system, clock_offset=gaps | st.sampled_from([0, 86400, -86400]))
    | st.just(unobserved("system")),
    mounts=st.builds(
        MountFacts,
        mounts=gaps | st.just(mounts().mounts),
        wanted=gaps | st.sampled_from([(), ("/", "/srv")]),
    )
    | st.just(unobserved("mounts")),
    schedule=st.builds(
        ScheduleFacts,
        timers=gaps | timers.map(tuple),
        cron=gaps | st.just((CronEntry(file="x", schedule="@daily", user="root", command="x"),)),
        cron_unread=gaps | st.sampled_from([(), ("x",)]),
    ),
    held=st.builds(
        lambda held, keepers: HeldBackups({"db-1": tuple(held)}, keepers),
        st.lists(
            st.builds(
                HeldBackup,
                backup=backups,
                keeper=st.just("nas"),
                seen_at=st.sampled_from([AT, AT - 30 * DAY]),
                clock_offset=gaps | st.just(0),
                is_foreign=st.booleans(),
            ),
            max_size=2,
        ),
        st.sampled_from([{}, {"nas": Keeper()}, {"nas": Keeper(gap=UNREAD)}]),
    ),
    host=declarations.map(lambda declared: a_host(*declared)),
)
#: Sound backups with a flaw or two: where everything is broken, there is nothing to gain.
flawed = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"])},
    optional={
        "started_by": st.just(()),
        "place": st.sampled_from([HERE, UNREAD]),
        "runs": st.sampled_from([daily(2), tuple(run(d) for d in range(9, 40)), daily(size=4000)]),
        "attempt": st.just(Attempt(at=AT, succeeded=False)),
        "included": st.just(("/srv/data",)),
        "excluded": st.just(("*",)),
        "retention": st.sampled_from([Retention(daily=3), UNREAD]),
        "append_only": st.sampled_from([False, UNREAD]),
        "encrypted": st.sampled_from([False, UNREAD]),
        "checked_at": st.sampled_from([None, AT - 60 * DAY, UNREAD]),
        "locked_since": st.just(AT - 60 * DAY),
    },
).map(lambda changes: a_backup(**changes))
near = st.builds(
    Case,
    seen=st.lists(flawed, min_size=1, max_size=3).map(lambda some: facts(*some)),
    system=st.sampled_from([SYSTEM, AHEAD, BEHIND]),
    mounts=st.sampled_from([MOUNTS, mounts(wanted=("/", "/srv/data"))]),
    schedule=st.sampled_from([SCHEDULE, schedule(timers=(timer(result="exit-code"),))]),
    held=st.lists(flawed, max_size=1).map(
        lambda some: HeldBackups(
            {"db-1": tuple(HeldBackup(b, "nas", AT, 0) for b in some)}, {"nas": Keeper()}
        )
    ),
    host=st.sampled_from(
        [BARE, a_host(replace(DECLARED, name="")), a_host(replace(DECLARED, name="", on="nas"))]
    ),
)
thorough = settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))


@given(cases)
@thorough
def test_every_check_answers_whatever_hosts_say(case: Case) -> None:
    for check in ALL:
        verdicts = judge(check, case)
        assert verdicts, check.id
        assert len({v.object for v in verdicts}) == len(verdicts), check.id
        for verdict in verdicts:
            assert len(str(verdict.evidence)) < 2500, check.id


def _readings(case: Case) -> Iterator[Case]:
    """The same case with one reading less, for each that was read."""
    for part in ("seen", "system", "mounts", "schedule"):
        value = getattr(case, part)
        if not isinstance(value, Unobserved):
            for blinded in _blinded(value):
                yield replace(case, **{part: blinded})
    for n, held in enumerate(case.held.of_host.get("db-1", ())):
        every = list(case.held.of_host["db-1"])
        for blinded in [
            *(replace(held, backup=b) for b in _blinded(held.backup)),
            replace(held, clock_offset=UNREAD),
        ]:
            of_host = {"db-1": (*every[:n], blinded, *every[n + 1 :])}
            yield replace(case, held=replace(case.held, of_host=of_host))


def _blinded(value: Any) -> Iterator[Any]:
    hints = get_type_hints(type(value))
    for field in value.__struct_fields__:
        hint, now = hints[field], getattr(value, field)
        if Gap in get_args(hint) and not isinstance(now, Gap):
            yield msgspec.structs.replace(value, **{field: UNREAD})
        if isinstance(now, tuple) and now and isinstance(now[0], Backup):
            for n, backup in enumerate(now):
                for blinded in _blinded(backup):
                    yield msgspec.structs.replace(value, **{field: (*now[:n], blinded, *now[n + 1 :])})


def test_the_readings_of_a_case_are_all_found() -> None:
    assert len(list(_readings(Case(facts(a_backup()))))) == 11 + 2 + 2 + 2 + 3


@given(near | cases, st.data())
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
def test_reading_less_never_gains_a_pass(case: Case, data: st.DataObject) -> None:
    less = data.draw(st.sampled_from([case, *_readings(case)]))
    for check in ALL:
        assert _all_pass(judge(check, case)) or not _all_pass(judge(check, less)), check.id
    assert rung(less)[0] <= rung(case)[0]


def _all_pass(verdicts: Sequence[Verdict]) -> bool:
    """Whether the rule has its credit."""
    return all(v.outcome in (PASS, NOT_APPLICABLE) for v in verdicts)
