"""What patch checks name, each on its own, beside what they cannot tell; and how they word it."""

from datetime import date

import msgspec
import pytest

from secscan.check import Check
from secscan.checks._missing import fix_of
from secscan.facts import NotSeen, Release
from secscan.model import Outcome, Reason
from secscan.reference import Flaw, KnownExploited
from tests.checks.patch.case import (
    AT,
    BOOKWORM,
    CRITICAL,
    DAY,
    FAIL,
    HIGH,
    LOW,
    PASS,
    ROCKY,
    TODAY,
    UNKNOWN,
    UNREAD,
    Case,
    advised,
    catalogue,
    ends,
    flaw,
    installed,
    linux,
    package,
    pending,
    predictions,
    the,
    update,
    verdicts,
)
from tests.checks.patch.missing import (
    EXPLOITED,
    EXPLOITED_1,
    GRAVE,
    LATE,
    LIKELY,
    OFFERED,
    USED,
    exploited,
    rated,
    since,
)
from tests.checks.patch.offered import offers
from tests.checks.patch.upkeep import HELD, WAITS


def outcomes(case: Case) -> list[tuple[str, Outcome]]:
    said = verdicts(case)
    assert not isinstance(said, NotSeen)
    return [(v.object, v.outcome) for v in said]


@pytest.mark.parametrize(
    "check",
    [GRAVE, USED, LIKELY, LATE],
    ids=lambda check: check.id,
)
def test_each_package_is_a_finding_of_its_own(check: Check) -> None:
    both = advised(
        update("bash", flaw(1, HIGH), published=TODAY - 90 * DAY),
        update("openssl", flaw(2, HIGH), published=TODAY - 90 * DAY),
    )
    world = [
        both,
        catalogue(CVE_2026_1=EXPLOITED, CVE_2026_2=EXPLOITED),
        predictions(CVE_2026_1=0.5, CVE_2026_2=0.5),
    ]
    case = Case(check, "", world, FAIL)
    assert outcomes(case) == [("bash", FAIL), ("openssl", FAIL)]


@pytest.mark.parametrize("check", [GRAVE, USED, LIKELY, LATE], ids=lambda check: check.id)
def test_what_fails_is_told_beside_what_is_not_known(check: Check) -> None:
    some = advised(update("openssl", flaw(1, HIGH), published=TODAY - 90 * DAY), undecided=("odd",))
    case = Case(check, "", [some, EXPLOITED_1, predictions(CVE_2026_1=0.5), ends(TODAY - DAY)], FAIL)
    assert outcomes(case) == [("openssl", FAIL), ("", UNKNOWN)]


def test_pending_updates_fail_one_by_one_beside_those_that_cannot_be_told() -> None:
    case = Case(WAITS, "", [offers(pending("a"), pending("b"), pending("c", security=UNREAD))], FAIL)
    assert outcomes(case) == [("a", FAIL), ("b", FAIL), ("", UNKNOWN)]


def test_an_update_without_a_date_is_unknown_beside_one_that_is_overdue() -> None:
    some = advised(update("bash", published=TODAY - 99 * DAY), update("openssl", published=None))
    assert outcomes(Case(LATE, "", [some], FAIL)) == [("bash", FAIL), ("openssl", UNKNOWN)]


@pytest.mark.parametrize("check", [GRAVE, USED, LIKELY, LATE], ids=lambda check: check.id)
def test_a_package_is_one_finding_whatever_has_to_be_done_about_it(check: Check) -> None:
    old = TODAY - 90 * DAY
    three = advised(
        update("linux", Flaw("CVE-2026-1", HIGH, old), published=old),
        update("linux", Flaw("CVE-2026-2", CRITICAL), fixed="", published=None),
        update("linux", Flaw("CVE-2026-3", HIGH, old), published=old, awaits_reboot=True),
    )
    world = [
        three,
        installed(package("linux")),
        catalogue(CVE_2026_1=EXPLOITED, CVE_2026_2=EXPLOITED, CVE_2026_3=EXPLOITED),
        predictions(CVE_2026_1=0.5, CVE_2026_2=0.5, CVE_2026_3=0.5),
    ]
    said = the(Case(check, "", world, FAIL))
    assert (said.object, said.outcome) == ("linux", FAIL)
    assert "CVE-2026-3" in str(said.evidence)
    assert ("CVE-2026-2" in str(said.evidence)) is (check in (USED, LIKELY))


def test_two_long_names_that_begin_alike_are_two_findings() -> None:
    some = [update("x" * 200 + end, flaw(1, HIGH)) for end in "ab"]
    here = installed(*(package(u.package) for u in some))
    assert len({object for object, _outcome in outcomes(Case(GRAVE, "", [advised(*some), here], FAIL))}) == 2


@pytest.mark.parametrize("check", [GRAVE, USED, LIKELY, LATE, OFFERED], ids=lambda check: check.id)
def test_what_old_data_shows_to_be_missing_still_fails(check: Check) -> None:
    old = TODAY - 90 * DAY
    some = advised(
        update("openssl", Flaw("CVE-2026-1", HIGH, old), published=old),
        made=AT - 20 * DAY,
        uncovered=("epel",),
    )
    said = verdicts(Case(check, "", [some, EXPLOITED_1, predictions(CVE_2026_1=0.5)], FAIL))
    assert not isinstance(said, NotSeen)
    assert said[0].outcome is FAIL
    assert [v.reason for v in said[1:]] in ([Reason.STALE_FEED], [])


