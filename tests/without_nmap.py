"""Runs commands where there is no nmap: in a mount namespace of their own, with every nmap covered up.

An empty PATH does not do it: python-nmap also looks where systems usually have it.
"""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

#: Where python-nmap looks besides the PATH.
USUAL = ("/usr/bin/nmap", "/usr/local/bin/nmap", "/sw/bin/nmap", "/opt/local/bin/nmap")


def missing() -> str:
    """What keeps this from working here, in words for a skip; empty where nothing does."""
    if os.geteuid() != 0:
        return "to hide nmap needs root"
    if shutil.which("unshare") is None:
        return "the package util-linux is missing"
    done = subprocess.run(without_nmap(["true"]), capture_output=True, text=True, check=False)
    return f"mount namespaces are not permitted here: {done.stderr.strip()}" if done.returncode else ""


def without_nmap(command: list[str]) -> list[str]:
    """The command line that runs ``command`` where no nmap can be started."""
    folders = os.get_exec_path()
    places = [Path(place) for place in (*USUAL, *(f"{folder}/nmap" for folder in folders))]
    real = sorted({place.resolve() for place in places if place.exists()})
    # /dev/null can't be executed, not by root either.
    covers = "".join(f"mount --bind /dev/null {shlex.quote(str(place))} && " for place in real)
    return ["unshare", "--mount", "sh", "-c", f'{covers}exec "$@"', "sh", *command]
