"""Backup servers and database copies: BackupPC, Bacula and Bareos, mariabackup. After their sources; not tried. Pure.

BackupPC: the fields of ``pc/HOST/backups`` (BackupPC::Storage of 4.4). Bacula and Bareos: the job reports that the
director logs (dird/backup.c, dird/backup.cc). mariabackup and xtrabackup: the file of notes beside a copy.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from secscan.collection.ssh.backups.jobs import Job
from secscan.collection.ssh.backups.told import Lines, Told
from secscan.collection.ssh.backups.units import last_attempt, newest, started_by
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Reading
from secscan.facts.backups import Attempt, Backup, BackupRun, Unread
from secscan.model import Reason

_REPORTED = re.compile(r"\s+([A-Z][A-Za-z -]+):\s+(.*)")
_ITS_OWN = Gap(Reason.NOT_COLLECTED, "its server keeps a schedule of its own, which is not read")
_DAY_FIRST = "%d-%b-%Y %H:%M:%S"


def read_backuppc(told: Told) -> Iterator[Backup | Unread]:
    """One backup a client: lines of ``backups`` whose type is full or incr are those that ended well."""
    for path, lines in sorted(told.contents.items()):
        found = re.fullmatch(r"(.*)/pc/([^/]+)/backups", path)
        if not found:
            continue
        runs: list[BackupRun] = []
        last: Attempt | None = None
        broken = False
        for line in lines:
            # num type startTime endTime nFiles size ...
            words = line.split("\t")
            if len(words) < 6 or not all(re.fullmatch(r"[0-9]{1,11}", w, re.ASCII) for w in words[2:4]):
                broken = True
                break
            at = datetime.fromtimestamp(int(words[3]), UTC)
            if words[1] in ("full", "incr"):
                runs.append(BackupRun(at=at, files=_number(words[4]), size=_number(words[5])))
            if words[1] != "active" and (last is None or at > last.at):
                last = Attempt(at=at, succeeded=words[1] != "partial", said=bounded(words[1]))
        if broken:
            yield Unread(
                tool="backuppc",
                what=bounded(path),
                reason=Reason.UNPARSED,
                detail="not understood: its fields differ",
            )
            continue
        yield Backup(
            tool="backuppc",
            name=bounded(found[2]),
            source="" if found[2] == "localhost" else bounded(found[2]),
            seen_in=(bounded(path),),
            started_by=_ITS_OWN,
            place=told.place(f"{found[1]}/pc/{found[2]}"),
            runs=newest(runs),
            attempt=last or Gap(Reason.UNREADABLE, "no backup was ever begun"),
            encrypted=False,
            checked_at=Gap(Reason.NOT_COLLECTED, "whether its pool was checked is not read"),
            locked_since=Gap(Reason.NOT_COLLECTED, "its locks are not read"),
        )


def read_bacula(told: Told) -> Iterator[Backup | Unread]:
    """One backup a client and job, from the reports in the director's log; times there have no zone."""
    for tool, folder in (("bacula", "/var/log/bacula/"), ("bareos", "/var/log/bareos/")):
        reports: dict[tuple[str, str], list[dict[str, str]]] = {}
        for log in told.log(re.escape(folder)):
            for report in _reports(log):
                job = re.sub(r"\.[0-9]{4}-[0-9]{2}-[0-9]{2}_.*", "", report.get("Job", ""))
                client = report.get("Client", "").partition(" ")[0].strip('"')
                if job and client and "Backup Level" in report:
                    reports.setdefault((client, job), []).append(report)
        for (client, job), found in sorted(reports.items()):
            yield _reported(told, tool, client, job, found, folder)


def _reports(log: Lines) -> Iterator[dict[str, str]]:
    report: dict[str, str] = {}
    for line in log.lines:
        found = _REPORTED.fullmatch(line)
        if not found:
            continue
        if found[1] == "JobId":
            report = {}
        report[found[1]] = found[2].strip()
        if found[1] == "Termination":
            yield report
            report = {}


def _reported(
    told: Told, tool: str, client: str, job: str, reports: list[dict[str, str]], folder: str
) -> Backup:
    runs: list[BackupRun] = []
    last: Attempt | None = None
    gap: Gap | None = None
    encrypted: Reading[bool] = Gap(Reason.UNREADABLE, "the reports do not say")
    for report in reports:
        at = told.local(report.get("End time", ""), _DAY_FIRST)
        if isinstance(at, Gap):
            gap = at
            break
        # "Backup OK -- with warnings" left something out, and is not taken for whole.
        well = report["Termination"] == "Backup OK"
        if well:
            runs.append(
                BackupRun(
                    at=at,
                    files=_number(report.get("FD Files Written", "").replace(",", "")),
                    size=_number(report.get("FD Bytes Written", "").partition(" ")[0].replace(",", "")),
                )
            )
        if last is None or at >= last.at:
            last = Attempt(at=at, succeeded=well, said=bounded(report["Termination"]))
            if report.get("Encryption") in ("yes", "no"):
                encrypted = report["Encryption"] == "yes"
    return Backup(
        tool=tool,
        name=bounded(f"{job} {client}"),
        source=bounded(re.sub(r"-fd\Z", "", client)),
        seen_in=(folder.rstrip("/"),),
        started_by=_ITS_OWN,
        place=Gap(Reason.UNREADABLE, "where its volumes lie is not told in the reports"),
        runs=gap or newest(runs),
        attempt=gap or last or Gap(Reason.UNREADABLE, "no backup was ever begun"),
        encrypted=encrypted,
    )


def read_xtrabackup(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """One backup a folder of copies. The notes are written when the copy is whole; their times have no zone."""
    jobs = tuple(job for job in jobs if job.tool in ("mariabackup", "mariadb-backup", "xtrabackup"))
    by_folder: dict[str, list[dict[str, str]]] = {}
    for path, lines in told.contents.items():
        folder, _, name = path.rpartition("/")
        if name in ("xtrabackup_info", "mariadb_backup_info"):
            by_folder.setdefault(folder.rpartition("/")[0], []).append(
                dict(line.split(" = ", 1) for line in lines if " = " in line)
            )
    for folder, notes in sorted(by_folder.items()):
        making = tuple(j for j in jobs if any(v.startswith(folder) for v in j.values("--target-dir")))
        runs: list[BackupRun] = []
        gap: Gap | None = None
        for note in notes:
            at = told.local(note.get("end_time", ""), "%Y-%m-%d %H:%M:%S")
            if isinstance(at, Gap):
                gap = at
            elif note.get("partial", "N") == "N":
                runs.append(BackupRun(at=at))
        encrypted = {note.get("encrypted", "") for note in notes}
        yield Backup(
            tool="mariabackup",
            name=bounded(folder),
            seen_in=(bounded(folder),),
            started_by=started_by(making) if making else Gap(Reason.UNREADABLE, "nothing readable starts it"),
            place=told.place(folder),
            runs=gap or newest(runs),
            attempt=last_attempt(making),
            included=("database *",),
            encrypted=encrypted == {"Y"}
            if encrypted <= {"Y", "N"}
            else Gap(Reason.UNREADABLE, "its notes do not say"),
        )


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) else None
