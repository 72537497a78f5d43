"""Looking from the inside, end to end: audit --ssh and --local, scans that log in; with OpenSSH's own server."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Secscan, as_json
from tests.lab.servers.tools import MissingToolError
from tests.lab.ssh import Sshd, find_sshd, make_key

USER = os.environ.get("USER", "root") if os.geteuid() else "root"


@dataclass(frozen=True)
class Lab:
    """Two servers on addresses of their own, and the key that both let in."""

    host: Sshd
    jump: Sshd
    key: Path

    @property
    def target(self) -> str:
        return f"{self.host.address}:{self.host.port}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    try:
        find_sshd()
    except MissingToolError as e:
        pytest.skip(str(e))
    key = make_key(tmp_path_factory.mktemp("keys") / "key")
    authorized = key.with_suffix(".pub").read_text()
    host = Sshd(authorized=authorized, address="127.31.0.1", options="LogLevel VERBOSE\n")
    jump = Sshd(authorized=authorized, address="127.31.0.2", options="LogLevel VERBOSE\n")
    yield Lab(host, jump, key)
    jump.stop()
    host.stop()


@pytest.fixture
def trusted(lab: Lab, tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text(lab.host.known_hosts + lab.jump.known_hosts)
    return path


def audit(secscan: Secscan, lab: Lab, known_hosts: Path, *options: str | Path, **env: str) -> Any:
    ssh = ("--ssh", USER, "--ssh-port", str(lab.host.port), "-i", lab.key, "--known-hosts", known_hosts)
    arguments = ("audit", lab.target, *ssh, "--domain", "patches", "--format", "json", *options)
    return secscan(*arguments, **{"SSH_AUTH_SOCK": "", "HOME": str(known_hosts.parent), **env})


def outcomes(document: Any) -> dict[str, str]:
    """Check -> its worst outcome here."""
    worst: dict[str, str] = {}
    order = ["pass", "not-applicable", "unknown", "error", "fail"]
    for finding in document["findings"]:
        before = worst.get(finding["check"], "pass")
        worst[finding["check"]] = max(before, finding["outcome"], key=order.index)
    return worst


def test_it_logs_in_and_says_how_the_host_is_kept(lab: Lab, trusted: Path, secscan: Secscan) -> None:
    said = outcomes(as_json(audit(secscan, lab, trusted)))
    assert said["ssh.host-key"] == "pass"
    assert said["patch.clock"] in ("pass", "unknown")  # the same machine; whether it is kept, it may not say
    assert said["patch.automatic-updates"] in ("pass", "fail")
    assert said["patch.end-of-life"] in ("pass", "fail", "unknown")


def test_without_feeds_what_needs_them_is_unknown(lab: Lab, trusted: Path, secscan: Secscan) -> None:
    done = audit(secscan, lab, trusted, XDG_DATA_HOME=str(trusted.parent))
    said = {f["check"]: f["outcome"] for f in as_json(done)["findings"]}
    assert said["patch.known-exploited"] == "unknown"


def test_a_host_whose_key_nobody_trusted_is_not_logged_in_to(
    lab: Lab, tmp_path: Path, secscan: Secscan
) -> None:
    before = lab.host.log.count("Accepted publickey")
    (tmp_path / "none").write_text("")
    done = audit(secscan, lab, tmp_path / "none")
    document = as_json(done)
    assert set(outcomes(document).values()) == {"unknown"}
    assert "secscan trust" in json.dumps(document)
    assert lab.host.log.count("Accepted publickey") == before
    assert done.returncode == 3


def test_a_file_of_trusted_keys_that_is_not_there_is_said_with_how_it_is_made(
    lab: Lab, tmp_path: Path, secscan: Secscan
) -> None:
    done = audit(secscan, lab, tmp_path / "none")
    assert (done.returncode, "secscan trust 127.31.0.1" in done.stderr) == (2, True)


def test_a_key_that_changed_is_a_critical_finding_and_nobody_logs_in(
    lab: Lab, tmp_path: Path, secscan: Secscan
) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text().split()
    known = tmp_path / "known_hosts"
    known.write_text(f"[{lab.host.address}]:{lab.host.port} {other[0]} {other[1]}\n")
    before = lab.host.log.count("Accepted publickey")
    done = audit(secscan, lab, known)
    (finding,) = [f for f in as_json(done)["findings"] if f["check"] == "ssh.host-key"]
    assert (finding["outcome"], finding["severity"]) == ("fail", "critical")
    assert lab.host.log.count("Accepted publickey") == before
    assert done.returncode == 1


def test_it_goes_over_a_jump_host(lab: Lab, trusted: Path, secscan: Secscan) -> None:
    before = lab.jump.log.count("Accepted publickey")
    done = audit(secscan, lab, trusted, "--jump", f"{USER}@{lab.jump.address}:{lab.jump.port}")
    assert outcomes(as_json(done))["ssh.host-key"] == "pass"
    assert lab.jump.log.count("Accepted publickey") == before + 1


def test_of_the_users_ssh_config_the_place_counts(lab: Lab, trusted: Path, secscan: Secscan) -> None:
    folder = trusted.parent / ".ssh"
    folder.mkdir()
    (folder / "config").write_text(
        f"Host portal\n  HostName {lab.host.address}\n  Port {lab.host.port}\n  IdentityFile {lab.key}\n"
    )
    done = secscan(
        *("audit", f"portal:{lab.host.port}", "--ssh", USER, "--known-hosts", trusted),
        *("--domain", "patches", "--format", "json"),
        SSH_AUTH_SOCK="",
        HOME=str(trusted.parent),
    )
    document = as_json(done)
    assert outcomes(document)["ssh.host-key"] == "pass"
    assert {f["subject"]["id"] for f in document["findings"]} == {"portal"}


def test_a_config_that_would_run_something_is_refused(lab: Lab, trusted: Path, secscan: Secscan) -> None:
    folder = trusted.parent / ".ssh"
    folder.mkdir()
    (folder / "config").write_text("Host *\n  ProxyCommand touch /tmp/was-run\n")
    done = audit(secscan, lab, trusted)
    assert done.returncode == 2
    assert "config:2: proxycommand" in done.stderr
    assert not Path("/tmp/was-run").exists()


def test_without_anything_to_log_in_with_it_says_what_to_do(
    lab: Lab, trusted: Path, secscan: Secscan
) -> None:
    done = secscan("audit", lab.target, "--ssh", USER, SSH_AUTH_SOCK="", HOME=str(trusted.parent))
    assert done.returncode == 2
    assert "--identity" in done.stderr


def test_this_machine_is_looked_at_without_a_packet(tmp_path: Path, secscan: Secscan) -> None:
    done = secscan("audit", "--local", "--format", "json", XDG_STATE_HOME=str(tmp_path))
    said = outcomes(as_json(done))
    assert said["ssh.host-key"] == "not-applicable"
    assert said["patch.automatic-updates"] in ("pass", "fail")
    assert list(tmp_path.rglob("probes.jsonl")) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--local", "127.0.0.1"], "it takes no TARGET"),
        (["--local", "--ssh", "me"], "it takes no TARGET"),
        ([], "name a TARGET"),
        (["127.0.0.1", "--ssh", "me", "--profile", "network"], "has no rule that looks inside"),
    ],
)
def test_what_cant_be_meant_is_refused(secscan: Secscan, arguments: list[str], complaint: str) -> None:
    done = secscan("audit", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


# --- Scans ------------------------------------------------------------------------------------------------


@pytest.fixture
def workspace(lab: Lab, tmp_path: Path) -> Path:
    folder = tmp_path / "ws"
    (folder / "inventory").mkdir(parents=True)
    (folder / "secscan.toml").write_text(
        f"""\
