"""What a host is and how it runs: operating system, kernel, clock, and what waits for a reboot."""

from datetime import datetime
from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading, Value
from secscan.model import Level


class Release(Value, frozen=True, kw_only=True):
    """os-release(5), or what Windows says of itself. Text is the host's, bounded to 200 characters a field."""

    id: str
    version: str = ""
    codename: str = ""
    name: str = ""
    like: tuple[str, ...] = ()
    #: Windows: the build and its update revision, such as ``20348.2527``.
    build: str = ""
    #: A Red Hat release under extended support (``eus``), or Ubuntu's ``esm``, where the host says so.
    support: str = ""


class Kernel(msgspec.Struct, frozen=True, kw_only=True):
    """An installed kernel: its release as ``uname -r`` would say it, and the package it came from ("" for none)."""

    release: str
    package: str = ""
    version: str = ""


class SystemFacts(Facts, frozen=True, kw_only=True):
    """One host, seen from the inside. What an ordinary account could not read is a Gap, field by field."""

    kind: ClassVar[str] = "system"
    level: ClassVar[Level] = Level.HOST

    family: str  # "linux" or "windows"
    release: Reading[Release]
    architecture: str
    #: ``uname -r``.
    kernel: str
    #: Every kernel under /boot or in the package database, sorted; rescue images and custom kernels included.
    kernels: Reading[tuple[Kernel, ...]] = Gap()
    booted_at: Reading[datetime] = Gap()
    #: The system says itself that it wants a reboot (/run/reboot-required, needs-restarting, pending file renames).
    reboot_required: Reading[bool] = Gap()
    #: Packages that asked for it, sorted.
    reboot_packages: Reading[tuple[str, ...]] = Gap()
    #: Programs that still run on files which an update has replaced, sorted, each once.
    outdated_programs: Reading[tuple[str, ...]] = Gap()
    #: The host's clock minus ours, in seconds, to the next multiple of 5; half the round trip is taken off.
    clock_offset: Reading[int] = Gap()
    #: The host keeps its clock by the network (timedatectl, chrony, ntpd).
    clock_synchronised: Reading[bool] = Gap()
