"""The words for outcomes, severities, reasons, domains and tiers, for leaders as much as for engineers."""

from secscan.history import State
from secscan.history.difference import Change
from secscan.history.waterfall import Cause
from secscan.language import _, mark
from secscan.model import Outcome, Reason, Severity
from secscan.report.text import visible

_SEVERITIES = {
    Severity.CRITICAL: mark("critical"),
    Severity.HIGH: mark("high"),
    Severity.MEDIUM: mark("medium"),
    Severity.LOW: mark("low"),
    Severity.INFO: mark("info"),
}

_OUTCOMES = {
    Outcome.PASS: mark("pass"),
    Outcome.FAIL: mark("fail"),
    Outcome.UNKNOWN: mark("unknown"),
    Outcome.NOT_APPLICABLE: mark("not applicable"),
    Outcome.ERROR: mark("error"),
}

_STATES = {
    State.OPEN: mark("open"),
    State.UNVERIFIED: mark("not verified"),
    State.RESOLVED: mark("fixed"),
    State.RETIRED: mark("gone"),
}

# Reason -> what happened, and what that means or what to do about it.
_REASONS = {
    Reason.UNREACHABLE: (
        mark("Not reachable"),
        mark("No way to the host was found. It may be switched off, or the network between may be closed."),
    ),
    Reason.REFUSED: (
        mark("Connection refused"),
        mark("The host answered that nothing listens there, or a firewall turned the connection away."),
    ),
    Reason.TIMED_OUT: (
        mark("No answer in time"),
        mark("The host did not answer within the time it was given. A firewall may drop the packets."),
    ),
    Reason.NOT_RESOLVED: (
        mark("Name not found"),
        mark("The name service knows no address for the host. Correct the name or the inventory."),
    ),
    Reason.NEEDS_CREDENTIALS: (
        mark("Login needed"),
        mark("This can only be seen from the inside, and no login was given for the host."),
    ),
    Reason.AUTH_FAILED: (
        mark("Login refused"),
        mark("The host did not accept the login it was offered. Renew the account or the key."),
    ),
    Reason.HOST_KEY_CHANGED: (
        mark("Host key changed"),
        mark("The host shows another key than before. Find out why before trusting it again."),
    ),
    Reason.OUT_OF_SCOPE: (
        mark("Outside the scope"),
        mark("The scope does not allow this address or name, so nothing was sent to it."),
    ),
    Reason.OUT_OF_WINDOW: (
        mark("Outside the time window"),
        mark("The scope allows scanning at other hours only, so nothing was sent."),
    ),
    Reason.NOT_ATTEMPTED: (
        mark("Not looked at yet"),
        mark("No scan has come to this yet. Scan the agency to close the gap."),
    ),
    Reason.NOT_COLLECTED: (
        mark("Not collected"),
        mark("The scan did not ask for this. A deeper or a newer scan may."),
    ),
    Reason.UNREADABLE: (
        mark("Not readable"),
        mark("The information is there, and the account in use may not read it."),
    ),
    Reason.UNPARSED: (
        mark("Not understood"),
        mark("The host answered in a way that secscan does not understand yet."),
    ),
    Reason.MALFORMED: (
        mark("Malformed answer"),
        mark("The host's answer breaks the rules of its protocol, so nothing was concluded from it."),
    ),
    Reason.CONTRADICTORY: (
        mark("Contradictory answers"),
        mark("The host answered the same question differently. A load balancer may hide several servers."),
    ),
    Reason.RATE_LIMITED: (
        mark("Slowed down by the host"),
        mark("The host or a device before it limits how often it answers. A slower scan sees more."),
    ),
    Reason.TARPIT: (
        mark("Held up by the host"),
        mark("The host keeps connections open without end, or claims that every port is open."),
    ),
    Reason.TOOL_MISSING: (
        mark("A tool is missing"),
        mark("A program needed for this is not installed where secscan runs; secscan doctor names it."),
    ),
    Reason.STALE: (
        mark("Seen too long ago"),
        mark("What was seen is too old to stand for today. Scan again."),
    ),
    Reason.STALE_FEED: (
        mark("Reference data too old"),
        mark("The advisories this is compared with are out of date. Import newer ones."),
    ),
    Reason.INTERRUPTED: (
        mark("Scan interrupted"),
        mark("The scan was stopped before it came to this. Resume it."),
    ),
    Reason.BUG: (
        mark("A mistake in secscan"),
        mark("The host is not at fault. Please report it with the line below."),
    ),
}

