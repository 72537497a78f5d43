"""Cases of releases and how long they are looked after."""

import msgspec

from secscan.checks import patch_support
from secscan.facts import Release
from secscan.model import Reason
from secscan.reference import Lifetime
from tests.checks.patch.case import (
    AT,
    BOOKWORM,
    DAY,
    FAIL,
    NOT_APPLICABLE,
    PASS,
    SECOND,
    TODAY,
    UNKNOWN,
    UNREAD,
    Case,
    Dates,
    ends,
    linux,
    windows,
)

EOL, SOON = patch_support.end_of_life, patch_support.end_of_life_soon
PAID = linux(release=msgspec.structs.replace(BOOKWORM, support="esm"))

LIFETIMES = [
    Case(EOL, "long", [], PASS, "Debian 12 (bookworm) gets security updates until 2029-02-25"),
    Case(EOL, "its last day", [ends(TODAY)], PASS),
    Case(
        EOL,
        "the day after",
        [ends(TODAY - DAY)],
        FAIL,
        "got its last security updates on 2026-05-31; a release",
    ),
    Case(EOL, "no end", [ends(None)], PASS, "no known end"),
    Case(EOL, "paid for, not this host", [ends(TODAY - DAY, TODAY)], FAIL),
    Case(EOL, "paid for", [PAID, ends(TODAY - DAY, TODAY)], PASS, "until 2026-06-01"),
    Case(EOL, "paid for and over", [PAID, ends(TODAY - 9 * DAY, TODAY - DAY)], FAIL, "on 2026-05-31"),
    Case(EOL, "paid for, where nobody can", [PAID, ends(TODAY - DAY)], FAIL),
    Case(EOL, "paid for, shorter", [PAID, ends(TODAY, TODAY - DAY)], PASS),
    Case(EOL, "Windows", [windows(), ends(TODAY - DAY)], FAIL),
    Case(EOL, "no such release", [Dates(None)], UNKNOWN, "secscan feeds import", reason=Reason.NOT_COLLECTED),
    Case(EOL, "release unread", [linux(release=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(
        EOL,
        "a rolling release",
        [linux(release=Release(id="arch", name="Arch Linux"))],
        NOT_APPLICABLE,
        "Arch Linux has",
    ),
    Case(
        EOL,
        "stale table, over when it was made",
        [Dates(Lifetime("Debian 12 (bookworm)", TODAY - 500 * DAY), AT - 401 * DAY)],
        FAIL,
    ),
    Case(
        EOL,
        "stale table, over since",
        [Dates(Lifetime("Debian 12 (bookworm)", TODAY - 401 * DAY), AT - 401 * DAY)],
        UNKNOWN,
        reason=Reason.STALE_FEED,
    ),
    Case(EOL, "old table", [Dates(made=AT - 400 * DAY)], PASS),
    Case(
        EOL,
        "stale table",
        [Dates(made=AT - 400 * DAY - SECOND)],
        UNKNOWN,
        "of 2025-04-27, older than allowed (days: 400); by them Debian 12 (bookworm) ends on 2029-02-25",
        reason=Reason.STALE_FEED,
    ),
    Case(EOL, "stale table, limit", [Dates(made=AT - 2 * DAY)], UNKNOWN, limits={"table_days": 1}),
    Case(EOL, "stale table, no end", [Dates(Lifetime("Arch", None), AT - 401 * DAY)], UNKNOWN, "ends on -"),
    Case(SOON, "long", [], PASS, "until 2029-02-25"),
    Case(SOON, "181 days", [ends(TODAY + 181 * DAY)], PASS),
    Case(
        SOON,
        "180 days",
        [ends(TODAY + 180 * DAY)],
        FAIL,
        "on 2026-11-28; a later end is expected (days: more than 180)",
    ),
    Case(SOON, "over", [ends(TODAY - DAY)], FAIL),
    Case(SOON, "no end", [ends(None)], PASS, "no known end"),
    Case(SOON, "limit", [ends(TODAY + 180 * DAY)], PASS, limits={"days": 179}),
    Case(SOON, "no such release", [Dates(None)], UNKNOWN, reason=Reason.NOT_COLLECTED),
    Case(SOON, "stale table", [Dates(made=AT - 401 * DAY)], UNKNOWN, reason=Reason.STALE_FEED),
]
