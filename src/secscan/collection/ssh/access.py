"""What has to be set up on a host for secscan to look at it, and no more: the account, its key, and sudo."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from secscan.collection.ssh.shell_script import backup_commands
from secscan.credential import Jump
from secscan.language import _
from secscan.model import Host

_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( [^\n\"]*)?", re.ASCII)
_SOURCE = re.compile(r"[0-9a-fA-F.:/*]+", re.ASCII)

_FOLDER = re.compile(r"/[A-Za-z0-9._/@+-]+/[A-Za-z0-9._*?@+=-]*", re.ASCII)

#: Stands where a key belongs that was not given.
EXAMPLE_KEY = "ssh-ed25519 AAAA secscan"

#: Where the script is put on a host that lets the account run nothing else.
SCRIPT_PLACE = "/usr/local/libexec/secscan-collect"


@dataclass(frozen=True, slots=True)
class RootReading:
    """A reading of the script that an ordinary account can't make, and the commands it asks sudo for."""

    what: str
    without: str
    commands: tuple[str, ...]


#: Exactly what the script runs through sudo, argument by argument. Nothing here can be made to write or to run more:
#: dnf and yum are held to their cache and to listing.
ROOT_READINGS = (
    RootReading(
        "programs behind listening sockets",
        "ports are seen, and not what listens on them",
        ("/usr/bin/ss -ltunp", "/usr/sbin/ss -ltunp", "/bin/ss -ltunp"),
    ),
    RootReading(
        "whether rules of a firewall are loaded",
        "only a firewall that runs as a service is seen",
        ("/usr/sbin/nft list ruleset", "/usr/sbin/iptables -S"),
    ),
    RootReading(
        "pending updates on rpm systems",
        "dnf and yum write a cache of their own for ordinary accounts, so they are not asked; root's note it in their log",
        (
            "/usr/bin/dnf -q --cacheonly check-update",
            "/usr/bin/dnf -q --cacheonly updateinfo list --security",
            "/usr/bin/dnf -q --cacheonly list --extras",
            "/usr/bin/yum -q --cacheonly check-update",
            "/usr/bin/yum -q --cacheonly updateinfo list --security",
            "/usr/bin/yum -q --cacheonly list --extras",
        ),
    ),
)

#: Where tools keep what they note of backups, closed to other accounts wherever they are installed by a package.
_CLOSED_BACKUPS = ("/var/lib/pgbackrest", "/var/lib/barman", "/root/.cache/restic", "/root/.borgmatic")


class AccessError(ValueError):
    """An account, key or address that could not be written into a file as it is."""


def authorized_key(
    public_key: str,
    *,
    sources: Sequence[str] = (),
    command: str = "",
    leads_to: Sequence[tuple[str, int]] = (),
) -> str:
    """A line of authorized_keys. ``sources``: addresses or networks of the scanner; ``command``: all it may run.

    ``restrict`` (OpenSSH 7.2) turns off forwarding of all kinds, terminals and rc files; ``leads_to`` are the
    addresses and ports that it may be led on to all the same. Raises AccessError.
    """
    if not _KEY.fullmatch(public_key.strip()):
        # Not shown: it may be the private one, taken for the other.
        raise AccessError(_("what was given is not a public key; give the line of the .pub file"))
    wrong = next((source for source in sources if not _SOURCE.fullmatch(source)), None)
    if wrong is not None:
        raise AccessError(_("{wrong!r} is not an address or network").format(wrong=wrong[:40]))
    if re.search(r"[\"\\\n]", command):
        raise AccessError(
            _("{command!r}: a forced command may hold no quotes or backslashes here").format(
                command=command[:40]
            )
        )
    options = ["restrict"]
    if leads_to:
        options.append("port-forwarding")
        options += [f'permitopen="{f"[{host}]" if ":" in host else host}:{port}"' for host, port in leads_to]
    if sources:
        options.append(f'from="{",".join(sources)}"')
    if command:
        options.append(f'command="{command}"')
    return f"{','.join(options)} {public_key.strip()}"


