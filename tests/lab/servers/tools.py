"""The system programs that some servers of the lab are, and the Debian packages that bring them."""

import os
import shutil

from tests.lab.servers.listening import LabError

#: Program -> Debian and Ubuntu package.
PACKAGES = {
    "dovecot": "dovecot-imapd",
    "java": "default-jdk-headless",
    "mariadbd": "mariadb-server",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "postfix": "postfix",
    "prosody": "prosody",
    "setpriv": "util-linux",
    "slapd": "slapd",
    "vsftpd": "vsftpd",
    "xrdp": "xrdp",
}


class MissingToolError(LabError):
    """A program is not installed; the message names its package."""


def missing_tools(path: str | None = None) -> dict[str, str]:
    """The programs the lab can't find on ``path`` (the process's own by default), and the package of each."""
    return {tool: package for tool, package in PACKAGES.items() if _find(tool, path) is None}


def find_tool(tool: str) -> str:
    """The program's path. Raises MissingToolError."""
    found = _find(tool, None)
    if found is None:
        raise MissingToolError(f"{tool} is not installed (package {PACKAGES[tool]})")
    return found


def _find(tool: str, path: str | None) -> str | None:
    # Ordinary users of Debian don't have the sbin folders, where nginx lives, on their PATH.
    own = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return shutil.which(tool, path=own if path is None else path)
