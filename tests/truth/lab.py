"""Hosts of the patch lab: a root file system of tools/patch-lab with its own sshd, and its own tools by hand.

Whatever runs in one sees it through an overlay in memory, in mount and process namespaces that end with it: the root
file system stays as it was made. Needs root.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.lab.servers.children import end_child, start_child
from tests.lab.servers.listening import LabError, Running
from tests.lab.ssh import free_port, make_key, wait_until_listening

#: The ordinary account that tools/patch-lab makes.
ACCOUNT = "scanner"

#: Seconds for which what the lab knows of the mirror is new: a host that never looks is judged by that.
FRESH = 5 * 86400

#: $1: the root file system; $2: a folder for mounts; then the command to run in it.
_ENTER = """
set -e
lower=$1 place=$2
shift 2
mount -t tmpfs lab "$place"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay lab -o "lowerdir=$lower,upperdir=$place/upper,workdir=$place/work" "$place/root"
mount -t proc proc "$place/root/proc"
mkdir -p "$place/root/run/sshd"
exec chroot "$place/root" "$@"
"""


def missing() -> str:
    """What keeps these tests from running here, in words for a skip; empty where nothing does."""
    if os.geteuid() != 0:
        return "the patch lab needs root"
    for tool, package in (("unshare", "util-linux"), ("debsecan", "debsecan")):
        if shutil.which(tool) is None:
            return f"the package {package} is missing"
    for suite in ("bullseye", "bookworm"):
        stamp = folder() / f"{suite}.stamp"
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > FRESH:
            return f"no patch lab of this week at {folder()}: make it with tools/patch-lab"
    return ""


def folder() -> Path:
    """Where tools/patch-lab makes it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("SECSCAN_PATCH_LAB") or cache / "secscan-patch-lab")


class Root:
    """One root file system."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.path = folder() / suite

    def run(self, *command: str) -> str:
        """What a command prints that is run in it by hand, as root."""
        with tempfile.TemporaryDirectory(prefix="lab-root-") as place:
            done = subprocess.run(
                entering(self.path, place, *command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            )
        if done.returncode != 0:
            raise LabError(f"{self.suite}: {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    @property
    def indexes(self) -> Path:
        """Where apt keeps its package lists, InRelease files beside them."""
        return self.path / "var/lib/apt/lists"


class LabHost(Running):
    """The root file system's own sshd, on an address of the caller's loopback. ``authorized`` is a public key."""

    def __init__(self, root: Root, authorized: str, address: str = "127.0.0.1") -> None:
        self.address, self.port = address, free_port(address)
        self._folder = tempfile.TemporaryDirectory(prefix="lab-host-")
        place = Path(self._folder.name)
        (place / "root").mkdir()
        self._key = make_key(place / "key")
        settings = (
            f"ListenAddress {address}:{self.port}\nHostKey /run/lab_key\nAuthorizedKeysFile /run/lab_authorized\n"
            "StrictModes no\nPasswordAuthentication no\nPidFile none\n"
        )
        self._log = (place / "log").open("wb")
        arguments = ["/bin/sh", "-ec", _START, settings, self._key.read_text(), authorized]
        self._process = start_child(entering(root.path, str(place / "root"), *arguments), output=self._log)
        try:
            wait_until_listening(address, self.port, self._process, place / "log")
        except BaseException:
            self.stop()
            raise

    @property
    def known_hosts(self) -> str:
        """The line of known_hosts for it."""
        kind, key = Path(f"{self._key}.pub").read_text().split()[:2]
        return f"[{self.address}]:{self.port} {kind} {key}\n"

    def stop(self) -> None:
        end_child(self._process)
        self._log.close()
        self._folder.cleanup()


#: Run inside. $0: sshd_config; $1: the host's key; $2: who may log in.
_START = """
umask 077
printf '%s' "$0" > /run/lab_config
printf '%s\n' "$1" > /run/lab_key
printf '%s\n' "$2" > /run/lab_authorized
chmod 644 /run/lab_authorized
exec /usr/sbin/sshd -D -e -f /run/lab_config
"""


def entering(root: Path, place: str, *command: str) -> list[str]:
    """The command line that runs ``command`` in ``root``; ``place`` is an empty folder."""
    enclose = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
    return [*enclose, "/bin/sh", "-c", _ENTER, "enter", str(root), place, *command]
