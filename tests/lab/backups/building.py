"""Builds hosts, and looks into them by the script itself."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.local import run_script
from secscan.collection.ssh.reply import facts_of
from secscan.collection.ssh.shell_script import Run
from secscan.facts import Facts, Gap
from tests.lab.backups.machine import _LEFT_OUT, PATIENCE, State, entering, run_in
from tests.lab.backups.states import by_name
from tests.lab.servers.listening import LabError

#: In the place of ssh(1): the other machine is a network of its own, and sshd's part of sftp there is OpenSSH's.
_TO_NAS = """#!/bin/sh
exec unshare --net --uts /usr/lib/openssh/sftp-server
"""

_PREPARE = f"""
rm -f {" ".join(_LEFT_OUT)}
printf '#!/bin/sh\\ncase "$*" in *.timer*) cat /lab/timers;; *-p\\\\ ExecStart\\\\ *|*.service*) cat /lab/services;; esac\\n' \\
    >/usr/bin/systemctl
chmod 755 /usr/bin/systemctl
mkdir -p /lab /data/www /root/.cache /root/.config
: >/lab/timers; : >/lab/services
rm -f /etc/cron.d/* /etc/cron.daily/*
head -c 200000 /dev/urandom >/data/www/image
echo hello >/data/www/page
"""


@dataclass
class Lab:
    """Builds hosts below a folder, each once; those that others are made from are kept for them."""

    folder: Path
    _built: dict[str, Path] = field(default_factory=dict)

    def build(self, state: State) -> Path:
        """The folder of a host in this state. Raises LabError where a tool of it fails."""
        if state.name in self._built:
            return self._built[state.name]
        place = self.folder / state.name.replace(" ", "-")
        if state.made_from:
            made = self.build(by_name(state.made_from))
            subprocess.run(["cp", "-a", "--sparse=always", str(made), str(place)], check=True)  # noqa: S607 - coreutils
        else:
            for part in ("upper", "work", "root", "disk"):
                (place / part).mkdir(parents=True)
            if state.image:
                with (place / "image").open("wb") as image:
                    image.truncate(120 * 1024**2)
                subprocess.run(["mkfs.btrfs", "-q", str(place / "image")], check=True)  # noqa: S607 - btrfs-progs
            if state.nas:
                (place / "nas").mkdir()
                (place / "ssh").write_text(_TO_NAS)
                (place / "ssh").chmod(0o755)
            run_in(place, _PREPARE)
        run_in(place, state.build)
        self._built[state.name] = place
        return place

    def collect(
        self, state: State, *, sudo: bool = False, shell: Sequence[str] = ("/bin/sh",)
    ) -> Mapping[str, Facts | Gap]:
        """All facts of a host in this state, by the script itself."""
        place = self.build(state)
        if state.account:
            shell = (
                "setpriv",
                f"--reuid={state.account}",
                f"--regid={state.account}",
                "--clear-groups",
                *shell,
            )
        run = Run.new(budget=PATIENCE, declared=state.declared, sudo=sudo)
        answer = run_script(run, entering(place, *shell), deadline=PATIENCE)
        if isinstance(answer, Gap):
            raise LabError(f"{state.name}: {answer.detail}")
        reply = run.read(*answer)
        if not isinstance(reply, Reply):
            raise LabError(f"{state.name}: {reply.detail}")
        return facts_of(reply, None)
