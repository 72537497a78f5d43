"""Cases of what the package manager offers of it."""

from secscan.facts import PendingUpdate, UpdateFacts
from secscan.model import Reason
from tests.checks.patch.case import (
    AT,
    DAY,
    FAIL,
    PASS,
    TODAY,
    UNKNOWN,
    UNREAD,
    Case,
    advised,
    installed,
    kept,
    package,
    pending,
    update,
)
from tests.checks.patch.missing import OFFERED

FIXED = advised(update("openssl", binaries=("libssl3", "openssl"), published=TODAY - 7 * DAY))
BOTH = (pending("libssl3"), pending("openssl"))
KERNEL = "linux-image-6.1.0-21-amd64"
KERNEL_FIX = advised(update("linux", binaries=(KERNEL,)))
WITH_KERNEL = installed(package(KERNEL, source="linux"))


def offers(*updates: PendingUpdate) -> UpdateFacts:
    return kept(pending=updates)


OFFERS = [
    Case(OFFERED, "all", [FIXED, offers(*BOTH)], PASS, "missing by the advisories (1)"),
    Case(OFFERED, "nothing is missing", [], PASS, "no update is missing"),
    Case(
        OFFERED,
        "nothing",
        [FIXED],
        FAIL,
        "that the package manager does not offer: openssl (1 of 1).",
    ),
    Case(OFFERED, "an older version", [FIXED, offers(pending("openssl", "1.9"))], FAIL),
    Case(OFFERED, "a newer version", [FIXED, offers(pending("openssl", "2.1"))], PASS),
    Case(OFFERED, "another package", [FIXED, offers(pending("bash"))], FAIL),
    Case(
        OFFERED,
        "one of two",
        [
            advised(update("openssl"), update("bash")),
            offers(pending("bash")),
        ],
        FAIL,
        "that the package manager does not offer: openssl (1 of 2).",
    ),
    Case(
        OFFERED,
        "held, all of it",
        [FIXED, installed(held=("libssl3", "openssl"))],
        PASS,
        "no update is missing",
    ),
    Case(OFFERED, "held in part", [FIXED, installed(held=("openssl",))], FAIL),
    Case(OFFERED, "what is held unread", [FIXED, installed(held=UNREAD)], FAIL),
    Case(OFFERED, "pending unread", [FIXED, kept(pending=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(
        OFFERED, "published within the grace", [advised(update("openssl", published=TODAY - 6 * DAY))], PASS
    ),
    Case(
        OFFERED,
        "published after the look",
        [FIXED],
        PASS,
        looked=AT - DAY,
    ),
    Case(OFFERED, "grace, limit", [FIXED], PASS, limits={"grace_days": 8}),
    Case(
        OFFERED,
        "without a date, in a feed before the grace",
        [advised(update("openssl", published=None), made=AT - 7 * DAY)],
        FAIL,
    ),
    Case(
        OFFERED,
        "without a date",
        [advised(update("openssl", published=None), made=AT - 6 * DAY)],
        UNKNOWN,
        "openssl",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        OFFERED, "without a date, offered", [advised(update("openssl", published=None)), offers(*BOTH)], PASS
    ),
    Case(OFFERED, "waits for a reboot", [advised(update("openssl", awaits_reboot=True))], PASS),
    Case(
        OFFERED,
        "a kernel beside it",
        [KERNEL_FIX, WITH_KERNEL, offers(pending("linux-image-6.1.0-22-amd64"))],
        PASS,
    ),
    Case(
        OFFERED,
        "a kernel by its metapackage",
        [KERNEL_FIX, WITH_KERNEL, offers(pending("linux-image-amd64"))],
        PASS,
    ),
    Case(
        OFFERED,
        "a kernel of another flavour",
        [KERNEL_FIX, WITH_KERNEL, offers(pending("linux-image-6.1.0-22-rt-amd64"))],
        FAIL,
    ),
    Case(
        OFFERED,
        "a kernel, too old",
        [KERNEL_FIX, WITH_KERNEL, offers(pending("linux-image-6.1.0-22-amd64", "1.5"))],
        FAIL,
    ),
    Case(
        OFFERED,
        "built again",
        [
            FIXED,
            installed(package("openssl", "1.0+b1", source_version="1.0")),
            offers(pending("openssl", "2.0+b2")),
        ],
        PASS,
    ),
    Case(
        OFFERED,
        "built again, too old",
        [
            FIXED,
            installed(package("openssl", "1.0+b1", source_version="1.0")),
            offers(pending("openssl", "1.9+b2")),
        ],
        FAIL,
    ),
    Case(
        OFFERED,
        "a source without epoch",
        [
            FIXED,
            installed(package("openssl", "1:1.0", source_version="1.0")),
            offers(pending("openssl", "1:1.9")),
        ],
        FAIL,
    ),
    Case(
        OFFERED,
        "a source with another version",
        [
            FIXED,
            installed(package("openssl", "3.7", source_version="1.0")),
            offers(pending("openssl", "3.8")),
        ],
        PASS,
    ),
]
