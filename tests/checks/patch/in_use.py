"""Cases of what is installed and not in use yet."""

from secscan.checks import patch_in_use
from secscan.facts import Kernel, SystemFacts
from secscan.model import Reason
from tests.checks.patch.case import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    UNREAD,
    Case,
    kernel,
    linux,
    windows,
)

REBOOT, RUNS, PROGRAMS = patch_in_use.reboot, patch_in_use.running_kernel, patch_in_use.outdated_programs
EL_OLD, EL_NEW = "5.14.0-427.5.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64"
CUSTOM = kernel("6.9.0-ours", "")


def runs(running: str, *kernels: Kernel | str) -> SystemFacts:
    return linux(kernel=running, kernels=tuple(kernel(k) if isinstance(k, str) else k for k in kernels))


IN_FORCE = [
    Case(REBOOT, "not asked for", [], PASS),
    Case(REBOOT, "asked for", [linux(reboot_required=True)], FAIL, "It asks for a reboot; until"),
    Case(
        REBOOT,
        "by whom",
        [linux(reboot_required=True, reboot_packages=("libc6", "linux-image"))],
        FAIL,
        "because of libc6, linux-image; until",
    ),
    Case(
        REBOOT,
        "by whom unread",
        [linux(reboot_required=True, reboot_packages=UNREAD)],
        FAIL,
        "for a reboot; until",
    ),
    Case(REBOOT, "unread", [linux(reboot_required=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(REBOOT, "Windows", [windows(reboot_required=True)], FAIL),
    Case(RUNS, "the newest", [], PASS, "runs: 6.1.0-22-amd64."),
    Case(
        RUNS,
        "the one before",
        [runs("6.1.0-9-amd64", "6.1.0-9-amd64", "6.1.0-10-amd64")],
        FAIL,
        "6.1.0-9-amd64 runs; installed is 6.1.0-10-amd64",
    ),
    Case(RUNS, "the one before, of Red Hat", [runs(EL_OLD, EL_OLD, EL_NEW)], FAIL, EL_NEW),
    Case(RUNS, "the newest, of Red Hat", [runs(EL_NEW, EL_OLD, EL_NEW)], PASS),
    Case(
        RUNS,
        "another flavour is newer",
        [runs("6.1.0-21-amd64", "6.1.0-21-amd64", "6.1.0-22-rt-amd64")],
        PASS,
    ),
    Case(RUNS, "a rescue image", [runs(EL_NEW, EL_NEW, "9-rescue-0123456789abcdef")], PASS),
    Case(
        RUNS,
        "in the rescue image",
        [runs("0-rescue-0123456789abcdef", "0-rescue-0123456789abcdef", EL_NEW)],
        FAIL,
        f"installed is {EL_NEW}",
    ),
    Case(
        RUNS,
        "in the rescue image, and nothing newer",
        [runs("9-rescue-0123456789abcdef", EL_NEW)],
        FAIL,
        "A rescue kernel runs",
    ),
    Case(
        RUNS,
        "a custom one",
        [runs("6.9.0-ours", CUSTOM, "6.10.0-22-amd64")],
        UNKNOWN,
        "No package is known",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        RUNS,
        "a custom one is newer",
        [runs("6.1.0-22-amd64", "6.1.0-22-amd64", kernel("6.9.0-amd64", ""))],
        PASS,
    ),
    Case(
        RUNS,
        "removed by its update",
        [runs("6.9.3-arch1-1", "6.9.4-arch1-1")],
        FAIL,
        "installed is 6.9.4-arch1-1",
    ),
    Case(
        RUNS,
        "not installed",
        [runs("6.9.5-arch1-1", "6.9.4-arch1-1")],
        UNKNOWN,
        "installed are 6.9.4-arch1-1",
        reason=Reason.CONTRADICTORY,
    ),
    Case(
        RUNS,
        "not installed, of its own flavour",
        [runs("6.1.0-22-cloud-amd64", "6.1.0-30-amd64")],
        UNKNOWN,
        reason=Reason.CONTRADICTORY,
    ),
    Case(
        RUNS,
        "none is told, as in a container",
        [runs("6.1.0-22-amd64")],
        UNKNOWN,
        "A container runs that of its host",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        RUNS,
        "only a rescue image",
        [runs("6.1.0-22-amd64", "0-rescue-0123")],
        UNKNOWN,
        reason=Reason.NOT_COLLECTED,
    ),
    Case(RUNS, "unread", [linux(kernels=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(RUNS, "Windows", [windows()], NOT_APPLICABLE, "Windows has one kernel"),
    Case(PROGRAMS, "none", [], PASS),
    Case(
        PROGRAMS,
        "two",
        [linux(outdated_programs=("nginx", "sshd"))],
        FAIL,
        "Programs that run on replaced files: nginx, sshd (2).",
    ),
    Case(PROGRAMS, "one", [linux(outdated_programs=("sshd",))], FAIL, "files: sshd (1)."),
    Case(PROGRAMS, "unread", [linux(outdated_programs=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
]
