"""The patch checks, by table: at each limit and either side, not applicable, unknown, and what hostile hosts say."""

import dataclasses
import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from secscan.check import Check
from secscan.checks import patch_in_use, patch_missing, patch_support, patch_upkeep
from secscan.facts import Facts, Gap, Kernel, NotSeen, PackageFacts, Release, Repository, UpdateFacts
from secscan.model import Outcome, Severity
from secscan.reference import ExploitPrediction, Flaw, Lifetime, MissingUpdate
from tests.checks.patch.case import (
    AT,
    BOOKWORM,
    CRITICAL,
    DAY,
    FAIL,
    HIGH,
    LOW,
    MEDIUM,
    PASS,
    TODAY,
    UNKNOWN,
    UNREAD,
    Advised,
    Case,
    Dates,
    advised,
    catalogue,
    installed,
    kept,
    linux,
    package,
    pending,
    repository,
    the,
    verdicts,
    windows,
)
from tests.checks.patch.in_use import IN_FORCE
from tests.checks.patch.missing import (
    BY_ADVISORIES,
    EXPLOITED,
    IN_USE,
    NAMELESS,
    OVERDUE,
    UPDATES,
    _by_advisories,
)
from tests.checks.patch.offered import OFFERS
from tests.checks.patch.support import EOL, LIFETIMES, SOON
from tests.checks.patch.upkeep import OWN_WORDS, REST, SOURCES

ALL = [
    value
    for family in (patch_in_use, patch_missing, patch_support, patch_upkeep)
    for value in vars(family).values()
    if isinstance(value, Check)
]


CASES = [
    *LIFETIMES,
    *_by_advisories(),
    *UPDATES,
    *NAMELESS,
    *IN_USE,
    *OVERDUE,
    *OFFERS,
    *OWN_WORDS,
    *IN_FORCE,
    *REST,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check.id}-{case.label}")
def test_verdict(case: Case) -> None:
    said = verdicts(case)
    if isinstance(said, NotSeen):
        assert case.outcome is UNKNOWN
        assert said.gap.reason is case.reason
        return
    [only] = said
    assert (only.outcome, only.severity, only.object) == (case.outcome, case.severity, case.object)
    assert case.says in str(only.evidence)
    if case.reason is not None:
        assert only.reason is case.reason


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_every_check_is_seen_to_pass_to_fail_and_to_be_unknown(check: Check) -> None:
    assert {PASS, FAIL, UNKNOWN} <= {case.outcome for case in CASES if case.check is check}


def test_how_grave_each_check_is_at_most() -> None:
    by_severity = {
        severity: {check.id.removeprefix("patch.") for check in ALL if check.severity is severity}
        for severity in Severity
    }
    assert by_severity == {
        CRITICAL: {"end-of-life", "critical-updates", "known-exploited"},
        HIGH: {"exploit-likelihood", "overdue", "updates-offered", "pending-security", "security-repository"},
        MEDIUM: {
            *("end-of-life-soon", "other-updates", "metadata-age", "reboot", "running-kernel"),
            *("outdated-programs", "held-packages", "clock"),
        },
        LOW: {"last-change", "automatic-updates", "foreign-packages", "clock-synchronised"},
        Severity.INFO: set(),
    }


def hostile(text: str) -> Sequence[Any]:
    """Facts and feeds in which every word is ``text``."""
    release = Release(id=text, version=text, name=text)
    odd = MissingUpdate(
        package=text,
        binaries=(text,) * 50,
        installed=text,
        fixed=text,
        flaws=tuple(Flaw(f"{text}{n}", CRITICAL) for n in range(50)),
        advisories=(text,) * 50,
        published=TODAY - 300 * DAY,
    )

    milder = dataclasses.replace(
        odd, package=f"{text}2", flaws=tuple(Flaw(flaw.id, LOW) for flaw in odd.flaws)
    )

    @dataclass(frozen=True)
    class Everything(Advised):
        def _is_missing(self, update: MissingUpdate, packages: PackageFacts) -> bool:
            return True

    return (
        linux(
            release=release,
            kernel=text,
            kernels=(Kernel(release=text + "1", package=text), Kernel(release=text, package=text)),
            reboot_required=True,
            reboot_packages=(text,) * 50,
            outdated_programs=(text,) * 50,
        ),
        installed(package(text), held=(text,) * 50, foreign=(text,) * 50),
        kept(
            pending=tuple(pending(f"{text}{n}", text, old=text, origin=text) for n in range(50)),
            repositories=(Repository(address=text, suite=text, security=True),) * 50,
        ),
        Everything((odd, milder), undecided=(text,) * 50),
        catalogue(**{f"{text}{n}": EXPLOITED for n in range(50)}),
        ExploitPrediction({f"{text}{n}": 1.0 for n in range(50)}, AT),
        Dates(Lifetime(text, TODAY - DAY)),
    )


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
@pytest.mark.parametrize(
    "text",
    [
        "{0.__class__}",
        "<script>alert(1)</script>",
        "\x1b[2J\r\n",
        "%s%n",
        "9" * 200,
        "x" * 5000,
        "\ud800",
        "",
    ],
    ids=["format", "html", "terminal", "percent", "digits", "long", "surrogate", "empty"],
)
def test_what_a_host_says_is_quoted_and_bounded(check: Check, text: str) -> None:
    said = verdicts(Case(check, "", hostile(text), FAIL))
    assert not isinstance(said, NotSeen)
    assert 0 < len(said) <= 53
    for verdict in said:
        assert len(str(verdict.evidence)) < 2500
        assert len(verdict.object) <= 100
        assert text not in verdict.evidence.template or not text


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
@pytest.mark.parametrize(
    "given", [(), (windows(),), (linux(release=UNREAD),)], ids=["well", "windows", "unread"]
)
def test_nothing_claims_more_than_the_check_declares(check: Check, given: Iterable[Any]) -> None:
    said = verdicts(Case(check, "", [*hostile("x"), *given], FAIL))
    assert isinstance(said, NotSeen) or all((v.severity or LOW) <= check.severity for v in said)