def backup_readings(host: Host) -> tuple[RootReading, ...]:
    """What only root can tell of the host's backups: of the usual folders, and of those that the inventory declares."""
    declared = sorted(
        {path.rpartition("/")[0] for b in host.backups if _FOLDER.fullmatch(path := b.path)} - {""}
    )
    return (
        RootReading(
            "names, sizes and times of backups that are closed to the account; leave out folders that are not there",
            "it is said that they could not be read",
            tuple(c for folder in (*_CLOSED_BACKUPS, *declared) for c in backup_commands(folder)),
        ),
        RootReading(
            "snapshots of LVM; those of btrfs, a line for each place where one is mounted",
            "snapshots are not seen",
            (
                "/usr/sbin/lvs --readonly --noheadings --separator / --units b --nosuffix"
                " -o vg_name,lv_name,origin,lv_time -S origin!=",
                "/usr/bin/btrfs subvolume list -u /",
                "/usr/bin/btrfs subvolume list -s -q -u /",
                "/usr/bin/btrfs subvolume list -r -s /",
            ),
        ),
    )


def explain_access(
    host: Host,
    account: str,
    *,
    public_key: str = EXAMPLE_KEY,
    sources: Sequence[str] = (),
    sudo: bool = True,
) -> str:
    """The least-privilege set-up for a host, as commands and files to copy. Raises AccessError."""
    if not _ACCOUNT.fullmatch(account):
        raise AccessError(
            _("{account!r} is not the name of an account; use a-z, 0-9, _ and -").format(account=account[:40])
        )
    parts = [
        f"# {host.id}: what secscan needs to look at it from the inside.",
        "# 1. An account of its own, without a password and in no other group. It needs no rights:",
        f"useradd --system --create-home --shell /bin/sh --password '*' {account}",
        "",
        f"# 2. Its key, in ~{account}/.ssh/authorized_keys (mode 600). No terminal, no forwarding of any kind:",
        authorized_key(public_key, sources=sources),
        "",
        "#    Or, to let it run nothing but the script (`secscan explain-access --script` prints it), put that at",
        f"#    {SCRIPT_PLACE} (owner root, mode 755) and write instead:",
        authorized_key(public_key, sources=sources, command=f"/bin/sh {SCRIPT_PLACE}"),
    ]
    if not sources:
        parts += [
            '#    Add from="ADDRESS" with the scanner\'s address, so that the key is of no use elsewhere.'
        ]
    if sudo:
        parts += [
            "",
            f"# 3. Only where these readings are wanted: /etc/sudoers.d/{account} (mode 440), and `sudo = true`",
        ]
        parts += ["#    in the credential. Without them secscan says for each what it could not read."]
        for reading in (*ROOT_READINGS, *backup_readings(host)):
            parts += [f"# {reading.what} (without: {reading.without})"]
            parts += [f"{account} ALL=(root) NOPASSWD: {escaped(command)}" for command in reading.commands]
        parts += [
            "# Programs that still run on replaced files are told to root alone: there is no command for them"
        ]
        parts += ["# that could safely be given to another account."]
    return "\n".join(parts) + "\n"


def explain_jump(
    jump: Jump,
    account: str,
    leads_to: Sequence[tuple[str, int]],
    *,
    public_key: str = EXAMPLE_KEY,
    sources: Sequence[str] = (),
) -> str:
    """The same for a jump host on the way, whose account runs nothing at all. Raises AccessError."""
    if not _ACCOUNT.fullmatch(account):
        raise AccessError(
            _("{account!r} is not the name of an account; use a-z, 0-9, _ and -").format(account=account[:40])
        )
    parts = [
        f"# {jump.address}, port {jump.port}: the jump host on the way. Its account only leads on, and runs nothing.",
        f"useradd --system --create-home --shell /bin/sh --password '*' {account}",
        "",
        f"# Its key, in ~{account}/.ssh/authorized_keys (mode 600), one permitopen for each host behind it:",
        authorized_key(public_key, sources=sources, command="/bin/false", leads_to=leads_to),
    ]
    return "\n".join(parts) + "\n"


def escaped(command: str) -> str:
    """sudoers(5): these have a meaning of their own within a command's arguments."""
    return re.sub(r"([,:=\\*?\[\]!])", r"\\\1", command)