_DOMAINS = {
    "tls": (mark("TLS configuration"), mark("How well connections are encrypted")),
    "certificates": (mark("Certificates"), mark("Whether servers prove who they are")),
    "ports": (mark("Open ports"), mark("What is exposed to the network")),
    "patches": (mark("Patch level"), mark("Whether security updates are installed")),
    "backups": (mark("Backups"), mark("Whether data would survive a loss")),
}

# The rungs of the ladder of backups, by check: what a host that stands there has reached.
_RUNGS = {
    "backup.scheduled": mark("Backups are made by themselves"),
    "backup.recent": mark("The last one succeeded in time"),
    "backup.size-band": mark("It is as big as usual"),
    "backup.complete": mark("It holds what it must"),
    "backup.retention": mark("It is kept long enough"),
    "backup.off-host": mark("It lies on another host"),
    "backup.off-site": mark("It lies at another site"),
    "backup.immutable": mark("Nobody on the host can delete it"),
    "backup.encrypted": mark("It is encrypted"),
    "backup.integrity-checked": mark("Its integrity was checked"),
    "backup.restore-tested": mark("A restore was tested"),
}

# What moved a score, in the one order it is told.
_CAUSES = {
    Cause.RULES: mark("rules and secscan's version"),
    Cause.BASELINE: mark("the baseline"),
    Cause.REFERENCES: mark("reference data"),
    Cause.MEMBERSHIP: mark("membership and weights"),
    Cause.REMOVED: mark("hosts and services removed"),
    Cause.ADDED: mark("hosts and services added"),
    Cause.TIME: mark("time passed"),
    Cause.UNKNOWN: mark("newly unknown"),
    Cause.VERIFIED: mark("verified again"),
    Cause.NEW: mark("new failures"),
    Cause.FIXED: mark("fixed"),
    Cause.WAIVERS: mark("waivers"),
}

# What became of a finding.
_CHANGES = {
    Change.NEW: mark("new"),
    Change.REOPENED: mark("reopened"),
    Change.FIXED: mark("fixed"),
    Change.UNVERIFIED: mark("can't be seen any more"),
    Change.SEEN_AGAIN: mark("seen failing again"),
    Change.EVIDENCE: mark("shows itself otherwise"),
    Change.RETIRED: mark("gone"),
}

_TIERS = {
    "central": mark("Central"),
    "province": mark("Province"),
    "district": mark("District"),
    "commune": mark("Commune"),
}

_GRADES = {
    "A": mark("very good"),
    "B": mark("good"),
    "C": mark("fair"),
    "D": mark("weak"),
    "F": mark("failing"),
}


def severity_word(severity: Severity) -> str:
    return _(_SEVERITIES[severity])


def state_word(state: State) -> str:
    return _(_STATES[state])


def cause_word(cause: Cause) -> str:
    """What moved a score, in a few words."""
    return _(_CAUSES[cause])


def change_word(change: Change) -> str:
    """What became of a finding, in a few words."""
    return _(_CHANGES[change])


def outcome_word(outcome: Outcome) -> str:
    return _(_OUTCOMES[outcome])


def reason_word(reason: Reason) -> str:
    """What happened, in a few words: ``No answer in time``."""
    return _(_REASONS[reason][0])


def reason_meaning(reason: Reason) -> str:
    """What a reason means or what to do about it, in a sentence or two for people who are not engineers."""
    return _(_REASONS[reason][1])


def domain_word(domain: str) -> str:
    """The name of a domain; one that only the operator's profile knows is shown as it is written there."""
    return _(_DOMAINS[domain][0]) if domain in _DOMAINS else visible(domain)


def domain_meaning(domain: str) -> str:
    """What a domain is about, for a leader; empty for one that only the operator's profile knows."""
    return _(_DOMAINS[domain][1]) if domain in _DOMAINS else ""


def rung_word(check: str) -> str:
    """What a rung of the ladder of backups stands for, in a few words for a leader."""
    return _(_RUNGS[check])


def tier_word(tier: str) -> str:
    """A tier of the inventory: a word of the operator's, translated where it is one of the usual four."""
    return _(_TIERS[tier]) if tier in _TIERS else visible(tier)


def grade_word(grade: str) -> str:
    """What a letter means; empty for a grade that only the operator's profile knows."""
    return _(_GRADES[grade]) if grade in _GRADES else ""
