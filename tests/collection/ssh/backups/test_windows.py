"""Windows: what the script says of backups, composed from Microsoft's documentation, not captured."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.ssh.backups.windows import windows_backup_facts
from secscan.facts import Gap, encode
from secscan.facts.backups import Attempt, Backup, BackupFacts, BackupRun
from secscan.model import Reason

SUMMARY = {"succeeded": 1779900000, "last": 1779990000, "result": -2139619325, "versions": 7}
AT = datetime.fromtimestamp(1779900000, UTC)


def only(said: dict[str, Any]) -> Backup:
    found = windows_backup_facts(said)
    assert not isinstance(found.backups, Gap)
    [backup] = found.backups
    return backup


def test_the_last_success_counts_and_not_the_last_start() -> None:
    backup = only({"backup-tool": True, "backup": SUMMARY, "shadows": []})
    assert backup.runs == (BackupRun(at=AT),)
    assert backup.attempt == Attempt(
        at=datetime.fromtimestamp(1779990000, UTC), succeeded=False, said="HRESULT -2139619325"
    )


def test_a_host_without_any_version_has_no_run() -> None:
    backup = only(
        {"backup-tool": True, "backup": SUMMARY | {"succeeded": None, "versions": 0}, "shadows": []}
    )
    assert backup.runs == ()


def test_an_account_that_is_not_told_is_said_to_be_none() -> None:
    found = windows_backup_facts({"backup-tool": True, "backup": None, "shadows": None})
    assert [(u.tool, u.reason) for u in found.unread] == [
        ("windows-server-backup", Reason.UNREADABLE),
        ("shadow-copy", Reason.UNREADABLE),
    ]
    assert "Backup Operators" in found.unread[0].access


@pytest.mark.parametrize("shadows", [{"at": 1779900000, "volume": "V"}, [{"at": 1779900000, "volume": "V"}]])
def test_shadow_copies_are_of_their_volume(shadows: Any) -> None:
    backup = only({"shadows": shadows})
    assert (backup.tool, backup.name, backup.runs) == ("shadow-copy", "V", (BackupRun(at=AT),))
    assert backup.append_only is False


_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["at", "volume", "succeeded", "last", "result", "versions"]), inner, max_size=4
        ),
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({"backup-tool": _VALUE, "backup": _VALUE, "shadows": _VALUE}))
def test_no_value_raises(said: dict[str, Any]) -> None:
    found = windows_backup_facts(said)
    assert isinstance(found, BackupFacts)
    assert len(encode(found)) < 20_000
