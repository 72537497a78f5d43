"""Hosts of the backup lab behind OpenSSH's own server, read by the collector that scans use. Knows nothing of pytest."""

from collections.abc import Mapping
from pathlib import Path

from secscan.collection.ssh import Credential, SshCollector, SshSettings
from secscan.facts import Facts, Gap
from secscan.model import Host, HostTarget, Observation
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.lab.backups import Lab, State, entering
from tests.lab.ssh import Sshd, make_key


def collected_over_ssh(lab: Lab, state: State, folder: Path) -> Mapping[str, Facts | Gap]:
    """All facts of a host in this state, as ``Lab.collect`` gives them; sessions enter it by a forced command."""
    place = lab.build(state)
    login = make_key(folder / "login")
    shell = ["/bin/sh", "-s"]
    if state.account:
        account = str(state.account)
        shell = ["setpriv", "--reuid", account, "--regid", account, "--clear-groups", *shell]
    enter = folder / "enter"
    enter.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in entering(place, *shell)) + "\n")
    enter.chmod(0o755)
    sshd = Sshd(authorized=f'command="{enter}" {login.with_suffix(".pub").read_text()}')
    try:
        (folder / "known_hosts").write_text(sshd.known_hosts)
        collector = SshCollector(
            {"db1": Host("db1", ("127.0.0.1",), credential="c")},
            {},
            {"c": Credential("c", "root", sshd.port, key_file=login)},
            folder / "known_hosts",
            SshSettings(deadline=60),
            declared={"db1": state.declared},
        )
        gate = Gate(scope_of_addresses(["127.0.0.1"]), ProbeLog(None))
        records = list(collector.collect([HostTarget("db1")], gate))
    finally:
        sshd.stop()
    return {
        record.kind: record.facts if isinstance(record, Observation) else Gap(record.reason, record.detail)
        for record in records
    }
