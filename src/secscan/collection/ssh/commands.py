"""Commands of crontabs and units as they are kept: the programs, paths and options of backups, and no secret. Pure.

Nobody can list how every program is given its password. So it is the other way round: of programs that are known to
make backups or to start others what names a secret is left out; of all others every value of an option is.
"""

import re
from functools import lru_cache

#: Characters of a command that are kept.
LONGEST_COMMAND = 500

_HIDDEN = "***"
_DEEPEST = 3

#: Blanks; what a shell ends a command or a word at; a word with its quotes. No character is looked at twice.
_PART = re.compile(
    r"""\s++|[;&|()<>`]|(?:[^\s;&|()<>`'"\\]++|'[^']*+(?:'|\Z)|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|\\.|\\\Z)++""",
    re.S,
)
_NAMES_A_SECRET = re.compile(r"(?i)pass|pwd|secret|token|key|auth|cred|pin\b")
_SECRET_INSIDE = re.compile(r"(?i)((?:pass|pwd|secret|token|key|auth|cred)[a-z0-9_-]{0,40}+\s*+[=:])")
_VARIABLE_SET = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,60}+)=(.*)", re.S)
_PATH = re.compile(r"""["']?[/~][^'"]*+["']?""", re.S)

#: Programs that start another one: options whose value is the next word, and words before the program.
_STARTERS = {
    **dict.fromkeys(("chronic", "nohup", "setsid", "exec", "time", "command", "caffeinate", "!"), ("", 0)),
    **dict.fromkeys(("if", "then", "do", "else", "until", "while", "export", "{", "run-one"), ("", 0)),
    **{"sudo": ("ughpCTDR", 0), "nice": ("n", 0), "ionice": ("cnpP", 0), "timeout": ("ks", 1)},
    **{"flock": ("wE", 1), "env": ("uC", 0), "systemd-cat": ("tp", 0), "systemd-inhibit": ("", 0)},
}
#: Programs whose options hold addresses, paths and numbers, so that only what names a secret is left out.
_UNDERSTOOD = frozenset(
    {
        *("restic", "borg", "borgmatic", "kopia", "duplicity", "rsnapshot", "rdiff-backup", "pgbackrest"),
        *("barman", "wal-g", "mariabackup", "mariadb-backup", "xtrabackup", "rclone", "rsync", "pg_dump"),
        *(
            "pg_dumpall",
            "pg_basebackup",
            "mysqldump",
            "mariadb-dump",
            "proxmox-backup-client",
            "btrbk",
            "tar",
        ),
        *(
            "rest-server",
            "su",
            "runuser",
            "sh",
            "bash",
            "dash",
            "ksh",
            "zsh",
            "test",
            "[",
            "cd",
            "ls",
            "find",
        ),
        *("cp", "mv", "rm", "cat", "grep", "gzip", "zstd", "xz", "chmod", "chown", "run-parts", "logger"),
        *("systemctl", "apk", "apt", "apt-get", "dnf", "yum", "zypper", "pacman", "mkdir", "touch", "sleep"),
        *(
            "anacron",
            "logrotate",
            "snapper",
            "sanoid",
            "syncoid",
            "zfs",
            "btrfs",
            "true",
            "date",
            "head",
            "tail",
        ),
    }
)
#: Of those, the ones with ``-pPASSWORD``.
_WITH_P = frozenset({"kopia", "mariabackup", "mariadb-backup", "xtrabackup", "mysqldump", "mariadb-dump"})
#: Programs whose plain arguments may be a secret.
_TALKERS = frozenset({"echo", "printf", "print", "net", "expect"})
#: Variables whose value is an address or a path: what backups are found by. Of the others paths alone are kept.
_KEPT_VARIABLES = frozenset(
    {"RESTIC_REPOSITORY", "BORG_REPO", "PGHOST", "PGDATABASE", "PGPORT", "TZ", "LANG"}
)


#: How backup tools begin the address of a repository; a login may follow.
_SCHEMES = ("sftp:", "rclone:", "rest:", "s3:", "b2:")


@lru_cache(maxsize=1024)
def command(text: str) -> str:
    """A command as it is kept: bounded, with ``***`` for what is, or may be, a secret in it."""
    whole = text
    if len(text) > LONGEST_COMMAND:
        # The last word is cut: what it is can't be told any more.
        text = text[:LONGEST_COMMAND].rpartition(" ")[0]
    shown = _shown(text, 0)
    if whole == text and len(shown) <= LONGEST_COMMAND:
        return shown
    return f"{shown[: LONGEST_COMMAND - 1]}…"


def _shown(text: str, depth: int) -> str:
    reader = _Reader(depth)
    return "".join(reader.read(part[0]) for part in _PART.finditer(text))


