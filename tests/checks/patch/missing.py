"""Cases of what the advisories say is missing."""

from datetime import date
from typing import Any

from secscan.checks import patch_missing
from secscan.model import Reason, Severity
from secscan.reference import Exploitation, Flaw, KnownExploited
from tests.checks.patch.case import (
    AT,
    CRITICAL,
    DAY,
    FAIL,
    HIGH,
    LOW,
    MEDIUM,
    PASS,
    SECOND,
    TODAY,
    UNKNOWN,
    UNREAD,
    Advised,
    Case,
    Dates,
    advised,
    catalogue,
    ends,
    flaw,
    installed,
    kept,
    linux,
    package,
    predictions,
    update,
    windows,
)

GRAVE, OTHER, USED = (
    patch_missing.critical_updates,
    patch_missing.other_updates,
    patch_missing.known_exploited,
)
LIKELY, LATE, OFFERED = patch_missing.exploit_likelihood, patch_missing.overdue, patch_missing.updates_offered
BY_ADVISORIES = (GRAVE, OTHER, USED, LIKELY, LATE, OFFERED)


def _by_advisories() -> list[Case]:
    """What all of these share: no feed, a stale one, and a host that they can't speak of."""
    cases = []
    for check in BY_ADVISORIES:
        cases += [
            Case(check, "nothing missing", [], PASS),
            Case(
                check, "no feed", [advised(made=None)], UNKNOWN, "Packages file", reason=Reason.NOT_COLLECTED
            ),
            Case(check, "old feed", [advised(made=AT - 14 * DAY)], PASS),
            Case(
                check,
                "stale feed",
                [advised(made=AT - 14 * DAY - SECOND)],
                UNKNOWN,
                "of 2026-05-18, older than allowed (days: 14), and nobody knows what has become known since (packages that lack a "
                "security update by them: 0)",
                reason=Reason.STALE_FEED,
            ),
            Case(
                check,
                "not covered",
                [advised(uncovered=("appstream", "epel"))],
                UNKNOWN,
                "Of appstream, epel no imported advisories speak",
                reason=Reason.NOT_COLLECTED,
            ),
            Case(
                check,
                "not covered in part",
                [advised(uncovered=("appstream", "epel"))],
                UNKNOWN,
                "Of appstream no imported",
                limits={"unadvised": {"ep*"}},
            ),
            Case(
                check,
                "looked after otherwise",
                [advised(uncovered=("appstream", "epel"))],
                PASS,
                limits={"unadvised": {"ep*", "appstream"}},
            ),
            Case(
                check,
                "sources unread",
                [kept(repositories=UNREAD)],
                UNKNOWN,
                "permission denied",
                reason=Reason.UNREADABLE,
            ),
            Case(check, "feed, limit", [advised(made=AT - 2 * DAY)], UNKNOWN, limits={"feed_days": 1}),
            Case(check, "uncompared", [advised(undecided=("odd",))], UNKNOWN, "odd", reason=Reason.UNPARSED),
            Case(
                check,
                "Windows",
                [windows()],
                UNKNOWN,
                "nobody knows what it lacks: it is judged by its last update",
                reason=Reason.NOT_COLLECTED,
            ),
            Case(
                check,
                "a list without its own manager",
                [installed(packages=(package("bash"),))],
                UNKNOWN,
                "package manager's own, dpkg",
                reason=Reason.CONTRADICTORY,
            ),
            Case(check, "release unread", [linux(release=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
            Case(
                check,
                "no package",
                [installed(packages=())],
                UNKNOWN,
                "no package",
                reason=Reason.CONTRADICTORY,
            ),
        ]
    for check in (GRAVE, OTHER, USED, LIKELY, LATE):
        cases += [
            Case(
                check,
                "after its end",
                [ends(TODAY - DAY)],
                UNKNOWN,
                "got its last security updates on 2026-05-31",
                reason=Reason.NOT_COLLECTED,
            ),
            Case(check, "on its last day", [ends(TODAY)], PASS),
            Case(check, "after its end, unknown to all", [Dates(None)], PASS),
        ]
    for check in (GRAVE, OTHER, LATE, OFFERED):
        cases.append(Case(check, "no fix yet", [advised(update("openssl", flaw(), fixed=""))], PASS))
    for manager, wanted in (("rpm", "updateinfo.xml"), ("apk", "secdb"), ("pacman", "where there is any")):
        cases.append(
            Case(
                GRAVE,
                f"no feed, {manager}",
                [advised(made=None), installed(manager=manager)],
                UNKNOWN,
                wanted,
                reason=Reason.NOT_COLLECTED,
            )
        )
    return cases


def rated(*severities: Severity | None, **changes: Any) -> Advised:
    flaws = tuple(flaw(number, severity) for number, severity in enumerate(severities, 1))
    return advised(update("openssl", *flaws, **changes))


UPDATES = [
    Case(
        GRAVE,
        "critical",
        [rated(LOW, CRITICAL)],
        FAIL,
        "openssl 1.0 (openssl) is older than its fix 2.0 of 2026-05-02: CVE-2026-2, CVE-2026-1. Run: apt-get install --only-upgrade '?source-package(^openssl$)'",
        CRITICAL,
        object="openssl",
    ),
    Case(GRAVE, "high", [rated(HIGH, None)], FAIL, severity=HIGH, object="openssl"),
    Case(GRAVE, "medium", [rated(MEDIUM, None)], PASS, "(packages: 4)"),
    Case(GRAVE, "not rated", [rated(None)], PASS),
    Case(
        GRAVE,
        "without a date",
        [rated(HIGH, published=None)],
        FAIL,
        "than its fix 2.0: CVE",
        HIGH,
        object="openssl",
    ),
    Case(
        GRAVE,
        "a kernel that waits",
        [rated(HIGH, awaits_reboot=True)],
        FAIL,
        "openssl 2.0 is installed and 1.0 runs until a reboot: CVE-2026-1. Reboot.",
        HIGH,
        object="openssl",
    ),
    Case(OTHER, "high", [rated(HIGH, LOW)], PASS, "(packages: 4)"),
    Case(OTHER, "medium", [rated(MEDIUM, LOW)], FAIL, "CVE-2026-1, CVE-2026-2", MEDIUM, object="openssl"),
    Case(OTHER, "low", [rated(LOW)], FAIL, severity=LOW, object="openssl"),
    Case(OTHER, "low, and one not rated", [rated(LOW, None)], FAIL, severity=MEDIUM, object="openssl"),
    Case(OTHER, "negligible", [rated(Severity.INFO)], FAIL, severity=Severity.INFO, object="openssl"),
    Case(OTHER, "not rated", [rated(None)], FAIL, severity=MEDIUM, object="openssl"),
    Case(
        OTHER,
        "no flaw named",
        [rated(advisories=("DSA-1", "DSA-2"))],
        FAIL,
        ": DSA-1, DSA-2.",
        MEDIUM,
        object="openssl",
    ),
    Case(OTHER, "nothing named", [rated()], FAIL, "is older than its fix 2.0. Run", MEDIUM, object="openssl"),
]

EXPLOITED = Exploitation(added=TODAY - 21 * DAY, due=TODAY)
EXPLOITED_1 = catalogue(CVE_2026_1=EXPLOITED)


def exploited(due: date, added: date = TODAY - 100 * DAY, *, ransomware: bool = False) -> KnownExploited:
    return catalogue(CVE_2026_1=Exploitation(added, due, ransomware))


#: An update of which nobody says what it mends could mend anything.
NAMELESS = [
    Case(
        check,
        "missing, and nobody says what it mends",
        [advised(update("openssl", published=None)), EXPLOITED_1, predictions(CVE_2026_1=0.5)],
        UNKNOWN,
        "Security updates are missing (1), and nothing that was imported names what they mend: openssl",
        reason=Reason.NOT_COLLECTED,
    )
    for check in (GRAVE, USED, LIKELY)
]

IN_USE = [
    Case(
        USED, "another", [advised(update("openssl", flaw(2))), EXPLOITED_1], PASS, "catalogue of 2026-06-01"
    ),
    Case(
        USED,
        "due today",
        [advised(update("openssl", flaw(2), flaw(1))), EXPLOITED_1],
        FAIL,
        "openssl 1.0 has CVE-2026-1, known to be exploited; it is due by 2026-06-01 (fix: 2.0).",
        HIGH,
        object="openssl",
    ),
    Case(
        USED,
        "due yesterday",
        [advised(update("openssl", flaw())), exploited(TODAY - DAY)],
        FAIL,
        "known to be exploited; it was due on 2026-05-31",
        CRITICAL,
        object="openssl",
    ),
    Case(
        USED,
        "ransomware, the seventh day",
        [advised(update("openssl", flaw())), exploited(TODAY + DAY, TODAY - 7 * DAY, ransomware=True)],
        FAIL,
        "which ransomware uses; it is due by 2026-06-01",
        HIGH,
        object="openssl",
    ),
    Case(
        USED,
        "ransomware, the eighth day",
        [advised(update("openssl", flaw())), exploited(TODAY + DAY, TODAY - 8 * DAY, ransomware=True)],
        FAIL,
        "which ransomware uses; it was due on 2026-05-31",
        CRITICAL,
        object="openssl",
    ),
    Case(
        USED,
        "ransomware, due sooner by itself",
        [advised(update("openssl", flaw())), exploited(TODAY - 3 * DAY, TODAY - 6 * DAY, ransomware=True)],
        FAIL,
        "was due on 2026-05-29",
        CRITICAL,
        object="openssl",
    ),
    Case(
        USED,
        "ransomware, limit",
        [advised(update("openssl", flaw())), exploited(TODAY + DAY, TODAY - 8 * DAY, ransomware=True)],
        FAIL,
        "is due by 2026-06-01",
        HIGH,
        object="openssl",
        limits={"ransomware_days": 8},
    ),
    Case(
        USED,
        "two, the sooner counts",
        [
            advised(update("openssl", flaw(1), flaw(2))),
            catalogue(CVE_2026_1=EXPLOITED, CVE_2026_2=Exploitation(TODAY - 21 * DAY, TODAY - DAY)),
        ],
        FAIL,
        "CVE-2026-1, CVE-2026-2, known to be exploited; it was due on 2026-05-31",
        CRITICAL,
        object="openssl",
    ),
    Case(
        USED,
        "no fix yet",
        [advised(update("openssl", flaw(), fixed="")), EXPLOITED_1],
        FAIL,
        "(fix: -)",
        HIGH,
        object="openssl",
    ),
    Case(USED, "old catalogue", [catalogue(AT - 14 * DAY)], PASS),
    Case(
        USED,
        "stale catalogue",
        [catalogue(AT - 14 * DAY - SECOND, CVE_2026_1=EXPLOITED)],
        UNKNOWN,
        "known exploited vulnerabilities is of 2026-05-18, older than allowed (days: 14)",
        reason=Reason.STALE_FEED,
    ),
    Case(LIKELY, "at the limit", [advised(update("openssl", flaw())), predictions(CVE_2026_1=0.1)], PASS),
    Case(
        LIKELY,
        "above the limit",
        [
            advised(update("openssl", flaw(1), flaw(2), flaw(3))),
            predictions(CVE_2026_1=0.2, CVE_2026_2=0.91234),
        ],
        FAIL,
        "openssl 1.0 has CVE-2026-2, CVE-2026-1; the likeliest is used within 30 days with a probability of 91.2 %, "
        "and at most 10 %",
        object="openssl",
    ),
    Case(
        LIKELY,
        "just above the limit",
        [advised(update("openssl", flaw())), predictions(CVE_2026_1=0.10001)],
        FAIL,
        object="openssl",
    ),
    Case(
        LIKELY,
        "limit",
        [advised(update("openssl", flaw())), predictions(CVE_2026_1=0.29)],
        PASS,
        limits={"percent": 29},
    ),
    Case(LIKELY, "not predicted", [advised(update("openssl", flaw()))], PASS),
    Case(
        LIKELY,
        "no fix yet",
        [advised(update("openssl", flaw(), fixed="")), predictions(CVE_2026_1=0.5)],
        FAIL,
        object="openssl",
    ),
    Case(LIKELY, "old predictions", [predictions(AT - 14 * DAY)], PASS),
    Case(
        LIKELY,
        "stale predictions",
        [advised(update("openssl", flaw())), predictions(AT - 14 * DAY - SECOND, CVE_2026_1=0.5)],
        UNKNOWN,
        reason=Reason.STALE_FEED,
    ),
]


def since(days: int, severity: Severity | None) -> Advised:
    return advised(update("openssl", flaw(1, severity), published=TODAY - days * DAY))


OVERDUE = [
    Case(LATE, "critical, due", [since(15, CRITICAL)], PASS, "No security update is overdue"),
    Case(
        LATE,
        "critical, overdue",
        [since(16, CRITICAL)],
        FAIL,
        "openssl 1.0 was due for 2.0 on 2026-05-31: CVE-2026-1. Run: apt-get install --only-upgrade '?source-package(^openssl$)'",
        HIGH,
        object="openssl",
    ),
    Case(LATE, "high, due", [since(30, HIGH)], PASS),
    Case(LATE, "high, overdue", [since(31, HIGH)], FAIL, severity=HIGH, object="openssl"),
    Case(LATE, "medium, due", [since(90, MEDIUM)], PASS),
    Case(LATE, "medium, overdue", [since(91, MEDIUM)], FAIL, severity=MEDIUM, object="openssl"),
    Case(LATE, "low, overdue", [since(91, LOW)], FAIL, severity=MEDIUM, object="openssl"),
    Case(LATE, "not rated, due", [since(90, None)], PASS),
    Case(LATE, "not rated, overdue", [since(91, None)], FAIL, severity=MEDIUM, object="openssl"),
    Case(LATE, "limit, critical", [since(16, CRITICAL)], PASS, limits={"critical_days": 16}),
    Case(LATE, "limit, high", [since(31, HIGH)], PASS, limits={"high_days": 31}),
    Case(LATE, "limit, other", [since(91, LOW)], PASS, limits={"other_days": 91}),
    Case(LATE, "exploited, due today", [since(0, HIGH), EXPLOITED_1], PASS),
    Case(
        LATE,
        "exploited, due before",
        [since(0, HIGH), exploited(TODAY - DAY)],
        FAIL,
        "on 2026-05-31",
        HIGH,
        object="openssl",
    ),
    Case(
        LATE,
        "exploited, due after",
        [since(31, HIGH), exploited(TODAY + DAY)],
        FAIL,
        "on 2026-05-31",
        HIGH,
        object="openssl",
    ),
    Case(
        LATE,
        "without a date",
        [rated(HIGH, published=None)],
        UNKNOWN,
        "no advisory says since when",
        reason=Reason.NOT_COLLECTED,
        object="openssl",
    ),
    Case(
        LATE,
        "without a date, exploited",
        [rated(HIGH, published=None), exploited(TODAY - DAY)],
        FAIL,
        severity=HIGH,
        object="openssl",
    ),
    Case(
        LATE, "stale catalogue", [since(0, LOW), catalogue(AT - 15 * DAY)], UNKNOWN, reason=Reason.STALE_FEED
    ),
    Case(LATE, "stale catalogue, nothing missing", [catalogue(AT - 15 * DAY)], PASS),
    Case(LATE, "no catalogue, nothing missing", [], PASS, without=(KnownExploited,)),
    Case(
        LATE,
        "no catalogue, something missing",
        [since(0, LOW)],
        UNKNOWN,
        "was not imported",
        reason=Reason.NOT_COLLECTED,
        without=(KnownExploited,),
    ),
    Case(
        LATE,
        "a grave flaw of yesterday beside a mild one of spring",
        [
            advised(
                update(
                    "openssl",
                    Flaw("CVE-2026-1", LOW, TODAY - 80 * DAY),
                    Flaw("CVE-2026-2", CRITICAL, TODAY - DAY),
                    published=TODAY - 80 * DAY,
                )
            )
        ],
        PASS,
    ),
    Case(
        LATE,
        "a grave flaw is overdue beside a mild one",
        [
            advised(
                update(
                    "openssl",
                    Flaw("CVE-2026-1", LOW, TODAY - 80 * DAY),
                    Flaw("CVE-2026-2", CRITICAL, TODAY - 16 * DAY),
                    published=TODAY - 80 * DAY,
                )
            )
        ],
        FAIL,
        "on 2026-05-31",
        HIGH,
        object="openssl",
    ),
]
