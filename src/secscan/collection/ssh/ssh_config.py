"""~/.ssh/config: five keywords are honoured, and whatever would run a command is refused. Runs nothing itself."""

import fnmatch
import getpass
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from secscan.language import _

#: Includes may be nested so deep (ssh_config(5) says 16).
DEEPEST = 16
#: Bytes of one file.
LARGEST = 1024 * 1024

_HONOURED = frozenset({"hostname", "port", "user", "identityfile", "proxyjump"})
#: What runs a command, loads code, or speaks for the account: refused where it would apply to the host asked about.
_REFUSED = frozenset(
    {
        *("proxycommand", "localcommand", "permitlocalcommand", "knownhostscommand", "remotecommand"),
        *("pkcs11provider", "securitykeyprovider", "proxyusefdpass", "xauthlocation", "forwardagent"),
        *("forwardx11", "tunnel", "controlpath", "controlmaster"),
    }
)
_OFF = frozenset({"no", "none", "false"})


class SshConfigError(ValueError):
    """A file that can't be honoured as it is: file, line, key, and what to do."""

    def __init__(self, file: Path, line: int, key: str, message: str) -> None:
        super().__init__(f"{file}:{line}: {key}: {message}")
        self.file, self.line, self.key = file, line, key


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the file says of one host; "", 0 and empty where it says nothing."""

    host_name: str = ""
    port: int = 0
    user: str = ""
    identity_files: tuple[Path, ...] = ()
    #: ``[user@]host[:port]``, in the order in which they are passed.
    jumps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    file: Path
    number: int
    key: str
    words: tuple[str, ...]

    def wrong(self, message: str) -> SshConfigError:
        return SshConfigError(self.file, self.number, self.key, message)


def read_options(path: Path, host: str, *, home: Path | None = None) -> HostOptions:
    """What ``path`` and the files it includes say of ``host``, as it is named on the command line.

    The first value of a key counts, as in ssh_config(5). A file that is not there says nothing.
    Raises SshConfigError; OSError where a file can't be read.
    """
    home = home or Path.home()
    found: dict[str, str] = {}
    identities: list[str] = []
    for line in _that_apply(path, host, found, home, 0, [True]):
        value = line.words[0] if line.words else ""
        if line.key in _REFUSED:
            if value.lower() not in _OFF:
                raise line.wrong(
                    _(
                        "would run or hand over something for {host}; secscan honours HostName, Port, User, "
                        "IdentityFile and ProxyJump only: take it out for this host, or log in by a credential "
                        "of secscan.toml"
                    ).format(host=host)
                )
        elif line.key in _HONOURED:
            if not value:
                raise line.wrong(_("has no value"))
            if line.key == "identityfile":
                identities.append(_expanded(line, value, host, home))
            elif line.key == "port" and not (re.fullmatch(r"[0-9]{1,5}", value) and 0 < int(value) < 65536):
                raise line.wrong(_("{value!r} is not a port; write 1 to 65535").format(value=value[:40]))
            else:
                found.setdefault(
                    line.key, _expanded(line, value, host, home) if line.key == "hostname" else value
                )
    jump = found.get("proxyjump", "")
    return HostOptions(
        host_name=found.get("hostname", ""),
        port=int(found.get("port", "0")),
        user=found.get("user", ""),
        identity_files=tuple(Path(name) for name in identities if name.lower() != "none"),
        jumps=() if jump.lower() in ("", "none") else tuple(part.strip() for part in jump.split(",")),
    )


def _that_apply(
    path: Path, host: str, found: dict[str, str], home: Path, depth: int, here: list[bool]
) -> Iterator[_Line]:
    """Lines that hold for the host. ``here`` is whether those of the block that is open do."""
    for line in _lines(path):
        if line.key == "host":
            here[0] = _is_one_of(host, line.words)
        elif line.key == "match":
            here[0] = _match(line, host, found)
        elif not here[0]:
            continue
        elif line.key == "include":
            if depth >= DEEPEST:
                raise line.wrong(_("files are included more than {most} deep").format(most=DEEPEST))
            for word in line.words:
                # Relative to ~/.ssh, wherever the file is (ssh_config(5)); an included file's blocks end with it.
                pattern = (
                    Path(word).expanduser() if not word.startswith("~") else home / word.removeprefix("~/")
                )
                pattern = pattern if pattern.is_absolute() else home / ".ssh" / pattern
                for file in sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))):
                    yield from _that_apply(file, host, found, home, depth + 1, [True])
        else:
            yield line


def _lines(path: Path) -> Iterator[_Line]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return
    if len(data) > LARGEST:
        raise SshConfigError(path, 1, "(file)", f"is larger than {LARGEST} bytes")
    for number, text in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        text = text.strip()
        if not text or text.startswith("#"):
            continue
        split = re.match(r"([A-Za-z0-9]+)(?:\s*=\s*|\s+|\Z)(.*)", text)
        if split is None:
            raise SshConfigError(path, number, text[:40], "is no keyword with its value")
        key = split[1].lower()
        try:
            words = tuple(shlex.split(split[2], comments=False))
        except ValueError as e:
            # Of a command only the keyword matters, and its quotes are the shell's.
            if key not in _REFUSED:
                raise SshConfigError(path, number, split[1], f"quotes that do not match ({e})") from e
            words = (split[2],)
        yield _Line(path, number, key, words)


def _match(line: _Line, host: str, found: dict[str, str]) -> bool:
    words = list(line.words)
    result = True
    while words:
        criterion = words.pop(0).lower()
        negated = criterion.startswith("!")
        criterion = criterion.removeprefix("!")
        if criterion == "all":
            holds = True
        elif criterion in ("canonical", "final"):
            holds = False  # names are never canonicalised here, and the file is read once
        elif criterion in ("host", "originalhost", "user", "localuser") and words:
            patterns = words.pop(0).split(",")
            value = {
                "host": found.get("hostname", host),
                "originalhost": host,
                "user": found.get("user", "") or getpass.getuser(),
                "localuser": getpass.getuser(),
            }[criterion]
            holds = _is_one_of(value, patterns)
        elif criterion == "exec":
            raise line.wrong(_("Match exec would run a command to find out whether it applies; take it out"))
        else:
            raise line.wrong(
                _("secscan can't tell whether Match {criterion} applies; take it out").format(
                    criterion=criterion[:40]
                )
            )
        result = result and holds is not negated
    return result


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    found = False
    for pattern in patterns:
        if fnmatch.fnmatchcase(name.lower(), pattern.removeprefix("!").lower().replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _expanded(line: _Line, value: str, host: str, home: Path) -> str:
    """The few tokens that need nothing to be run or looked up."""
    tokens = {"%": "%", "h": host, "n": host, "d": str(home), "u": getpass.getuser()}

    def token(match: re.Match[str]) -> str:
        if match[1] not in tokens:
            raise line.wrong(_("secscan does not know {token} here; write it out").format(token=match[0]))
        return tokens[match[1]]

    text = re.sub(r"%(.?)", token, value)
    return str(home) + text[1:] if text == "~" or text.startswith("~/") else text
