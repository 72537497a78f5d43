"""The patch checks of the baseline on real hosts; what each should say was written by hand."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from secscan.baseline import load_baseline
from secscan.evaluation import judge_host
from secscan.facts import UpdateFacts, known
from secscan.feeds.formats.packages_index import is_security
from secscan.feeds.match import source_of
from secscan.feeds.model import Kind
from secscan.feeds.storage import open_store
from secscan.model import Agency, Evidence, Finding, Observation, Outcome, Reason
from secscan.registry import find_checks
from tests.truth.conftest import Seen

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
AGENCY = Agency("lab", {"en": "Lab"})

#: Outcomes of each check, over all of its objects, a day after the security suite was last changed.
FROZEN: dict[str, set[Outcome]] = {
    "patch.end-of-life": {FAIL},  # Debian 11: free long-term support until 2026-08-31
    "patch.end-of-life-soon": {FAIL},
    # Indexes name no flaws, so that what is missing counts as medium; and nobody says what is missing since the end.
    "patch.critical-updates": {UNKNOWN},
    "patch.other-updates": {FAIL, UNKNOWN},
    # No catalogue and no predictions were imported.
    "patch.known-exploited": {UNKNOWN},
    "patch.exploit-likelihood": {UNKNOWN},
    "patch.overdue": {UNKNOWN},
    # All but the one that is held.
    "patch.updates-offered": {PASS},
    "patch.pending-security": {FAIL},
    "patch.metadata-age": {PASS},
    "patch.last-change": {PASS},
    "patch.security-repository": {PASS},
    "patch.automatic-updates": {FAIL},
    # Nothing keeps account of it: neither unattended-upgrades nor update-notifier is there.
    "patch.reboot": {UNKNOWN},
    # What runs is the kernel of the machine that the lab stands on.
    "patch.running-kernel": {UNKNOWN},
    "patch.outdated-programs": {UNKNOWN},
    "patch.foreign-packages": {FAIL},
    "patch.held-packages": {FAIL},
    "patch.clock": {PASS},
    "patch.clock-synchronised": {UNKNOWN},
}
CURRENT: dict[str, set[Outcome]] = {
    **FROZEN,
    "patch.end-of-life": {PASS},
    "patch.end-of-life-soon": {PASS},
    "patch.critical-updates": {PASS},
    "patch.other-updates": {PASS},
    "patch.overdue": {PASS},
    "patch.pending-security": {PASS},
    "patch.foreign-packages": {PASS},
    "patch.held-packages": {PASS},
}


def last_changed(db: Path, release: str) -> datetime:
    """The date of a release's security suite."""
    with open_store(db) as store:
        return max(
            state.as_of
            for state in store.states()
            if state.feed.kind is Kind.PACKAGES
            and state.feed.release == release
            and is_security(state.feed.part)
        )


def judge(host: Seen, references: Mapping[type, Any], at: datetime) -> tuple[Finding, ...]:
    evidence = Evidence({(record.target, record.kind): record for record in host.records})
    baseline = load_baseline("baseline", find_checks())
    findings = judge_host(
        host.host,
        evidence,
        baseline=baseline,
        agency=AGENCY,
        references=references,
        at=at,
    )
    return tuple(finding for finding in findings if finding.check.startswith("patch."))


def outcomes(findings: tuple[Finding, ...]) -> dict[str, set[Outcome]]:
    return {check: {f.outcome for f in findings if f.check == check} for check in {f.check for f in findings}}


def test_a_frozen_system_is_judged_as_what_it_is(
    bullseye: Seen, indexes: Path, references: Mapping[type, Any]
) -> None:
    findings = judge(bullseye, references, last_changed(indexes, "11") + timedelta(days=1))
    assert outcomes(findings) == FROZEN


def test_a_current_system_is_judged_as_what_it_is(
    bookworm: Seen, indexes: Path, references: Mapping[type, Any]
) -> None:
    findings = judge(bookworm, references, last_changed(indexes, "12") + timedelta(days=1))
    assert outcomes(findings) == CURRENT


def test_each_missing_update_is_one_finding(
    bullseye: Seen, indexes: Path, references: Mapping[type, Any]
) -> None:
    """One for each source package, as many as apt would take updates of."""
    findings = judge(bullseye, references, last_changed(indexes, "11") + timedelta(days=1))
    named = {f.object for f in findings if f.check == "patch.other-updates" and f.outcome is FAIL}
    pending = {update.name for update in known(bullseye.updates.pending) if update.security is True}
    sources = {source_of(p, "dpkg")[0] for p in bullseye.packages.packages if p.name in {*pending, "sudo"}}
    assert named == sources


def test_a_current_system_does_not_pass_by_an_old_feed(
    bookworm: Seen, indexes: Path, references: Mapping[type, Any]
) -> None:
    findings = judge(bookworm, references, last_changed(indexes, "12") + timedelta(days=15))
    by_feed = {f.check: f.reason for f in findings if f.reason is Reason.STALE_FEED}
    assert set(by_feed) == {
        "patch.critical-updates",
        "patch.other-updates",
        "patch.overdue",
        "patch.updates-offered",
    }


def test_a_frozen_mirror_is_found_out(bullseye: Seen, indexes: Path, references: Mapping[type, Any]) -> None:
    """The same host, if its own lists knew of nothing newer."""
    records = tuple(
        dataclasses.replace(record, facts=msgspec.structs.replace(record.facts, pending=()))
        if isinstance(record, Observation) and isinstance(record.facts, UpdateFacts)
        else record
        for record in bullseye.records
    )
    blind = dataclasses.replace(bullseye, records=records)
    found = outcomes(judge(blind, references, last_changed(indexes, "11") + timedelta(days=1)))
    assert (found["patch.pending-security"], found["patch.updates-offered"]) == ({PASS}, {FAIL})