def test_an_old_catalogue_still_shows_what_it_has() -> None:
    old = catalogue(AT - 15 * DAY, CVE_2026_1=EXPLOITED)
    case = Case(USED, "", [advised(update("openssl", flaw())), old], FAIL)
    assert outcomes(case) == [("openssl", FAIL), ("", UNKNOWN)]


def test_without_the_catalogue_what_is_overdue_still_fails() -> None:
    case = Case(LATE, "", [since(31, HIGH)], FAIL, without=(KnownExploited,))
    assert outcomes(case) == [("openssl", FAIL), ("", UNKNOWN)]


def test_one_package_of_two_architectures_waits_once() -> None:
    both = [msgspec.structs.replace(pending("libc6"), architecture=a) for a in ("amd64", "i386")]
    assert outcomes(Case(WAITS, "", [offers(*both)], FAIL)) == [("libc6", FAIL)]


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        ("abcde", ": a, b, c, d, e (5)."),
        ("abcdef", ": a, b, c, d, e (+1) (6)."),
        ("abcdefg", ": a, b, c, d, e (+2) (7)."),
    ],
)
def test_a_list_shows_five_and_says_how_many_more(held: str, shown: str) -> None:
    assert str(the(Case(HELD, "", [installed(held=tuple(held))], FAIL)).evidence).endswith(shown)


@pytest.mark.parametrize("length", [99, 100, 101, 5000])
def test_a_name_in_a_list_is_cut_short(length: int) -> None:
    said = the(Case(HELD, "", [installed(held=("x" * length,))], FAIL))
    assert len(str(said.evidence.values["packages"])) == min(length, 100)


def test_evidence_of_an_update_can_be_grouped_by_its_fix() -> None:
    said = the(Case(GRAVE, "", [rated(HIGH)], FAIL))
    assert {"package", "fixed", "binaries"} <= set(said.evidence.values)


@pytest.mark.parametrize(
    ("manager", "release", "fix"),
    [
        ("dpkg", BOOKWORM, "apt-get install --only-upgrade '?source-package(^openssl$)'"),
        ("rpm", ROCKY, "dnf upgrade openssl"),
        ("rpm", Release(id="sles", version="15.6"), "zypper update openssl"),
        ("apk", Release(id="alpine", version="3.20.3"), "apk upgrade openssl"),
    ],
)
def test_every_missing_update_tells_its_fix_and_its_day(manager: str, release: Release, fix: str) -> None:
    old = TODAY - 90 * DAY
    here = [linux(release=release), installed(manager=manager), EXPLOITED_1, predictions(CVE_2026_1=0.5)]
    some = advised(update("openssl", Flaw("CVE-2026-1", HIGH, old), published=old))
    for check in (GRAVE, USED, LIKELY, LATE):
        values = the(Case(check, "", [*here, some], FAIL)).evidence.values
        assert (values["fix"], values["advised"]) == (fix, str(old))


@pytest.mark.parametrize("days", [0, 7, 366])
def test_a_date_at_the_end_of_the_calendar_is_bounded(days: int) -> None:
    last = date.max
    for added in (last, last - 7 * DAY, last - 8 * DAY):
        used = [advised(update("openssl", flaw())), exploited(last, added, ransomware=True)]
        assert the(Case(USED, "", used, FAIL, limits={"ransomware_days": days})).outcome is FAIL
    late = Flaw("CVE-2026-1", LOW, last)
    given = [advised(update("openssl", late, published=last)), EXPLOITED_1]
    assert outcomes(Case(LATE, "", given, PASS)) == [("", PASS)]
    undated = [advised(update("openssl", flaw(2), published=last)), EXPLOITED_1]
    assert outcomes(Case(LATE, "", undated, PASS)) == [("", PASS)]


@pytest.mark.parametrize("check", [GRAVE, USED, LIKELY], ids=lambda check: check.id)
def test_what_a_list_that_is_not_whole_shows_to_be_missing_still_fails(check: Check) -> None:
    here = [
        installed(packages=(package("openssl"),)),
        advised(update("openssl", flaw(1, HIGH))),
        EXPLOITED_1,
        predictions(CVE_2026_1=0.5),
    ]
    assert outcomes(Case(check, "", here, FAIL)) == [("openssl", FAIL), ("", UNKNOWN)]


@pytest.mark.parametrize(
    ("source", "pattern"),
    [("openssl", "^openssl$"), ("libsigc++-2.0", r"^libsigc\+\+-2\.0$"), ("linux", "^linux(-signed-.*)?$")],
)
def test_apt_is_told_what_to_update_by_the_source(source: str, pattern: str) -> None:
    command = "apt-get install --only-upgrade"
    assert fix_of(update(source), command) == f"{command} '?source-package({pattern})'"


def test_other_package_managers_are_told_the_packages_there_are() -> None:
    missing = update("glibc", binaries=("glibc", "glibc-common"))
    assert fix_of(missing, "dnf upgrade") == "dnf upgrade glibc glibc-common"
