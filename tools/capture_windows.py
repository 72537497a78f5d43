"""Captures what secscan's PowerShell script says on a real Windows host, for tests: `capture_windows.py USER@HOST`.

Logs in with the system's own ssh, which asks for whatever it needs, and writes the reply to stdout as it came. What
secscan makes of it goes to stderr. Host names and addresses are not in a reply; look through it before sharing it.
"""

import subprocess
import sys

from secscan.collection.ssh.windows import WINDOWS_COMMAND, WindowsRun, windows_facts

#: Fixed, so that a captured reply can be read again; a scan takes a new one each time.
NONCE = "0123456789abcdef0123456789abcdef"
PATIENCE = 120.0


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    run = WindowsRun(NONCE)
    done = subprocess.run(
        ["ssh", "-T", "--", arguments[0], WINDOWS_COMMAND],  # noqa: S607 - the ssh the operator uses
        input=run.standard_input,
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    sys.stdout.buffer.write(done.stdout)
    for kind, seen in windows_facts(run, done.stdout, done.returncode, None).items():
        sys.stderr.write(f"{kind}: {seen}\n")
    return 0 if done.stdout else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
