"""known_hosts: whose key is whose. Strict, with hashed and revoked entries; read once, asked often. Pure but for files."""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


class KnownHostsError(ValueError):
    """A line that can't be changed without a decision of the operator's."""

    def __init__(self, line: int, pattern: str) -> None:
        super().__init__(
            f"line {line} gives the key to every name that {pattern[:80]!r} fits; change it by hand"
        )
        self.line, self.pattern = line, pattern


@dataclass(frozen=True, slots=True, order=True)
class PublicKey:
    """A host's public key: its type as SSH names it, and its bytes."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` shows it: ``SHA256:`` and base64 without padding."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).rstrip(b"=").decode("ascii")

    @property
    def text(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode('ascii')}"


@dataclass(frozen=True)
class KnownHosts:
    """The keys of a file as sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT", describes it.

    Lines of authorities (``@cert-authority``) vouch for nothing here, because certificates of hosts are not
    checked; lines that are not understood are left out, as OpenSSH does.
    """

    _plain: dict[str, set[PublicKey]] = field(default_factory=dict)
    _hashed: tuple[tuple[bytes, bytes, PublicKey], ...] = ()
    _patterns: tuple[tuple[tuple[str, ...], PublicKey], ...] = ()
    revoked: frozenset[PublicKey] = frozenset()

    def keys_of(self, names: Iterable[str]) -> frozenset[PublicKey]:
        """The keys known under any of these names, each as ``known_name`` spells it."""
        found: set[PublicKey] = set()
        for name in names:
            found |= self._plain.get(name, set())
            for salt, digest, key in self._hashed:
                if hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest):
                    found.add(key)
            for patterns, key in self._patterns:
                if _matches(name, patterns):
                    found.add(key)
        return frozenset(found)


def known_name(name: str, port: int) -> str:
    """How known_hosts spells a host: ``web1`` on the usual port, else ``[web1]:2222``."""
    return name.lower() if port == 22 else f"[{name.lower()}]:{port}"


def read_known_hosts(path: Path) -> KnownHosts:
    """A file that is not there knows nobody. Raises OSError where it can't be read."""
    try:
        return parse_known_hosts(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return KnownHosts()


def read_public_key(private: Path) -> PublicKey | None:
    """The public key beside a private one, as ``ssh-keygen`` names it; None where there is none to be read."""
    try:
        words = Path(f"{private}.pub").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return _key(words[0], words[1]) if len(words) > 1 else None


def parse_known_hosts(text: str) -> KnownHosts:
    plain: dict[str, set[PublicKey]] = defaultdict(set)
    hashed: list[tuple[bytes, bytes, PublicKey]] = []
    patterns: list[tuple[tuple[str, ...], PublicKey]] = []
    revoked: set[PublicKey] = set()
    for line in text.splitlines():
        words = line.split()
        mark = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or mark not in ("", "@revoked"):
            continue
        key = _key(words[1], words[2])
        if key is None:
            continue
        if mark:
            revoked.add(key)
        elif words[0].startswith("|1|"):
            if (salted := _hash(words[0])) is not None:
                hashed.append((*salted, key))
        else:
            names = tuple(words[0].lower().split(","))
            if any(set(name) & set("*?!") for name in names):
                patterns.append((names, key))
            else:
                for name in names:
                    plain[name].add(key)
    return KnownHosts(dict(plain), tuple(hashed), tuple(patterns), frozenset(revoked))


def format_known_hosts(names: Sequence[str], keys: Iterable[PublicKey], *, hashed: bool = False) -> str:
    """Lines to add to a file, a key each; with ``hashed``, one for each name, which then can't be read off it."""
    lines = []
    for key in sorted(keys):
        fields = [_hashed_name(name) for name in names] if hashed else [",".join(names)]
        lines += [f"{field} {key.text}\n" for field in fields]
    return "".join(lines)


def without_keys(text: str, names: Iterable[str], keys: Iterable[PublicKey]) -> str:
    """A file's text in which ``names``, as known_name spells them, no longer have ``keys``; all else is as it was.

    Raises KnownHostsError where a line gives one of the keys to a pattern of names: whom else that would be taken
    from can't be told.
    """
    gone, strangers = frozenset(keys), frozenset(names)
    return "".join(_without(line, number, strangers, gone) for number, line in _numbered(text))


def is_hashed(text: str) -> bool:
    """Whether the newest name in a file is hashed, as it is where ssh_config says ``HashKnownHosts``."""
    fields = [line.split()[0] for line in text.splitlines() if line.split() and line[0] not in "#@"]
    return bool(fields) and fields[-1].startswith("|1|")


def _numbered(text: str) -> Iterable[tuple[int, str]]:
    return enumerate(text.splitlines(keepends=True), 1)


def _without(line: str, number: int, names: frozenset[str], gone: frozenset[PublicKey]) -> str:
    words = line.split()
    if len(words) < 3 or words[0][0] in "#@" or _key(words[1], words[2]) not in gone:
        return line
    listed = words[0].split(",")
    if words[0].startswith("|1|"):
        return "" if parse_known_hosts(line).keys_of(names) else line
    if set(words[0]) & set("*?!"):
        if parse_known_hosts(line).keys_of(names):
            raise KnownHostsError(number, words[0])
        return line
    kept = [name for name in listed if name.lower() not in names]
    if len(kept) == len(listed):
        return line
    return line.replace(words[0], ",".join(kept), 1) if kept else ""


def _hashed_name(name: str) -> str:
    salt = secrets.token_bytes(20)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return "|1|" + "|".join(base64.b64encode(part).decode("ascii") for part in (salt, digest))


def _key(kind: str, encoded: str) -> PublicKey | None:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    # The type is said again in the key itself (RFC 4253, 6.6).
    length = int.from_bytes(blob[:4], "big")
    return PublicKey(kind, blob) if blob[4 : 4 + length] == kind.encode() else None


def _hash(text: str) -> tuple[bytes, bytes] | None:
    parts = text.split("|")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:4])
    except (binascii.Error, ValueError):
        return None
    return (salt, digest) if len(digest) == 20 else None


def _matches(name: str, patterns: Iterable[str]) -> bool:
    found = False
    for pattern in patterns:
        bare = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatch.fnmatchcase(name, bare):
            if pattern.startswith("!"):
                return False
            found = True
    return found