class _Reader:
    """Goes through the words of a command line; knows of each what the ones before it make of it."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._fed = 0  # how many `<` came just before
        self._begin()

    def read(self, part: str) -> str:
        if part.isspace():
            return part
        if part in ";&|()`":
            self._begin()
            return part
        if part in "<>":
            self._fed = self._fed + 1 if part == "<" else 0
            self._value = False
            return part
        fed, self._fed = self._fed, 0
        if fed == 3:
            return _HIDDEN
        return self._word(part)

    def _begin(self) -> None:
        self._program, self._before, self._values = "", 0, ""
        self._value = False  # whether this word is the value of the option before it
        self._hide = False  # whether that value is to go, whatever it looks like
        self._fed = 0

    def _word(self, word: str) -> str:
        value, hide = self._value, self._hide
        self._value = self._hide = False
        bare = word.strip("'\"")
        if not self._program or self._program in _STARTERS:
            return self._start(word, bare, value)
        name = bare.rpartition("/")[2]
        if value and (hide or not bare.startswith("-")):
            kept = not hide and (_PATH.fullmatch(word) or name in _UNDERSTOOD or name in _STARTERS)
            return self._operand(word) if kept else _HIDDEN
        if self._program in _TALKERS:
            return _HIDDEN
        if bare.startswith("-") and len(bare) > 1:
            return self._option(word, bare)
        if assigned := _VARIABLE_SET.fullmatch(word):
            return self._assigned(word, assigned)
        return self._operand(word)

    def _start(self, word: str, bare: str, value: bool) -> str:
        """Words up to the program, and those of programs that start another one."""
        if value:
            return self._operand(word)
        if self._program and bare.startswith("-"):
            self._value = len(bare) == 2 and bare[1] in self._values
            return self._clean(word) if len(bare) == 2 or bare.startswith("--") else f"{bare[:2]}{_HIDDEN}"
        if assigned := _VARIABLE_SET.fullmatch(word):
            return self._assigned(word, assigned)
        if self._before:
            self._before -= 1
            return self._clean(word)
        self._program = bare.rpartition("/")[2]
        self._values, self._before = _STARTERS.get(self._program, ("", 0))
        return self._operand(word)

    def _option(self, word: str, bare: str) -> str:
        name, equals, value = bare.partition("=")
        secret = bool(_NAMES_A_SECRET.search(name))
        understood = self._program in _UNDERSTOOD
        if equals and name.endswith("-file") and _PATH.fullmatch(value):
            return word
        if equals:
            return self._clean(word) if understood and not secret else f"{name}={_HIDDEN}"
        if bare.startswith("--"):
            hidden = secret and not bare.endswith("-file")
            self._value, self._hide = hidden or not understood, hidden
            return self._clean(word)
        letter, attached = bare[:2], bare[2:]
        if understood:
            if letter == "-p" and attached and self._program in _WITH_P:
                return f"-p{_HIDDEN}"
            self._value = self._hide = bare == "-p" and self._program == "kopia"
            return self._operand(word) if len(bare) > 2 else word
        self._value = True
        plain = not attached or bare in ("-pw", "-pass") or (len(attached) < 3 and attached.islower())
        return word if plain else f"{letter}{_HIDDEN}"

    def _assigned(self, word: str, assigned: "re.Match[str]") -> str:
        name, value = assigned[1], assigned[2]
        if not value or name in _KEPT_VARIABLES:
            return self._clean(word)
        path = _PATH.fullmatch(value) and not _NAMES_A_SECRET.search(name)
        return self._clean(word) if path else f"{name}={_HIDDEN}"

    def _operand(self, word: str) -> str:
        if any(c.isspace() for c in word) and self._depth < _DEEPEST:
            # A command for a shell, with its quotes; whatever else it is, the same holds.
            quote = word[0] if word[0] in "'\"" and word[-1] == word[0] and len(word) > 1 else ""
            if quote:
                return quote + _shown(word[1:-1], self._depth + 1) + quote
        return self._clean(word)

    def _clean(self, word: str) -> str:
        """Without who logs in where, without what an address is asked, and nothing after ``password=``."""
        if found := _SECRET_INSIDE.search(word):
            word = word[: found.end()] + _HIDDEN
        if "://" in word:
            before, _, rest = word.partition("://")
            if "@" in rest:
                rest = f"{_HIDDEN}@{rest.rpartition('@')[2]}"
            place, asked, _ = rest.partition("?")
            return f"{before}://{place}{'?' + _HIDDEN if asked else ''}"
        scheme = next((s for s in _SCHEMES if word.startswith(s)), "")
        login, at, place = word[len(scheme) :].rpartition("@")
        if (
            at
            and re.search(r"[^:/@]/[^/]|[^:]:[^:/]", login)
            and "::" not in login
            and login[:1] not in "/\"'"
        ):
            return f"{scheme}{_HIDDEN}@{place}"
        return word
