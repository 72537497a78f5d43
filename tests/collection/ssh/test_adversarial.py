"""Replies made to keep our parsers busy, to crash them, or to have them keep a secret."""

import resource
import subprocess
import sys

import pytest

from secscan.collection.ssh.operation import parse_cron
from secscan.collection.ssh.reading import UnparsedError, command, without_password
from secscan.collection.ssh.reply import facts_of
from secscan.facts import Gap, encode
from tests.collection.ssh.composed import ALPINE, ARCH, ROCKY, UBUNTU, composed

#: Seconds of processor for all of it: a pattern that goes wrong takes hours.
MOST_CPU = 60

EVERY_SECTION = """
import sys
sys.path.insert(0, sys.argv[1])
from secscan.collection.ssh.reply import facts_of
from tests.collection.ssh.composed import ALPINE, ARCH, ROCKY, UBUNTU, composed
MB = 1024 * 1024
for system, names in (
    (UBUNTU, ("sizes", "mounts", "sockets", "apt-pending", "apt-origins", "release", "cron", "dpkg", "apt-foreign")),
    (ROCKY, ("automatic", "rpm-held", "rpm-foreign", "rpm-pending", "rpm-origins", "services")),
    (ALPINE, ("cron", "apk-pending", "apk-world")),
    (ARCH, ("cron", "pacman-origins")),
):
    for name in names:
        for token in (" ", "\\n", "a-", "-password", "argv[]=", "line apk ", "line pacman "):
            facts_of(composed({**system, name: token * (MB // len(token))}), None)
evil = "x" + "-password" * 222
units = "\\n\\n".join(["Id=a.timer\\nUnit=b"] * 4000)
facts_of(composed({**UBUNTU, "timers": units, "services": "Id=b\\nExecStart=argv[]=" + evil}), None)
lines = "".join(f"line * * * * * root {i}{evil}\\n" for i in range(2000))
facts_of(composed({**UBUNTU, "cron": "file /etc/cron.d/x\\n" + lines}), None)
"""


def test_no_reply_keeps_a_parser_busy() -> None:
    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU, MOST_CPU))

    done = subprocess.run(
        [sys.executable, "-c", EVERY_SECTION, "."], preexec_fn=bound, check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("system", "name", "text"),
    [
        (UBUNTU, "firewall", "nft hooks " + "9" * 5000),
        (UBUNTU, "apt-foreign", "apt " + "9" * 5000 + ".1\nListing..."),
        (UBUNTU, "release", "REDHAT=   release 7"),
        (UBUNTU, "apt-pending", "\n".join(["Inst a [1] (2 [x])"] * 6000)),
        (ROCKY, "rpm-pending", "a.b 1 r\n" * 6000),
        (ALPINE, "apk-origins", "".join(f"https://h/{i}\n" for i in range(6000))),
        (ARCH, "pacman-foreign", "".join(f"a{i}\n" for i in range(6000))),
    ],
)
def test_every_reply_makes_facts_of_bounded_length(system: dict[str, str], name: str, text: str) -> None:
    for seen in facts_of(composed({**system, name: text}), None).values():
        assert isinstance(seen, Gap) or len(encode(seen)) < 100_000


def test_what_has_happened_lies_not_ahead() -> None:
    text = UBUNTU["apt-metadata"].replace("1779999000", "1780080000")
    assert isinstance(facts_of(composed({**UBUNTU, "apt-metadata": text}), None)["updates"].metadata_at, Gap)  # type: ignore[union-attr] # there are packages


@pytest.mark.parametrize(
    "text",
    [
        "mysqldump -pSECRET x",
        "x --password 'my SECRET'",
        "openssl enc -pass pass:SECRET x",
        "lftp -u me,SECRET h",
        "curl -H 'X-Api-Key: SECRET' h",
        "redis-cli -a SECRET",
        "7z a -pSECRET x",
        "sudo -u me ldapsearch -w SECRET",
        "sh -c 'smbclient -U u%SECRET //h'",
        "plink -pw SECRET h",
        "wget 'https://h/?token=SECRET'",
        "rsync rsync://u:SE@SECRET@h/x",
        "bkp --pass=SECRET",
        "bkp --key SECRET",
        "echo SECRET | sudo -S x",
        "mysql <<< SECRET",
    ],
)
def test_no_secret_of_a_command_is_kept(text: str) -> None:
    assert "SECRET" not in command(text)


@pytest.mark.parametrize(
    "text",
    [
        "sudo -u root nice -n 10 /usr/bin/restic -r /r backup /data >>/var/log/x 2>&1",
        "restic -r sftp:backup@vault:/srv --password-file /etc/p forget --keep-daily 7",
        "borg create --stats -C lz4 u@h:/repo::x /data",
        "/bin/sh -c 'flock -n /run/l rsync -a --exclude /tmp /srv b@h:/x'",
        "run-one /usr/local/bin/nightly --quiet",
    ],
)
def test_what_backups_are_found_by_is_kept(text: str) -> None:
    assert command(text) == text


@pytest.mark.parametrize("login", ["u:SECRET@", "u:p@SECRET@", "u:a/SECRET@", "u:a?SECRET@"])
def test_no_login_is_kept_of_an_address(login: str) -> None:
    assert "SECRET" not in without_password(f"https://{login}h/") + without_password(
        "https://h/?token=SECRET"
    )


def test_what_is_not_understood_is_quoted_without_secrets() -> None:
    assert "SECRET" not in str(
        parse_cron("file /x\nline broken --password=SECRET\nline 5 mysqldump -pSECRET")
    )
    assert "SECRET" not in str(UnparsedError("deb https://u:SECRET@h/debian"))
