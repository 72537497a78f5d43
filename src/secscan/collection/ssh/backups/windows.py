"""Windows Server Backup and shadow copies, after Microsoft's documentation; there was no Windows to try it on. Pure.

Get-WBSummary (LastSuccessfulBackupTime, LastBackupTime, LastBackupResultDetailedHR, NumberOfVersions) is told to
administrators and backup operators; Win32_ShadowCopy (InstallDate, VolumeName) to administrators.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap
from secscan.facts.backups import (
    Attempt,
    Backup,
    BackupFacts,
    BackupRun,
    BackupTool,
    Place,
    PlaceKind,
    Unread,
)
from secscan.model import Reason

_MOST_COPIES = 5000


def windows_backup_facts(said: Mapping[str, Any]) -> BackupFacts:
    """From what the script's ``backup`` and ``shadows`` are; ``backup-tool`` is whether the cmdlets are there."""
    backups: list[Backup] = []
    unread: list[Unread] = []
    installed = said.get("backup-tool") is True
    summary = said.get("backup")
    if isinstance(summary, dict) and summary:
        backups.append(_summary(summary))
    elif installed:
        unread.append(
            Unread(
                tool="windows-server-backup",
                what="Get-WBSummary",
                reason=Reason.UNREADABLE if summary is None else Reason.UNPARSED,
                detail="the host does not say"
                if summary is None
                else bounded(f"not understood: {str(summary)[:80]!r}"),
                access='net localgroup "Backup Operators" ACCOUNT /add',
            )
        )
    shadows = said.get("shadows")
    found = _shadows(shadows)
    if isinstance(found, Unread):
        unread.append(found)
    else:
        backups += found
    return BackupFacts(
        tools=(BackupTool(name="windows-server-backup"),) if installed else (),
        backups=tuple(sorted(backups, key=lambda b: (b.tool, b.name))),
        unread=tuple(unread),
    )


def _summary(summary: dict[str, Any]) -> Backup:
    succeeded, tried, result = (
        _instant(summary.get("succeeded")),
        _instant(summary.get("last")),
        summary.get("result"),
    )
    well = result == 0 if isinstance(result, int) and not isinstance(result, bool) else None
    return Backup(
        tool="windows-server-backup",
        name="policy",
        seen_in=("Get-WBSummary",),
        # A host that never made one has no such time: only where it tells of versions is there one to tell of.
        runs=(
            (BackupRun(at=succeeded),)
            if succeeded
            else ()
            if summary.get("versions") == 0
            else Gap(Reason.UNREADABLE, "the time of the last success: the host does not say")
        ),
        attempt=(
            Attempt(at=tried, succeeded=well, said=bounded(f"HRESULT {result}"))
            if tried and well is not None
            else Gap(Reason.UNREADABLE, "how the last backup ended: the host does not say")
        ),
        encrypted=Gap(Reason.NOT_COLLECTED, "whether the target's volume is encrypted is not read"),
    )


def _shadows(shadows: Any) -> list[Backup] | Unread:
    if shadows is None:
        return Unread(
            tool="shadow-copy",
            what="Win32_ShadowCopy",
            reason=Reason.UNREADABLE,
            detail="only administrators are told",
        )
    if isinstance(shadows, dict):
        shadows = [shadows]  # PowerShell unwraps a list of one
    by_volume: dict[str, list[BackupRun]] = {}
    if isinstance(shadows, list) and len(shadows) <= _MOST_COPIES:
        for copy in shadows:
            at = _instant(copy.get("at")) if isinstance(copy, dict) else None
            volume = copy.get("volume") if isinstance(copy, dict) else None
            if at is None or not isinstance(volume, str):
                break
            by_volume.setdefault(bounded(volume), []).append(BackupRun(at=at))
        else:
            return [_copies(volume, runs) for volume, runs in sorted(by_volume.items())]
    return Unread(
        tool="shadow-copy",
        what="Win32_ShadowCopy",
        reason=Reason.UNPARSED,
        detail=bounded(f"not understood: {str(shadows)[:80]!r}"),
    )


def _copies(volume: str, runs: list[BackupRun]) -> Backup:
    newest = {run.at: run for run in runs}
    return Backup(
        tool="shadow-copy",
        name=volume,
        seen_in=("Win32_ShadowCopy",),
        # Differences are kept on a disk of the same machine, the volume's own unless somebody moved them.
        place=Place(kind=PlaceKind.LOCAL, address=volume, path=volume, device=volume),
        runs=tuple(newest[at] for at in sorted(newest, reverse=True)[:100]),
        included=(volume,),
        # vssadmin deletes them, and who breaks in as an administrator does so first.
        append_only=False,
    )


def _instant(value: Any) -> datetime | None:
    """Seconds since 1970, as the script has reckoned them."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 253402300799:
        return None
    return datetime.fromtimestamp(value, UTC)