def test_only_what_can_change_with_time_asks_for_it() -> None:
    assert {check.id for check in ALL if check.asks_time} == {
        check.id for check in (*BY_ADVISORIES, EOL, SOON)
    }


def test_a_stale_feed_hides_no_host_that_was_well_either() -> None:
    """Never a pass from old data, whatever it says."""
    for check in BY_ADVISORIES:
        assert the(Case(check, "", [advised(made=AT - 15 * DAY)], UNKNOWN)).outcome is UNKNOWN


def readings(kind: type[Facts]) -> Iterable[str]:
    """The fields that may have stayed unread."""
    return (name for name, hint in get_type_hints(kind).items() if Gap in get_args(hint))


UNREADABLE = [
    (check, kind, name) for check in ALL for kind in check.observes.values() for name in readings(kind)
]


@pytest.mark.parametrize(
    ("check", "kind", "name"), UNREADABLE, ids=lambda v: getattr(v, "id", None) or str(v)
)
def test_no_host_does_better_for_what_could_not_be_read(check: Check, kind: type[Facts], name: str) -> None:
    bad = [
        *hostile("x"),
        installed(package("x"), held=("y",), foreign=("y",)),
        linux(
            release=BOOKWORM,
            kernel="6.1.0-21-amd64",
            reboot_required=True,
            outdated_programs=("x",),
            clock_offset=90,
            clock_synchronised=False,
        ),
        kept(
            pending=(pending("bash"),),
            repositories=(repository("bookworm"),),
            metadata_at=AT - 900 * DAY,
            automatic=False,
            changed_at=AT - 900 * DAY,
        ),
    ]
    before = verdicts(Case(check, "", bad, FAIL))
    assert not isinstance(before, NotSeen)
    assert any(v.outcome is FAIL for v in before)
    facts = next(thing for thing in reversed(bad) if isinstance(thing, kind))
    after = verdicts(Case(check, "", [*bad, msgspec.structs.replace(facts, **{name: UNREAD})], FAIL))
    assert isinstance(after, NotSeen) or any(v.outcome in (FAIL, UNKNOWN) for v in after)


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_no_number_stands_before_a_word_in_the_plural(check: Check) -> None:
    source = inspect.getsource(check.function)
    assert not re.search(r"\{(?:count|days|seconds)\} [a-z]{2,}", source)


def test_references_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(catalogue(), "as_of", AT)  # noqa: B010 - an assignment is what mypy would refuse


def _sources(*repositories: Repository) -> UpdateFacts:
    return UpdateFacts(repositories=repositories)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (Release(id="Debian", version="12", codename="bookworm"), FAIL),
        (Release(id="debian", codename="bookworm"), UNKNOWN),
        (Release(id="debian", codename="sid"), UNKNOWN),
        (Release(id="arch"), UNKNOWN),
        (Release(id="acmeos", version="1"), UNKNOWN),
        (Release(id="raspbian", version="12"), UNKNOWN),
    ],
    ids=lambda value: f"{value.id} {value.codename}" if isinstance(value, Release) else "",
)
def test_a_host_does_no_better_by_another_name(release: Release, expected: Outcome) -> None:
    plain = Repository(address="http://mirror.example/debian", suite="bookworm", security=False)
    case = Case(SOURCES, "", [linux(release=release), _sources(plain)], expected)
    said = verdicts(case)
    assert not isinstance(said, NotSeen)
    assert [verdict.outcome for verdict in said] == [expected]
