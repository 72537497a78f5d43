"""Two tools that looked at one server: where they disagree, one of them is wrong, or the server is two."""

import hashlib
from collections.abc import Iterator

from secscan.check import Verdict, check, not_applicable, passed, unknown
from secscan.checks._tls_offers import listed
from secscan.facts import (
    EVERY_GROUP,
    ChainFacts,
    Gap,
    SuiteClass,
    TlsAuditFacts,
    TlsFacts,
    TlsVersion,
    VersionAudit,
    VersionOffer,
)
from secscan.facts.suites import classes_of
from secscan.model import Observation, Reason, Severity, Unobserved

#: Fields that mean the same in both kinds of facts, and have one value.
_SINGLE = (
    "dh_bits",
    "client_certificate",
    "secure_renegotiation",
    "client_renegotiation",
    "fallback_scsv",
    "extended_master_secret",
    "compression",
    "heartbleed",
    "ccs_injection",
    "robot",
    "early_data",
)


@check("tls.contradiction", severity=Severity.LOW)
def contradiction(
    seen: Observation[TlsFacts],
    chain: Observation[ChainFacts] | Unobserved,
    audit: Observation[TlsAuditFacts] | Unobserved,
) -> Iterator[Verdict]:
    """The sweep and sslyze say the same of this server.

    Why: Both look at the same things in different ways. Where they differ the sweep is believed, but something is not as
    it seems: several servers behind one address that are not configured alike, a middlebox that treats some clients
    otherwise, or a mistake in one of the two. What one of them could not see is no contradiction.

    Fix: Look at the servers behind the address one by one, each as a host of its own. If there is but one, and nothing in
    between, please report it: it is then a mistake of secscan's or of sslyze's.
    """
    if isinstance(audit, Unobserved):
        yield not_applicable("sslyze has said nothing to compare: {detail}", detail=audit.detail)
        return
    if not audit.facts.says_anything:
        yield not_applicable("sslyze was not asked.")
        return
    differences = list(_differences(seen.facts, audit.facts))
    if isinstance(chain, Observation):
        differences += _other_certificates(chain.facts, audit.facts)
    if not differences:
        yield passed("sslyze says nothing else of this server than the sweep.")
    for about, ours, theirs in differences:
        yield unknown(
            Reason.CONTRADICTORY,
            "Of {about} the sweep says {ours}, and sslyze {theirs}.",
            object=about,
            about=about,
            ours=ours,
            theirs=theirs,
        )


def _differences(facts: TlsFacts, audit: TlsAuditFacts) -> Iterator[tuple[str, str, str]]:
    """What is spoken of, what the sweep says of it, and what sslyze says."""
    for version in TlsVersion:
        yield from _in_version(facts.offer(version), audit.audit(version))
    for field in _SINGLE:
        ours, theirs = getattr(facts, field), getattr(audit, field)
        if not isinstance(ours, Gap) and not isinstance(theirs, Gap) and ours != theirs:
            yield field, _shown(ours), _shown(theirs)
    yield from _in_groups(facts, audit)


def _in_version(offer: VersionOffer, audit: VersionAudit) -> Iterator[tuple[str, str, str]]:
    if isinstance(offer.offered, Gap) or isinstance(audit.offered, Gap):
        return
    if offer.offered != audit.offered:
        yield offer.version.value, _shown(offer.offered), _shown(audit.offered)
    elif not isinstance(offer.suites, Gap) and not isinstance(audit.suites, Gap):
        # Only what sslyze saw and the sweep denies: the sweep asks for suites that sslyze's OpenSSL never knew.
        names = {suite.name for suite in offer.suites}
        classes = {kind for name in names for kind in classes_of(name)}
        denied = [
            suite.name
            for suite in audit.suites
            if suite.name not in names
            and (
                SuiteClass.EVERY in offer.settled
                or any(kind in offer.settled and kind not in classes for kind in classes_of(suite.name))
            )
        ]
        if denied:
            yield f"{offer.version.value} suites", _shown(sorted(names)), _shown(sorted(denied))


def _in_groups(facts: TlsFacts, audit: TlsAuditFacts) -> Iterator[tuple[str, str, str]]:
    if isinstance(facts.groups, Gap) or isinstance(audit.groups, Gap) or facts.groups_below != EVERY_GROUP:
        return
    # sslyze knows neither the hybrids nor the groups of finite fields.
    denied = sorted(set(audit.groups) - set(facts.groups))
    if denied:
        yield "groups", _shown(facts.groups), _shown(denied)


def _other_certificates(chain: ChainFacts, audit: TlsAuditFacts) -> Iterator[tuple[str, str, str]]:
    if isinstance(audit.certificates, Gap):
        return
    ours = {hashlib.sha256(sent.certificates[0]).hexdigest() for sent in chain.chains if sent.certificates}
    if set(audit.certificates) - ours:
        yield "certificates", _shown(sorted(ours)), _shown(audit.certificates)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return listed(map(str, value)) or "none"
    return str(value)