profile = "baseline"
[collection]
workers = 1
ports.default = "{lab.host.port}"
[ssh]
deadline = 30.0
[credentials.audit]
user = "{USER}"
port = {lab.host.port}
key_file = "{lab.key}"
"""
    )
    (folder / "scope.toml").write_text('owner = "Lab"\nexpires = 2999-01-01\nnetworks = ["127.31.0.0/24"]\n')
    (folder / "inventory" / "lab.toml").write_text(
        f"""\
[agency]
id = "lab"
names.en = "Lab"
[[host]]
id = "inside"
addresses = ["{lab.host.address}"]
credential = "audit"
[[host]]
id = "nobody"
addresses = ["{lab.jump.address}"]
[[host]]
id = "mistaken"
addresses = ["{lab.jump.address}"]
credential = "nowhere"
"""
    )
    (folder / "known_hosts").write_text(lab.host.known_hosts + lab.jump.known_hosts)
    return folder


def findings(secscan: Secscan, folder: Path, host: str) -> dict[str, Any]:
    every = [word for outcome in ("fail", "unknown", "pass") for word in ("--outcome", outcome)]
    document = as_json(secscan("findings", "-C", folder, "--host", host, "--format", "json", *every))
    return {f["check"]: f for f in document["findings"]}


def test_a_scan_logs_in_where_a_host_names_a_credential(workspace: Path, lab: Lab, secscan: Secscan) -> None:
    done = secscan("scan", "-C", workspace, "--no-nmap", SSH_AUTH_SOCK="")
    assert done.returncode in (1, 3), done.stderr
    assert findings(secscan, workspace, "inside")["ssh.host-key"]["outcome"] == "pass"
    nobody = findings(secscan, workspace, "nobody")["ssh.host-key"]
    assert (nobody["outcome"], nobody["reason"]) == ("unknown", "needs-credentials")
    mistaken = findings(secscan, workspace, "mistaken")["ssh.host-key"]
    assert "nowhere" in json.dumps(mistaken)


def test_a_scan_by_a_baseline_of_the_network_alone_logs_in_nowhere(
    workspace: Path, lab: Lab, secscan: Secscan
) -> None:
    before = lab.host.log.count("Accepted publickey")
    secscan("scan", "-C", workspace, "--profile", "network", "--no-nmap", SSH_AUTH_SOCK="")
    assert lab.host.log.count("Accepted publickey") == before


def test_no_secret_is_kept_anywhere(workspace: Path, lab: Lab, secscan: Secscan) -> None:
    settings = workspace / "secscan.toml"
    locked = make_key(workspace.parent / "locked", passphrase="hush-hush-hush")
    settings.write_text(
        settings.read_text().replace(str(lab.key), str(locked)) + 'password_env = "LAB_SECRET"\n'
    )
    done = secscan("scan", "-C", workspace, "--no-nmap", SSH_AUTH_SOCK="", LAB_SECRET="hush-hush-hush")
    login = findings(secscan, workspace, "inside")["patch.end-of-life"]
    assert login["reason"] == "auth-failed"  # the passphrase opened the key, which the host does not know
    kept = [p for p in workspace.rglob("*") if p.is_file() and b"hush-hush-hush" in p.read_bytes()]
    assert kept == []
    assert "hush-hush" not in done.stdout + done.stderr


def test_what_was_imported_is_stamped_on_the_score(workspace: Path, secscan: Secscan) -> None:
    kev = workspace / "kev.json"
    kev.write_text(
        json.dumps(
            {
                "title": "CISA Catalog of Known Exploited Vulnerabilities",
                "catalogVersion": "2026.01.02",
                "dateReleased": "2026-01-02T03:04:05.0000Z",
                "count": 1,
                "vulnerabilities": [
                    {
                        "cveID": "CVE-2020-0001",
                        "vendorProject": "x",
                        "product": "x",
                        "vulnerabilityName": "x",
                        "dateAdded": "2021-11-03",
                        "shortDescription": "x",
                        "requiredAction": "x",
                        "dueDate": "2021-11-17",
                        "knownRansomwareCampaignUse": "Unknown",
                        "notes": "",
                        "cwes": [],
                    }
                ],
            }
        )
    )
    done = secscan("feeds", "import", "-C", workspace, kev)
    assert done.returncode == 0, done.stderr
    secscan("scan", "-C", workspace, "--no-nmap", SSH_AUTH_SOCK="")
    document = as_json(secscan("show", "-C", workspace, "--format", "json"))
    assert document["stamp"]["feeds"] == {"kev": "2026-01-02T03:04:05Z"}
