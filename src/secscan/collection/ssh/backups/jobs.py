"""Commands that make backups, found in crontabs, units and the scripts these start: what, where to, how long. Pure."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from secscan.collection.ssh.backups.told import Lines
from secscan.collection.ssh.reading import bounded
from secscan.facts import CronEntry, Timer
from secscan.facts.backups import Attempt, BackupRun, Retention

#: Programs that start another one; their own options end at the first word that is one of ours.
_STARTERS = frozenset(
    {
        "sudo",
        "doas",
        "sshpass",
        "systemd-run",
        "nice",
        "ionice",
        "timeout",
        "flock",
        "env",
        "chronic",
        "nohup",
        "setsid",
        "systemd-cat",
        "exec",
        "time",
    }
    | {
        "systemd-inhibit",
        "runuser",
        "su",
        "caffeinate",
        "time",
        "command",
        "if",
        "then",
        "do",
        "!",
        "else",
        "until",
        "while",
    }
)
_TOOLS = frozenset(
    {
        "restic",
        "borg",
        "borgmatic",
        "kopia",
        "duplicity",
        "rsnapshot",
        "rdiff-backup",
        "pgbackrest",
        "barman",
        "wal-g",
    }
    | {
        "mariabackup",
        "mariadb-backup",
        "xtrabackup",
        "rclone",
        "rsync",
        "pg_dump",
        "pg_dumpall",
        "pg_basebackup",
    }
    | {"mysqldump", "mariadb-dump", "proxmox-backup-client", "btrbk", "tar", "rest-server", "find"}
)
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh"})
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
#: Options by which a tool only shows what it would do, and ends well all the same (restic(1), borg-create(1), rsync(1),
#: rclone(1), duplicity(1), rsnapshot(1), pgbackrest(1), borgmatic's ``--help``).
_TRIAL = frozenset({"--dry-run", "--help", "--version"})
_TRIAL_BY_TOOL: Mapping[str, frozenset[str]] = {
    "restic": frozenset({"-n", "-h"}),
    "borg": frozenset({"-n", "-h"}),
    "borgmatic": frozenset({"-n", "-h"}),
    "rsync": frozenset({"--list-only"}),
    "rclone": frozenset({"-n"}),
    "rsnapshot": frozenset({"-t"}),
}
_DAYS_OF_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_OPERATOR = re.compile(r"[();<>|&]+")
_MOST_JOBS = 2000
_MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Job:
    """One command of a backup tool. ``words`` are its arguments, variables filled in where the script sets them.

    ``alone``: its end is the end of the unit that starts it, so that the unit's result is the command's.
    """

    tool: str
    words: tuple[str, ...]
    seen_in: str
    started_by: tuple[str, ...] = ()
    alone: bool = False
    output: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    timers: tuple[Timer, ...] = ()

    def verb(self, *verbs: str) -> str:
        """The first of these words that is among the arguments; "" where none is."""
        return next((word for word in self.words if word in verbs), "")

    def values(self, *options: str) -> tuple[str, ...]:
        """What is given to options, as ``--option=value`` or as the next word (``-r value``, ``-rvalue``)."""
        found = []
        for i, word in enumerate(self.words):
            name, equals, value = word.partition("=")
            if name in options and equals:
                found.append(value)
            elif word in options and i + 1 < len(self.words):
                found.append(self.words[i + 1])
        return tuple(found)

    def operands(self, with_value: Iterable[str]) -> tuple[str, ...]:
        """Arguments that are no options. ``with_value``: the options whose value is the next word."""
        taking, found, skip, plain = frozenset(with_value), list[str](), False, False
        for word in self.words:
            if skip:
                skip = False
            elif plain or not word.startswith("-") or word == "-":
                found.append(word)
            elif word == "--":
                plain = True
            else:
                skip = word in taking
        return tuple(found)

    def runs(self) -> tuple[BackupRun, ...]:
        """The last run that systemd saw end well; only where nothing else runs in the unit after the command."""
        if not self.alone:
            return ()
        ends = [
            t.ended_at for t in self.timers if t.ended_at and t.result == "success" and t.exit_status == 0
        ]
        return tuple(BackupRun(at=at) for at in sorted(ends, reverse=True))

    def attempt(self) -> Attempt | None:
        """The newest start that systemd knows of, and what became of it."""
        found = [
            Attempt(
                at=at,
                succeeded=timer.result == "success" and not timer.exit_status,
                said=bounded(f"{timer.unit}: {timer.result}"),
            )
            for timer in self.timers
            if (at := timer.ended_at or timer.triggered_at) is not None and timer.result
        ]
        return max(found, key=lambda attempt: attempt.at) if found else None


def known(word: str) -> bool:
    """Whether nothing in a word is left to a shell that we don't run."""
    return bool(word) and not re.search(r"[$`]", word)


def find_jobs(
    scripts: Iterable[Lines],
    cron: Iterable[CronEntry],
    timers: Iterable[Timer],
) -> tuple[Job, ...]:
    """Every command of a backup tool, sorted; what can't be taken apart as a shell would is left out."""
    cron, timers = tuple(cron), tuple(timers)
    jobs: list[Job] = []
    for entry in cron:
        started: tuple[str, ...] = (f"cron {entry.file}".rstrip(),) if _comes_round(entry) else ()
        jobs += _jobs([entry.command.replace("\\%", "%")], entry.file, started, ())
    for timer in timers:
        jobs += _jobs([timer.command], timer.unit, (f"timer {timer.name}",), (timer,))
    for script in scripts:
        starting = [e for e in cron if _names(e.command, script.path)]
        ticking = [t for t in timers if _names(t.command, script.path)]
        started = tuple(
            sorted(
                {
                    *(f"cron {e.file}".rstrip() for e in starting if _comes_round(e)),
                    *(f"timer {t.name}" for t in ticking),
                }
            )
        )
        jobs += _jobs(script.lines, script.path, started, tuple(ticking), script=True)
        if len(jobs) > _MOST_JOBS:
            break
    return tuple(sorted(jobs[:_MOST_JOBS], key=lambda job: (job.tool, job.seen_in, job.words)))


