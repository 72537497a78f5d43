"""A judgement as one JSON document, versioned, for programs that read on from where we stop."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.history import Aged
from secscan.ladder import CRITICAL_FROM, Standing, spread, standing
from secscan.language import _
from secscan.model import (
    Agency,
    Coverage,
    Finding,
    GroupScore,
    Host,
    HostScore,
    Inventory,
    Judgement,
    Outcome,
    Range,
    Stamp,
    Waiver,
)
from secscan.report.exported import NOT_AGED, Exported, exported
from secscan.report.text import sentence, visible

#: Rises when a reader of the former shape could be misled: a field that goes, or comes to mean something else.
#: A field that is added doesn't count; readers ignore what they don't know.
SCHEMA = 1

NO_WAIVERS: Mapping[str, Waiver] = {}

_OF_WAIVER = (
    *("finding", "agency", "role", "check", "object"),
    *("reason", "owner", "approver", "approved_by"),
)

_OUTSIDE_ASCII = re.compile(r"[^\x20-\x7e\n]")


def judgement_document(
    judgement: Judgement,
    inventory: Inventory,
    baseline: Baseline,
    checks: Mapping[str, Check],
    *,
    outcomes: Iterable[Outcome] = tuple(Outcome),
    aged: Mapping[str, Aged] = NOT_AGED,
    waivers: Mapping[str, Waiver] = NO_WAIVERS,
) -> dict[str, Any]:
    """Everything a judgement says, as plain dicts, lists, strings and numbers; texts in the language in use.

    ::

        schema      1
        kind        "judgement"
        stamp       run, at, baseline, baseline_hash, scoring_version, secscan_version, inventory_hash,
                    feeds (name of what was imported -> until when it knows)
        baseline    name, hash, titles, meets, enough_coverage, grades: [{grade, lowest}], domains: {domain: weight}
        whole       a score (below)
        tiers       [{id, score}]
        agencies    [{id, names, tier, parent, zone, hosts: [id], score}], by id
        hosts       [{id, agency, addresses, names, role, zone, level, criticality, score}], by id
        findings    [a finding], by host, as the evaluation ordered them
        lives       [{finding, check, object, subject, host, severity, and from state to waiver as of a finding}],
                    of what failed once and is not among the findings
        waivers     [{key, finding, agency, role, check, object, reason, owner, approver, approved_by, expires,
                    findings: [id]}], those that cover any
        checks      {id: {severity, claim, why, fix}}, those that a finding names

    ``aged`` is what is known of the lives of findings, by their id, ``waivers`` those that are known, by their key.
    The whole, each tier, agency and host have, beside ``score``, ``adjusted``: the score without what is waived,
    and ``waived``, the share of all weight that is; null where nothing is.

    ``whole``, each tier and each agency have a ``ladder`` beside their score, each host one of its own: where hosts
    stand on the ladder of backups, 0 to 11. A host's is ``{verified, possible, outcomes: {rung: outcome}}``, null
    where no rung was judged; a group's is ``{all, critical}``, each ``{hosts, verified: [12 counts], possible: [12
    counts]}`` over the hosts on which one was.

    A score is ``{verified, possible, coverage, domains, grade, meets_baseline, assessed}`` for a group and
    ``{verified, possible, coverage, domains, caps}`` for a host. Every number in it is
    ``{"decimal": "57.0", "exact": "57"}``: the figure that pages show, rounded down, and the exact fraction;
    scores run from 0 to 100 and coverage from 0 to 1. ``verified`` and ``possible`` are null where a group is
    not assessed. Instants are ISO 8601 in UTC. A finding is as ``finding_document`` makes it; ``outcomes``
    leaves out findings with any other outcome.
    """
    owners, adjusted = _owners(judgement), judgement.adjusted
    stands = _standings(judgement, inventory)
    wanted = frozenset(outcomes)
    findings = [
        f for host in sorted(judgement.findings) for f in judgement.findings[host] if f.outcome in wanted
    ]
    return {
        "schema": SCHEMA,
        "kind": "judgement",
        "stamp": _stamp(judgement.stamp),
        "baseline": _baseline(baseline),
        "whole": {
            **_group(judgement.whole),
            "adjusted": _adjusted_group(adjusted.whole if adjusted else None),
            "ladder": _ladder(stands.values()),
        },
        "tiers": [
            {
                "id": id,
                "score": _group(score),
                "adjusted": _adjusted_group(adjusted.tiers.get(id) if adjusted else None),
                "ladder": _ladder(stands[host] for host in _hosts_in(score, judgement) if host in stands),
            }
            for id, score in sorted(judgement.tiers.items())
        ],
        "agencies": [
            {
                **_agency(inventory.agencies[id], score),
                "adjusted": _adjusted_group(adjusted.agencies.get(id) if adjusted else None),
                "ladder": _ladder(stands[host] for host in score.members if host in stands),
            }
            for id, score in sorted(judgement.agencies.items())
            if id in inventory.agencies
        ],
        "hosts": [
            {
                **_host(inventory.hosts[id], score, owners.get(id)),
                "adjusted": _adjusted_host(adjusted.hosts.get(id) if adjusted else None),
                "ladder": _standing(stands[id][1]) if id in stands else None,
            }
            for id, score in sorted(judgement.hosts.items())
            if id in inventory.hosts
        ],
        "findings": [finding_document(row) for row in exported(findings, checks, owners=owners, aged=aged)],
        "lives": [_life(aged[id]) for id in sorted(aged.keys() - {finding.id for finding in findings})],
        "waivers": _waivers(aged.values(), waivers),
        "checks": _checks(findings, checks),
    }


def agency_document(
    judgement: Judgement,
    inventory: Inventory,
    baseline: Baseline,
    checks: Mapping[str, Check],
    *,
    agency: str,
    aged: Mapping[str, Aged] = NOT_AGED,
    waivers: Mapping[str, Waiver] = NO_WAIVERS,
) -> dict[str, Any]:
    """What a judgement says of one agency: as ``judgement_document`` of kind "agency", without the whole and tiers.

    Nothing of any other agency is in it, even where ``judgement``, ``inventory`` and ``aged`` hold more.
    """
    score = judgement.agencies[agency]
    members = set(score.members)
    own = replace(
        judgement,
        findings={host: of_host for host, of_host in judgement.findings.items() if host in members},
        hosts={host: one for host, one in judgement.hosts.items() if host in members},
        agencies={agency: score},
        tiers={},
    )
    lives = {id: one for id, one in aged.items() if one.life.subject.id in members}
    document = judgement_document(own, inventory, baseline, checks, aged=lives, waivers=waivers)
    del document["whole"], document["tiers"]
    return {**document, "kind": "agency"}


def findings_pieces(rows: Iterable[Exported], stamp: Stamp) -> Iterator[str]:
    """Some findings of a judgement, without scores: ``{schema, kind: "findings", stamp, findings, checks}``.

    Together one document, as to_json writes it; a finding at a time, so that there may be any number of them.
    """
    head = to_json({"schema": SCHEMA, "kind": "findings", "stamp": _stamp(stamp)})
    yield head.removesuffix("\n}\n") + ',\n  "findings": ['
    checks: dict[str, Check] = {}
    comma = ""
    for row in rows:
        if row.check is not None:
            checks[row.check.id] = row.check
        told = to_json(finding_document(row)).removesuffix("\n")
        yield comma + "\n    " + told.replace("\n", "\n    ")
        comma = ","
    closing = to_json({"checks": _documented(checks)}).removeprefix("{\n")
    yield ("\n  ]" if comma else "]") + ",\n" + closing


def finding_document(row: Exported) -> dict[str, Any]:
    """One finding.

    ::

        id, check, object, outcome, severity, reason (null unless unknown or error), observed_at, addresses
        agency, host      ids; null where there is none
        subject           {level, key, id, transport, port, server_name}; port is null but for a service
        evidence          {text, template, values}: text is fit to be shown, values are as the host gave them
        claim, fix        in the language in use; fix is empty unless the finding is a failure
        state             open, unverified, resolved or retired; null, as all that follows, if it never failed
        first_seen, last_seen   failing
        reopened          how many times
        due, overdue      when it is to be fixed, null without a deadline, and whether that has passed
        waiver            the key of the waiver that covers it, or null
    """
    finding, check = row.finding, row.check
    subject = finding.subject
    return {
        "id": finding.id,
        "check": finding.check,
        "object": finding.object,
        "outcome": finding.outcome.value,
        "severity": finding.severity.word,
        "reason": finding.reason.value if finding.reason else None,
        "observed_at": _instant(finding.observed_at) if finding.observed_at else None,
        "addresses": list(finding.addresses),
        "agency": row.agency,
        "host": subject.host,
        "subject": {
            "level": subject.level.value,
            "key": subject.key,
            "id": subject.id,
            "transport": subject.transport,
            "port": subject.port or None,
            "server_name": subject.server_name,
        },
        "evidence": {
            "text": sentence(finding.evidence),
            "template": finding.evidence.template,
            "values": dict(finding.evidence.values),
        },
        "claim": _(check.claim) if check else "",
        "fix": _(check.fix) if check and finding.outcome is Outcome.FAIL else "",
        **_aged(row.aged),
    }


def _aged(aged: Aged | None) -> dict[str, Any]:
    life = aged.life if aged else None
    return {
        "state": life.state.value if life else None,
        "first_seen": _instant(life.first_seen) if life else None,
        "last_seen": _instant(life.last_seen) if life else None,
        "reopened": life.reopened if life else None,
        "due": _instant(aged.due) if aged and aged.due else None,
        "overdue": aged.is_overdue if aged else None,
        "waiver": (life.waiver or None) if life else None,
    }


def to_json(document: Mapping[str, Any]) -> str:
    """The document as indented JSON that is safe on a terminal: letters stay readable, and every character that
    would not be seen or would move others is escaped, which JSON reads back unchanged."""
    return _safe(json.dumps(document, ensure_ascii=False, indent=2)) + "\n"


def shown_json(value: Any) -> str:
    """A value in one line of JSON, as safe on a terminal."""
    return _safe(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _safe(text: str) -> str:
    # Outside its strings JSON is plain ASCII, so that whatever is found here stands in a string.
    return _OUTSIDE_ASCII.sub(lambda match: _escaped(match[0]), text)


def _escaped(character: str) -> str:
    return character if visible(f"x{character}") == f"x{character}" else json.dumps(character)[1:-1]


def _stamp(stamp: Stamp) -> dict[str, Any]:
    return {
        "run": stamp.run,
        "at": _instant(stamp.at),
        "baseline": stamp.baseline,
        "baseline_hash": stamp.baseline_hash,
        "scoring_version": stamp.scoring_version,
        "secscan_version": stamp.secscan_version,
        "inventory_hash": stamp.inventory_hash,
        "feeds": {name: _instant(as_of) for name, as_of in stamp.feeds},
    }


def _baseline(baseline: Baseline) -> dict[str, Any]:
    scoring = baseline.scoring
    return {
        "name": baseline.name,
        "hash": baseline.hash,
        "titles": dict(baseline.titles),
        "meets": _number(scoring.meets),
        "enough_coverage": _number(scoring.enough_coverage, places=4),
        "grades": [{"grade": grade, "lowest": _number(lowest)} for grade, lowest in scoring.grades],
        "domains": {domain: _number(weight) for domain, weight in baseline.domains.items()},
    }


def _agency(agency: Agency, score: GroupScore) -> dict[str, Any]:
    return {
        "id": agency.id,
        "names": dict(agency.names),
        "tier": agency.tier,
        "parent": agency.parent,
        "zone": agency.zone,
        "hosts": list(score.members),
        "score": _group(score),
    }


def _host(host: Host, score: HostScore, agency: str | None) -> dict[str, Any]:
    return {
        "id": host.id,
        "agency": agency,
        "addresses": list(host.addresses),
        "names": list(host.names),
        "role": host.role,
        "zone": host.zone,
        "level": host.level,
        "criticality": host.criticality,
        "score": _host_score(score),
    }


def _host_score(score: HostScore) -> dict[str, Any]:
    return {
        **_range(score.range),
        "coverage": _coverage(score.coverage),
        "domains": {domain: _range(range) for domain, range in score.domains.items()},
        "caps": list(score.caps),
    }


def _group(score: GroupScore) -> dict[str, Any]:
    return {
        "assessed": score.range is not None,
        **_range(score.range),
        "grade": score.grade or None,
        "meets_baseline": score.meets_baseline,
        "coverage": _coverage(score.coverage),
        "domains": {domain: _range(range) for domain, range in score.domains.items()},
    }


def _adjusted_group(score: GroupScore | None) -> dict[str, Any] | None:
    return None if score is None else {**_group(score), "waived": _number(score.waived_share, places=4)}


def _adjusted_host(score: HostScore | None) -> dict[str, Any] | None:
    if score is None:
        return None
    every = score.coverage.expected + score.waived
    share = score.waived / every if every else Fraction(0)
    return {**_host_score(score), "waived": _number(share, places=4)}


def _life(aged: Aged) -> dict[str, Any]:
    life = aged.life
    return {
        "finding": life.finding,
        "check": life.check,
        "object": life.object,
        "subject": life.subject.key,
        "host": life.subject.host,
        "severity": life.severity.word,
        **_aged(aged),
    }


def _waivers(aged: Iterable[Aged], waivers: Mapping[str, Waiver]) -> list[dict[str, Any]]:
    covered: dict[str, list[str]] = {}
    for one in aged:
        if one.life.waiver:
            covered.setdefault(one.life.waiver, []).append(one.life.finding)
    return [
        {
            "key": key,
            **{name: getattr(waivers[key], name) for name in _OF_WAIVER},
            "expires": waivers[key].expires.isoformat(),
            "findings": sorted(covered[key]),
        }
        for key in sorted(covered.keys() & waivers.keys())
    ]


def _standings(judgement: Judgement, inventory: Inventory) -> dict[str, tuple[int, Standing]]:
    """Criticality and standing by host, of those on which a rung of the ladder was judged."""
    return {
        id: (inventory.hosts[id].criticality, stands)
        for id, findings in judgement.findings.items()
        if id in inventory.hosts and (stands := standing(findings)) is not None
    }


def _hosts_in(tier: GroupScore, judgement: Judgement) -> list[str]:
    return [host for agency in tier.members for host in judgement.agencies[agency].members]


def _ladder(standings: Iterable[tuple[int, Standing]]) -> dict[str, Any]:
    every = list(standings)
    critical = [stands for criticality, stands in every if criticality >= CRITICAL_FROM]
    return {"all": _spread([stands for _, stands in every]), "critical": _spread(critical)}


def _spread(standings: Iterable[Standing]) -> dict[str, Any]:
    counted = spread(standings)
    return {
        "hosts": counted.hosts,
        "verified": list(counted.verified),
        "possible": list(counted.possible),
    }


def _standing(stands: Standing) -> dict[str, Any]:
    outcomes = {str(rung): outcome.value for rung, outcome in stands.outcomes.items()}
    return {"verified": stands.verified, "possible": stands.possible, "outcomes": outcomes}


def _range(range: Range | None) -> dict[str, Any]:
    if range is None:
        return {"verified": None, "possible": None}
    return {"verified": _number(range.verified), "possible": _number(range.possible)}


def _coverage(coverage: Coverage) -> dict[str, str]:
    return _number(coverage.share, places=4)


def _number(value: Fraction, *, places: int = 1) -> dict[str, str]:
    """Rounded down, with a point in every language."""
    scaled = int(value * 10**places // 1)
    whole, rest = divmod(scaled, 10**places)
    return {"decimal": f"{whole}.{rest:0{places}d}", "exact": str(value)}


def _checks(findings: Iterable[Finding], checks: Mapping[str, Check]) -> dict[str, Any]:
    named = {finding.check for finding in findings} & checks.keys()
    return _documented({id: checks[id] for id in named})


def _documented(checks: Mapping[str, Check]) -> dict[str, Any]:
    return {
        id: {
            "severity": check.severity.word,
            "claim": _(check.claim),
            "why": _(check.why),
            "fix": _(check.fix),
        }
        for id, check in sorted(checks.items())
    }


def _owners(judgement: Judgement) -> dict[str, str]:
    return {host: id for id, score in judgement.agencies.items() for host in score.members}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
