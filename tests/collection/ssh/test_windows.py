"""Windows: replies composed from Microsoft's documentation, not captured, because there was no Windows to ask."""

import json
from datetime import UTC, datetime
from typing import Any

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.ssh import SshCollector
from secscan.collection.ssh.reply import KINDS
from secscan.collection.ssh.system import Clock
from secscan.collection.ssh.windows import WINDOWS_COMMAND, WindowsRun, windows_facts, windows_script
from secscan.credential import Credential
from secscan.evaluation import judge_host
from secscan.facts import Absent, AddressFacts, Facts, Gap, Release, SystemFacts, UpdateFacts
from secscan.model import (
    Agency,
    Evidence,
    Finding,
    Host,
    HostTarget,
    Observation,
    Outcome,
    Reason,
    Record,
    Target,
    Unobserved,
)
from secscan.registry import find_checks
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.collection.ssh.composed import WINDOWS_SERVER as SERVER
from tests.lab.ssh import FakeSshd, answer, reply
from tests.rules import baseline

NONCE = "0123456789abcdef0123456789abcdef"


def facts(kind: str, **changes: Any) -> Any:
    said = {
        k: v
        for k, v in (SERVER | {k.replace("_", "-"): v for k, v in changes.items()}).items()
        if v is not ...
    }
    return of_text(json.dumps(said))[kind]


def of_text(text: str) -> dict[str, Facts | Absent | Gap]:
    data = reply({"windows": text}, NONCE, at=1780000000)
    return dict(windows_facts(WindowsRun(NONCE), data, 0, None))


def test_a_server_is_read() -> None:
    system = facts("system")
    assert isinstance(system, SystemFacts)
    assert system.release == Release(
        id="windows-server", version="21H2", name="Windows Server 2022 Datacenter", build="20348.2527"
    )
    assert (system.family, system.reboot_required) == ("windows", True)
    assert system.booted_at == datetime.fromtimestamp(1779000000, UTC)


def test_updates_are_read() -> None:
    updates = facts("updates")
    assert isinstance(updates, UpdateFacts)
    assert updates.hotfixes == ("KB5012170", "KB5037782")
    assert updates.metadata_at == datetime.fromtimestamp(1779900000, UTC)
    assert updates.changed_at == datetime.fromtimestamp(1779800000, UTC)
    assert isinstance(updates.pending, Gap)


def test_what_windows_lacks_by_its_packages_is_not_known() -> None:
    """Any host could say that it is Windows: that there is nothing to compare must gain it nothing."""
    assert facts("packages").reason is Reason.NOT_COLLECTED


@pytest.mark.parametrize("kind", ["sockets", "mounts", "schedule"])
def test_what_is_not_read_yet_is_not_absent(kind: str) -> None:
    assert facts(kind).reason is Reason.NOT_COLLECTED


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        ("patch.critical-updates", Outcome.UNKNOWN),
        ("patch.other-updates", Outcome.UNKNOWN),
        ("patch.known-exploited", Outcome.UNKNOWN),
        ("patch.foreign-packages", Outcome.UNKNOWN),
        ("patch.held-packages", Outcome.UNKNOWN),
        ("patch.security-repository", Outcome.NOT_APPLICABLE),
        ("patch.running-kernel", Outcome.NOT_APPLICABLE),
        ("patch.pending-security", Outcome.UNKNOWN),
        ("patch.metadata-age", Outcome.PASS),
        ("patch.last-change", Outcome.PASS),
        ("patch.automatic-updates", Outcome.PASS),
        ("patch.reboot", Outcome.FAIL),
        ("patch.clock", Outcome.PASS),
        ("patch.clock-synchronised", Outcome.PASS),
        ("patch.outdated-programs", Outcome.UNKNOWN),
    ],
)
def test_every_rule_on_patches_comes_to_something_sensible(check: str, outcome: Outcome) -> None:
    assert {finding.outcome for finding in judged(check)} == {outcome}


def judged(check: str) -> tuple[Finding, ...]:
    """What a rule says of the server, seen at the time its clock says."""
    host, at = Host("w", ("127.0.0.1",)), datetime.fromtimestamp(1780000000, UTC)
    data = reply({"windows": json.dumps(SERVER)}, NONCE, at=1780000000)
    seen = windows_facts(WindowsRun(NONCE), data, 0, Clock(1780000000.0, 1780000000.0))
    where = AddressFacts(addresses=host.addresses, by_name={})
    newest: dict[tuple[Target, str], Record] = {
        (HostTarget("w"), AddressFacts.kind): Observation(HostTarget("w"), "t", AddressFacts.kind, at, where)
    }
    for kind, found in seen.items():
        newest[HostTarget("w"), kind] = (
            Unobserved(HostTarget("w"), "t", kind, at, found.reason, found.detail)
            if isinstance(found, Gap)
            else Observation(HostTarget("w"), "t", kind, at, found)
        )
    rules = baseline([find_checks()[check]])
    return judge_host(host, Evidence(newest), baseline=rules, agency=Agency("a", {}), references={}, at=at)