def job_retention(values: Mapping[str, str]) -> Retention | None:
    """From what is to be kept by period (``last``, ``daily``, ...; ``days`` as a number); None without any number."""
    numbers = {
        name: int(value)
        for name, value in values.items()
        if name in Retention.__struct_fields__ and re.fullmatch(r"[0-9]{1,6}", value, re.ASCII)
    }
    return Retention(**numbers) if numbers else None


def _comes_round(entry: CronEntry) -> bool:
    """Whether the clock starts it: not with the machine only (crontab(5)), nor on a day that no month has."""
    fields = entry.schedule.split()
    if fields[:1] == ["@reboot"]:
        return False
    if len(fields) == 5 and fields[2].isdecimal() and fields[3].isdecimal() and fields[4] == "*":
        return int(fields[2][:3]) <= _DAYS_OF_MONTH.get(int(fields[3][:3]), 31)
    return True


def _is_trial(tool: str, words: Iterable[str]) -> bool:
    """Whether a command only shows what it would do."""
    for word in words:
        if word in _TRIAL or word in _TRIAL_BY_TOOL.get(tool, ()):
            return True
        # rsync's short options are often written together, those with a value last.
        if (
            tool == "rsync"
            and re.match(r"-[a-zA-Z0-9]*n", word)
            and not re.match(r"-[a-zA-Z0-9]*[efMTB]", word)
        ):
            return True
    return False


def _names(command: str, path: str) -> bool:
    return path in re.split(r"[\s;&|()'\"]+", command)


def _jobs(
    lines: Iterable[str],
    seen_in: str,
    started_by: tuple[str, ...],
    timers: tuple[Timer, ...],
    *,
    script: bool = False,
    depth: int = 0,
) -> Iterator[Job]:
    environment: dict[str, str] = {}
    for line in lines:
        commands = list(_commands(line, environment))
        for words, output, chained in commands:
            if words[0].rpartition("/")[2] in _SHELLS and len(words) > 2 and words[1] in ("-c", "-lc", "-ec"):
                # systemd shows a unit's words without the quotes that were around this one.
                inner = [" ".join(words[2:])]
                if depth < 2:
                    yield from (
                        replace(job, alone=False)
                        for job in _jobs(inner, seen_in, started_by, timers, script=script, depth=depth + 1)
                    )
                continue
            tool = _tool(words)
            if tool is not None:
                name = words[tool].rpartition("/")[2]
                if _is_trial(name, words[tool + 1 : tool + 1 + _MOST_WORDS]):
                    continue
                yield Job(
                    tool="rsync" if name == "rsync" else name,
                    words=tuple(words[tool + 1 : tool + 1 + _MOST_WORDS]),
                    seen_in=bounded(seen_in),
                    started_by=started_by,
                    # A script's status is that of its last command, or of a trap: no word on this one.
                    alone=not script and len(commands) == 1 and not chained,
                    output=_filled(output, environment),
                    environment=dict(environment),
                    timers=timers,
                )


def _commands(line: str, environment: dict[str, str]) -> Iterator[tuple[list[str], str, bool]]:
    """The simple commands of a line, what their output is appended to, and whether they are one of several."""
    lexer = shlex.shlex(line[:4000], posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        tokens = list(lexer)
    except ValueError:
        return
    parts: list[tuple[list[str], str]] = []
    piped: list[int] = []
    words: list[str] = []
    output, target, chained = "", False, False

    def end(operator: str) -> None:
        parts.append((words, output))
        # `pg_dump shop | gzip >FILE`: what the last of a pipe writes is what the first one made.
        if output:
            for i in piped:
                parts[i] = (parts[i][0], output)
        piped[:] = [*piped, len(parts) - 1] if operator == "|" else []

    for word in tokens:
        if _OPERATOR.fullmatch(word):
            if ">" in word or "<" in word:
                target = True
                # `2>&1`: the number before stands as a word of its own.
                if words and words[-1].isdecimal() and len(words[-1]) == 1:
                    words.pop()
                continue
            if target and word == "&":
                continue
            end(word)
            words, output, chained, target = [], "", True, False
        elif target:
            target = False
            if word.startswith("/"):
                output = word
        else:
            words.append(word)
    end("")
    for words, output in parts:
        words = [_filled(word, environment) for word in words]
        while words and (found := _ASSIGNMENT.fullmatch(words[0])):
            if known(found[2]) or not found[2]:
                environment[found[1]] = found[2]
            words = words[1:]
        if words[:1] == ["export"]:
            for word in words[1:]:
                if (found := _ASSIGNMENT.fullmatch(word)) and known(found[2]):
                    environment[found[1]] = found[2]
            continue
        if words:
            yield words, output, chained


def _filled(word: str, environment: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda m: environment.get(m[1] or m[2], m[0]), word)[:2000]


def _tool(words: list[str]) -> int | None:
    """Where in the words of a command the backup tool is named."""
    first = words[0].rpartition("/")[2]
    if first in _TOOLS:
        return 0
    if first not in _STARTERS:
        return None
    return next((i for i, word in enumerate(words) if word.rpartition("/")[2] in _TOOLS), None)
