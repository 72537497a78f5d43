"""Cases of what a host says of its own upkeep."""

from secscan.checks import patch_upkeep
from secscan.facts import Release, Repository
from secscan.model import Reason
from tests.checks.patch.case import (
    AT,
    DAY,
    FAIL,
    HOUR,
    NOT_APPLICABLE,
    PASS,
    ROCKY,
    SECOND,
    UNKNOWN,
    UNREAD,
    Case,
    installed,
    kept,
    linux,
    pending,
    repository,
    windows,
)
from tests.checks.patch.offered import offers

WAITS, FETCHED, CHANGED = patch_upkeep.pending_security, patch_upkeep.metadata_age, patch_upkeep.last_change
SOURCES, AUTO = patch_upkeep.security_repository, patch_upkeep.automatic_updates

OWN_WORDS = [
    Case(WAITS, "nothing", [], PASS, "(pending: 0)"),
    Case(WAITS, "others", [offers(pending("vim", security=False))], PASS, "(pending: 1)"),
    Case(WAITS, "one", [offers(pending("vim"))], FAIL, "vim 1.0 waits for 2.0 from Mirror; no", object="vim"),
    Case(
        WAITS,
        "one that is new",
        [offers(pending("vim", old="", origin=""))],
        FAIL,
        "vim - waits for 2.0 from -; no",
        object="vim",
    ),
    Case(
        WAITS,
        "one that can't be told",
        [offers(pending("vim", security=UNREAD))],
        UNKNOWN,
        "vim",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        WAITS,
        "where repositories tell nothing",
        [linux(release=Release(id="centos", version="7")), offers(pending("vim", security=False))],
        UNKNOWN,
        "vim",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(WAITS, "unread", [kept(pending=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(FETCHED, "today", [], PASS, "on 2026-06-01"),
    Case(FETCHED, "seven days", [kept(metadata_at=AT - 7 * DAY)], PASS),
    Case(
        FETCHED,
        "longer",
        [kept(metadata_at=AT - 7 * DAY - SECOND)],
        FAIL,
        "on 2026-05-25, longer before the host was looked at than allowed (days: 7)",
    ),
    Case(FETCHED, "limit", [kept(metadata_at=AT - 8 * DAY)], PASS, limits={"days": 8}),
    Case(FETCHED, "by the look, not by today", [kept(metadata_at=AT - 8 * DAY)], PASS, looked=AT - DAY),
    Case(FETCHED, "an hour ahead", [kept(metadata_at=AT + HOUR)], PASS),
    Case(
        FETCHED, "in the future", [kept(metadata_at=AT + HOUR + SECOND)], UNKNOWN, reason=Reason.CONTRADICTORY
    ),
    Case(FETCHED, "next week", [kept(metadata_at=AT + 7 * DAY)], UNKNOWN, reason=Reason.CONTRADICTORY),
    Case(FETCHED, "unread", [kept(metadata_at=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(CHANGED, "today", [], PASS, "on 2026-06-01"),
    Case(CHANGED, "sixty days", [kept(changed_at=AT - 60 * DAY)], PASS),
    Case(
        CHANGED,
        "longer",
        [kept(changed_at=AT - 60 * DAY - SECOND)],
        FAIL,
        "since 2026-04-02, longer before the host was looked at than allowed (days: 60)",
    ),
    Case(CHANGED, "limit", [kept(changed_at=AT - 61 * DAY)], PASS, limits={"days": 61}),
    Case(
        CHANGED, "in the future", [kept(changed_at=AT + HOUR + SECOND)], UNKNOWN, reason=Reason.CONTRADICTORY
    ),
    Case(CHANGED, "unread", [kept(changed_at=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(SOURCES, "there", [], PASS, "from http://mirror.example.vn/debian bookworm-security."),
    Case(
        SOURCES,
        "there, and one unread",
        [kept(repositories=(repository(security=UNREAD), repository(security=True)))],
        PASS,
    ),
    Case(SOURCES, "not there", [kept(repositories=(repository("bookworm"),))], FAIL, "No repository brings"),
    Case(
        SOURCES,
        "one unread",
        [kept(repositories=(repository(security=UNREAD),))],
        UNKNOWN,
        reason=Reason.UNREADABLE,
    ),
    Case(SOURCES, "none", [kept(repositories=())], FAIL, "No package repository"),
    Case(SOURCES, "unread", [kept(repositories=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(
        SOURCES,
        "one for all",
        [linux(release=ROCKY), kept(repositories=(repository("baseos"),))],
        PASS,
        "Rocky Linux 9.4 (Blue Onyx) gets",
    ),
    Case(SOURCES, "one for all, and none", [linux(release=ROCKY), kept(repositories=())], FAIL),
    Case(
        SOURCES,
        "unstable",
        [linux(release=Release(id="debian", codename="sid")), kept(repositories=(repository("sid"),))],
        UNKNOWN,
        "can't be told",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        SOURCES,
        "no version told",
        [
            linux(release=Release(id="debian", codename="bookworm")),
            kept(repositories=(repository("bookworm"),)),
        ],
        UNKNOWN,
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        SOURCES,
        "no version told, and there",
        [linux(release=Release(id="debian", codename="bookworm"))],
        PASS,
    ),
    Case(
        SOURCES,
        "neither version nor code name",
        [linux(release=Release(id="debian"))],
        UNKNOWN,
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        SOURCES,
        "in capitals",
        [linux(release=Release(id="Debian", version="12")), kept(repositories=(repository("bookworm"),))],
        FAIL,
    ),
    *(
        Case(
            SOURCES,
            f"of {id}, unknown",
            [linux(release=Release(id=id, version="12")), kept(repositories=(where,))],
            UNKNOWN,
            "can't be told",
            reason=Reason.NOT_COLLECTED,
        )
        for id, where in (
            ("arch", repository("bookworm")),
            ("raspbian", repository("bookworm")),
            ("acmeos", repository("bookworm")),
            ("acmeos", Repository(address="file:///nothing", suite="./")),
            ("acmeos", repository("bookworm-security", security=True)),
        )
    ),
    *(
        Case(SOURCES, f"of {id}", [linux(release=Release(id=id)), kept(repositories=(where,))], PASS)
        for id, where in (
            ("arch", repository("core")),
            ("fedora", repository("updates")),
            ("amzn", repository("amazonlinux")),
            ("sles", repository("SLE-Module-Basesystem15-SP5-Updates")),
            ("alpine", Repository(address="https://dl.example/alpine/v3.20/main")),
        )
    ),
    Case(SOURCES, "release unread", [linux(release=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(
        SOURCES,
        "of another release",
        [kept(repositories=(repository("bullseye-security", security=True),))],
        FAIL,
        "bullseye-security, which is of another release; one of Debian GNU/Linux 12 (bookworm) is expected",
    ),
    Case(
        SOURCES,
        "by the name stable",
        [kept(repositories=(repository("stable-security", security=True),))],
        PASS,
    ),
    Case(
        SOURCES,
        "only another maker's",
        [linux(release=ROCKY), kept(repositories=(repository("epel"),))],
        UNKNOWN,
        "security updates of Rocky Linux 9.4 (Blue Onyx)",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(SOURCES, "Windows", [windows(), kept(repositories=UNREAD)], NOT_APPLICABLE),
    Case(AUTO, "on", [], PASS),
    Case(AUTO, "off", [kept(automatic=False)], FAIL),
    Case(AUTO, "unread", [kept(automatic=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
]


FOREIGN, HELD, CLOCK, KEPT = (
    patch_upkeep.foreign_packages,
    patch_upkeep.held_packages,
    patch_upkeep.clock,
    patch_upkeep.clock_synchronised,
)

REST = [
    Case(FOREIGN, "none", [], PASS, "(packages: 4)"),
    Case(
        FOREIGN,
        "one",
        [installed(foreign=("agent",))],
        FAIL,
        "Packages that come from no configured repository and get no updates: agent (1).",
    ),
    Case(
        FOREIGN,
        "allowed",
        [installed(foreign=("agent",))],
        PASS,
        "(packages: 1)",
        limits={"allowed": {"agent"}},
    ),
    Case(
        FOREIGN,
        "allowed by its beginning",
        [installed(foreign=("agent",))],
        PASS,
        limits={"allowed": {"ag*"}},
    ),
    Case(FOREIGN, "another beginning", [installed(foreign=("agent",))], FAIL, limits={"allowed": {"ax*"}}),
    Case(
        FOREIGN,
        "not by the beginning alone",
        [installed(foreign=("agent",))],
        FAIL,
        limits={"allowed": {"ag"}},
    ),
    Case(
        FOREIGN,
        "one of two allowed",
        [installed(foreign=("a", "b"))],
        FAIL,
        ": b (1).",
        limits={"allowed": {"a"}},
    ),
    Case(FOREIGN, "unread", [installed(foreign=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(HELD, "none", [], PASS, "No package is held."),
    Case(
        HELD,
        "one",
        [installed(held=("nginx",))],
        FAIL,
        "Packages that are held and get no updates: nginx (1).",
    ),
    Case(HELD, "allowed", [installed(held=("nginx",))], PASS, "(packages: 1)", limits={"allowed": {"nginx"}}),
    Case(
        HELD, "one of two allowed", [installed(held=("a", "b"))], FAIL, ": b (1).", limits={"allowed": {"a*"}}
    ),
    Case(HELD, "unread", [installed(held=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(CLOCK, "right", [], PASS),
    Case(CLOCK, "30 seconds fast", [linux(clock_offset=30)], PASS),
    Case(CLOCK, "35 seconds fast", [linux(clock_offset=35)], FAIL, "off by 35 s; at most 30 s"),
    Case(CLOCK, "30 seconds slow", [linux(clock_offset=-30)], PASS),
    Case(CLOCK, "35 seconds slow", [linux(clock_offset=-35)], FAIL),
    Case(CLOCK, "limit", [linux(clock_offset=35)], PASS, limits={"seconds": 35}),
    Case(CLOCK, "unread", [linux(clock_offset=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(KEPT, "on", [], PASS),
    Case(KEPT, "off", [linux(clock_synchronised=False)], FAIL),
    Case(KEPT, "unread", [linux(clock_synchronised=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
]
