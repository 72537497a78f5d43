"""What is installed and not in use yet: a kernel that does not run, programs from before their update."""

from collections.abc import Iterable, Iterator

from secscan.check import Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._kernel_release import age_key, flavour, is_rescue
from secscan.checks._words import listed, short
from secscan.facts import (
    Gap,
    Kernel,
    SystemFacts,
    known,
)
from secscan.model import Observation, Reason, Severity


@check("patch.reboot", severity=Severity.MEDIUM)
def reboot(seen: Observation[SystemFacts]) -> Iterator[Verdict]:
    """The system does not wait for a reboot.

    Why: Updates of the kernel, the C library and the init system are in use only after a reboot; until then the flaw is
    open, while every list says that it is mended.

    Fix: Reboot in the next window. Where windows are rare, ask for live patching (Livepatch, kpatch).
    """
    if not known(seen.facts.reboot_required):
        yield passed("It does not ask for a reboot.")
        return
    by = () if isinstance(seen.facts.reboot_packages, Gap) else seen.facts.reboot_packages
    if by:
        yield failed(
            "It asks for a reboot, because of {packages}; until then their updates are not in use. Reboot.",
            packages=listed(by),
        )
    else:
        yield failed("It asks for a reboot; until then updates that are installed are not in use. Reboot.")


@check("patch.running-kernel", severity=Severity.MEDIUM)
def running_kernel(seen: Observation[SystemFacts]) -> Iterator[Verdict]:
    """The kernel that runs is the newest of its flavour that is installed.

    Why: A kernel that was updated and not started mends nothing. Only kernels of one flavour are compared (generic with
    generic, not with rt or aws); rescue images don't count, and neither does a kernel that came from no package. Where
    no kernel is installed, as in a container, it is unknown.

    Fix: Reboot. If it comes back with the old kernel, look at the boot loader's default (grub-set-default, grubby
    --default-kernel).
    """
    if seen.facts.family == "windows":
        yield not_applicable("Windows has one kernel, which its updates replace.")
        return
    running = seen.facts.kernel
    installed = [kernel for kernel in known(seen.facts.kernels) if not is_rescue(kernel.release)]
    if not installed:
        # A container has none, and so has a host that hides them; nothing that is read tells the two apart.
        yield unknown(
            Reason.NOT_COLLECTED,
            "No installed kernel is told beside the one that runs, {running}. A container runs that of its host: waive "
            "this rule there.",
            running=short(running),
        )
        return
    itself = next((kernel for kernel in installed if kernel.release == running), None)
    if itself is not None and not itself.package:
        yield unknown(
            Reason.NOT_COLLECTED,
            "No package is known that the kernel that runs, {running}, comes from: nobody says what it lacks.",
            running=short(running),
        )
        return
    newest = _newest(running, installed)
    if newest is not None and age_key(newest.release) > age_key(running):
        yield failed(
            "The kernel {running} runs; installed is {newest}, which is expected to run. Reboot.",
            running=short(running),
            newest=short(newest.release),
        )
    elif is_rescue(running):
        yield failed(
            "A rescue kernel runs: {running}; an ordinary one is expected. Reboot into it.",
            running=short(running),
        )
    elif itself is None:
        yield unknown(
            Reason.CONTRADICTORY,
            "The kernel that runs, {running}, is not installed; installed are {installed}.",
            running=short(running),
            installed=listed(kernel.release for kernel in installed),
        )
    else:
        yield passed("The newest installed kernel runs: {running}.", running=short(running))


@check("patch.outdated-programs", severity=Severity.MEDIUM)
def outdated_programs(seen: Observation[SystemFacts]) -> Iterator[Verdict]:
    """No program runs on files that an update has replaced.

    Why: A program keeps the libraries it started with. After an update of OpenSSL a web server that was not restarted has
    the old flaw, while the package list says that it is mended. An ordinary account sees its own programs only;
    what could not be read leaves the rule unknown.

    Fix: Restart them (needrestart -r a; dnf needs-restarting -s; zypper ps -s), or reboot.
    """
    programs = known(seen.facts.outdated_programs)
    if programs:
        yield failed(
            "Programs that run on replaced files: {programs} ({count}). Restart them.",
            count=len(programs),
            programs=listed(programs),
        )
    else:
        yield passed("No program runs on files that were replaced.")


def _newest(running: str, installed: Iterable[Kernel]) -> Kernel | None:
    """The newest kernel from a package that can stand for the one that runs; a rescue kernel stands for any."""
    alike = [
        kernel
        for kernel in installed
        if kernel.package and (is_rescue(running) or flavour(kernel.release) == flavour(running))
    ]
    return max(alike, key=lambda kernel: age_key(kernel.release), default=None)