def test_a_desktop_is_no_server() -> None:
    assert facts("system", type="Client").release.id == "windows"


def test_one_hotfix_alone_is_a_list_too() -> None:
    assert facts("updates", hotfixes="KB5037782").hotfixes == ("KB5037782",)


@pytest.mark.parametrize(
    ("changes", "automatic"),
    [
        ({}, True),
        ({"options": 0}, True),
        ({"options": 2}, False),
        ({"options": 3}, False),
        ({"options": 7}, False),
        ({"updates_off": True}, False),
        ({"options": None}, Reason.UNREADABLE),
        ({"options": "4"}, Reason.UNPARSED),
    ],
)
def test_updates_install_themselves_where_the_setting_says_so(
    changes: dict[str, Any], automatic: bool | Reason
) -> None:
    found = facts("updates", **changes).automatic
    assert (found.reason if isinstance(found, Gap) else found) == automatic


@pytest.mark.parametrize("key", list(SERVER))
def test_what_is_left_out_is_a_gap_and_spoils_nothing_else(key: str) -> None:
    found = of_text(json.dumps({k: v for k, v in SERVER.items() if k != key}))
    assert isinstance(found["system"], SystemFacts)
    assert isinstance(found["updates"], UpdateFacts)


@pytest.mark.parametrize("hotfixes", [["KB1"], ["KB12345; rm"], [1], [None], {"a": 1}, 7])
def test_hotfixes_that_are_none_are_not_understood(hotfixes: Any) -> None:
    assert facts("updates", hotfixes=hotfixes).hotfixes.reason is Reason.UNPARSED


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "[" * 100_000, '{"build":'])
def test_what_is_no_object_is_not_understood(text: str) -> None:
    assert {seen.reason for seen in of_text(text).values() if isinstance(seen, Gap)} == {Reason.UNPARSED}


def test_a_host_without_powershell_is_said_to_lack_it() -> None:
    said = b"'powershell.exe' is not recognized as an internal or external command"
    found = windows_facts(WindowsRun(NONCE), said, 1, None)
    assert {seen.reason for seen in found.values() if isinstance(seen, Gap)} == {Reason.TOOL_MISSING}


def test_the_command_fits_into_cmd() -> None:
    assert len(WINDOWS_COMMAND) < 1000
    assert '"' not in WINDOWS_COMMAND


def test_the_script_is_plain_ascii() -> None:
    assert windows_script().isascii()


@given(
    st.dictionaries(
        st.sampled_from([*SERVER, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=5,
        ),
    )
)
def test_any_values_give_facts_or_gaps_of_every_kind(said: dict[str, Any]) -> None:
    found = of_text(json.dumps(said))
    assert tuple(found) == KINDS
    assert all(isinstance(seen, Facts | Absent | Gap) for seen in found.values())


def test_a_server_that_calls_itself_windows_is_sent_powershell(tmp_path: Any) -> None:
    key = paramiko.ECDSAKey.generate()
    commands: list[bytes] = []

    def behave(channel: paramiko.Channel, command: bytes) -> None:
        commands.append(command)
        answer(lambda nonce: reply({"windows": json.dumps(SERVER)}, nonce))(channel, command)

    with FakeSshd(behave, key, password="p", banner="SSH-2.0-OpenSSH_for_Windows_8.1").start() as running:
        (tmp_path / "k").write_text(f"[127.0.0.1]:{running.port} {key.get_name()} {key.get_base64()}\n")
        collector = SshCollector(
            {"w": Host("w", ("127.0.0.1",), credential="c")},
            {},
            {"c": Credential("c", "u", running.port, password_env="P")},
            tmp_path / "k",
            environment={"P": "p"},
        )
        gate = Gate(scope_of_addresses(["127.0.0.1"]), ProbeLog(None))
        records = {r.kind: r for r in collector.collect([HostTarget("w")], gate)}
    assert commands == [WINDOWS_COMMAND.encode()]
    assert isinstance(records["updates"], Observation)
