"""Judgements to render: agencies, hosts, findings and scores, made from a seed and alike on every run."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from secscan.baseline import Baseline, Rule, Scoring
from secscan.check import Check
from secscan.ladder import RUNGS
from secscan.model import (
    Agency,
    Finding,
    Host,
    Inventory,
    Judgement,
    Membership,
    Outcome,
    Reason,
    Service,
    Severity,
    Stamp,
    Subject,
    Text,
)
from secscan.report.views import AgencyData, FleetData, agency_data, fleet_data
from secscan.scoring import SCORING_VERSION, score_agency, score_group, score_host

AT = datetime(2026, 3, 9, 1, 30, tzinfo=UTC)
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")

C, H, M, L, I = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO  # noqa: E741

# id, severity, claim, why, fix, evidence of a failure, evidence of a pass
_DOCUMENTED: Sequence[tuple[str, Severity, str, str, str, Text, Text]] = (
    (
        "certificate.expiry",
        C,
        "The certificate is valid today.",
        "Browsers and mail servers refuse an expired certificate, and people learn to click warnings away.",
        "Renew the certificate at your certification authority and install it on the server; automate the renewal.",
        Text(
            "The certificate expired on {date}; its subject is {subject}.",
            {"date": "2026-02-11", "subject": "CN=cong.vi-du.example"},
        ),
        Text("Valid until {date}.", {"date": "2026-12-01"}),
    ),
    (
        "certificate.trust",
        H,
        "The chain of certificates leads to an authority that is trusted.",
        "A certificate nobody vouches for proves nothing: whoever stands in between can show one just like it.",
        "Have the certificate issued by a public authority, or add your private authority to `ca/`.",
        Text(
            "No path to a trusted authority: the issuer {issuer} is unknown.", {"issuer": "CN=Local Test CA"}
        ),
        Text("The chain ends at {root}.", {"root": "ISRG Root X1"}),
    ),
    (
        "certificate.name",
        H,
        "The certificate names the host that is asked for.",
        "A certificate for another name makes every visitor see a warning, or hides that the wrong server answers.",
        "Issue the certificate with the server's DNS names as subject alternative names.",
        Text(
            "Asked for {name}; the certificate is for {names}.",
            {"name": "mail.vi-du.example", "names": "old.vi-du.example"},
        ),
        Text("It names {name}.", {"name": "cong.vi-du.example"}),
    ),
    (
        "tls.old-versions",
        H,
        "TLS 1.0 and TLS 1.1 are not offered.",
        "Both versions were retired in 2021 (RFC 8996): their hashes and modes are broken or brittle.",
        "Set the oldest version to TLS 1.2: `ssl_protocols TLSv1.2 TLSv1.3;` in nginx.",
        Text("The server accepts {versions}.", {"versions": "TLS 1.0, TLS 1.1"}),
        Text("The server accepts {versions}.", {"versions": "TLS 1.2, TLS 1.3"}),
    ),
    (
        "tls.cipher-strength",
        M,
        "Every cipher suite that is offered has at least 128 bits of strength.",
        "Weak suites can be forced on a connection by whoever stands in between.",
        "Offer ECDHE suites with AES-GCM or ChaCha20 only.",
        Text(
            "{n} weak suites are accepted, among them {suite}.",
            {"n": 3, "suite": "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
        ),
        Text("{n} suites are accepted, all strong.", {"n": 9}),
    ),
    (
        "tls.forward-secrecy",
        M,
        "Every connection has forward secrecy.",
        "Without it, a stolen key opens all traffic that was ever recorded.",
        "Offer ECDHE suites only; drop those that begin with TLS_RSA.",
        Text("{n} suites without forward secrecy are accepted.", {"n": 5}),
        Text("All {n} suites have forward secrecy.", {"n": 9}),
    ),
    (
        "port.exposed-database",
        C,
        "No database answers the network.",
        "A database that anyone can reach is one password away from being copied or deleted.",
        "Bind the database to 127.0.0.1 or to the application's network, and close the port at the firewall.",
        Text("Port {port} is open and answers as {service}.", {"port": 3306, "service": "MySQL 5.7.44"}),
        Text("{n} database ports were asked; none is open.", {"n": 11}),
    ),
    (
        "port.cleartext-login",
        H,
        "No service that sends passwords in clear is open.",
        "Telnet and FTP send the password to everybody on the way.",
        "Turn the service off and use SSH or SFTP.",
        Text("Port {port} is open and answers as {service}.", {"port": 23, "service": "telnet"}),
        Text("{n} ports were asked; none is open.", {"n": 4}),
    ),
    (
        "port.undeclared",
        L,
        "Every open port is declared in the inventory.",
        "A service that nobody knows of is one that nobody mends.",
        "Declare the service in the inventory, or close the port.",
        Text("Port {port} is open and not declared.", {"port": 8081}),
        Text("All {n} open ports are declared.", {"n": 3}),
    ),
    (
        "tls.compression",
        I,
        "TLS compression is off.",
        "Compression leaks secrets by their length (CRIME).",
        "Turn TLS compression off.",
        Text("Compression is on."),
        Text("Compression is off."),
    ),
)

SCORING = Scoring(
    weights={C: Fraction(10), H: Fraction("7.5"), M: Fraction(5), L: Fraction("2.5"), I: Fraction(0)},
    caps={C: Fraction(39), H: Fraction(69)},
    grades=(
        ("A", Fraction(90)),
        ("B", Fraction(80)),
        ("C", Fraction(70)),
        ("D", Fraction(40)),
        ("F", Fraction(0)),
    ),
    meets=Fraction(80),
    mean_share=Fraction(7, 10),
    worst_divisor=10,
    worst_most=10,
    enough_coverage=Fraction(7, 10),
)

DOMAINS = {"tls": Fraction(1), "certificates": Fraction(1), "ports": Fraction(1)}
_DOMAIN_OF = {"tls": "tls", "certificate": "certificates", "port": "ports"}


def make_check(id: str, severity: Severity, claim: str, why: str, fix: str) -> Check:
    """A check that is only its documentation: reports never run one."""
    return Check(id, severity, lambda: iter(()), claim, why, fix, {}, {}, "tests")


def make_checks(n: int = len(_DOCUMENTED)) -> dict[str, Check]:
    """The first ``n`` checks; past those written above, variations on them."""
    made: dict[str, Check] = {}
    for number in range(n):
        id, severity, claim, why, fix, *_ = _DOCUMENTED[number % len(_DOCUMENTED)]
        turn = number // len(_DOCUMENTED)
        name = f"{id}-{turn}" if turn else id
        made[name] = make_check(name, severity, f"{claim[:-1]} ({turn})." if turn else claim, why, fix)
    return dict(sorted(made.items()))


def make_baseline(checks: Mapping[str, Check]) -> Baseline:
    rules = tuple(Rule(c, _DOMAIN_OF.get(c.family, "tls"), c.severity, None) for c in checks.values())
    return Baseline(
        name="network",
        titles={"en": "Network baseline", "vi": "Chuẩn an toàn cơ sở qua mạng"},
        domains=DOMAINS,
        rules=rules,
        scoring=SCORING,
        carry=timedelta(days=14),
        tls_ports=frozenset({443}),
        hash="sha256:4be1c0ffee12",
    )


def make_finding(
    check: Check,
    outcome: Outcome = Outcome.FAIL,
    *,
    subject: Subject | None = None,
    evidence: Text | None = None,
    reason: Reason | None = None,
    object: str = "",
    severity: Severity | None = None,
    addresses: tuple[str, ...] = ("127.20.0.1",),
) -> Finding:
    _, _, _, _, _, failed, passed = next(
        (d for d in _DOCUMENTED if check.id.startswith(d[0])), _DOCUMENTED[0]
    )
    texts = {
        Outcome.FAIL: failed,
        Outcome.PASS: passed,
        Outcome.NOT_APPLICABLE: Text("The service speaks no TLS."),
    }
    return Finding(
        subject=subject or Subject.of_service(Service("web-1", "tcp", 443, "cong.vi-du.example")),
        check=check.id,
        object=object,
        outcome=outcome,
        severity=check.severity if severity is None else severity,
        evidence=evidence
        or texts.get(outcome, Text("Not seen: {detail}", {"detail": "no answer within 10 seconds"})),
        reason=reason or (Reason.TIMED_OUT if outcome is Outcome.UNKNOWN else None),
        observed_at=AT - timedelta(hours=2),
        addresses=addresses,
    )


def make_host(number: int, *, agency: str = "", criticality: int = 1) -> Host:
    roles = ("portal", "mail", "document-exchange", "database", "video")
    role = roles[number % len(roles)]
    name = f"{role}-{number}.{agency or 'vi-du'}.example"
    return Host(
        id=f"{agency}-{role}-{number}" if agency else f"{role}-{number}",
        addresses=(f"127.20.{number // 250}.{number % 250 + 1}",),
        names=(name,),
        role=role,
        zone="wan",
        level=3,
        criticality=criticality,
    )


def make_findings(
    hosts: Iterable[Host],
    checks: Mapping[str, Check],
    seed: int,
    *,
    failing: float = 0.2,
    unseen: float = 0.1,
) -> dict[str, tuple[Finding, ...]]:
    """One finding of each check on each host; one host in ten can't be reached at all."""
    dice = random.Random(seed)
    return {host.id: tuple(_findings(host, checks.values(), dice, failing, unseen)) for host in hosts}


def _findings(
    host: Host, checks: Iterable[Check], dice: random.Random, failing: float, unseen: float
) -> Iterator[Finding]:
    gone = dice.random() < unseen
    for check in checks:
        port = dice.choice((443, 443, 443, 25, 8443))
        name = host.names[0] if host.names else ""
        service = Subject.of_service(Service(host.id, "tcp", port, name))
        whole = Subject.of_host(host.id)
        subject = whole if check.family == "port" else service
        if gone:
            yield make_finding(
                check,
                Outcome.UNKNOWN,
                subject=whole,
                reason=Reason.UNREACHABLE,
                evidence=Text("Not seen: {detail}", {"detail": f"no route to {host.addresses[0]}"}),
                addresses=host.addresses,
            )
            continue
        drawn = dice.random()
        if drawn < failing * (0.3 if check.severity is C else 1):
            outcome = Outcome.FAIL
        elif drawn < failing + unseen / 2:
            outcome = Outcome.UNKNOWN
        elif drawn < failing + unseen / 2 + 0.05:
            outcome = Outcome.NOT_APPLICABLE
        else:
            outcome = Outcome.PASS
        yield make_finding(check, outcome, subject=subject, addresses=host.addresses)


def make_judgement(
    inventory: Inventory,
    findings: Mapping[str, tuple[Finding, ...]],
    baseline: Baseline,
    *,
    at: datetime = AT,
) -> Judgement:
    """Scored as the engine does it."""
    hosts = {id: score_host(id, findings.get(id, ()), baseline) for id in inventory.hosts}
    criticality = {id: host.criticality for id, host in inventory.hosts.items()}
    agencies = {
        id: score_agency(id, [hosts[h.id] for h in inventory.hosts_of(id, at.date())], criticality, baseline)
        for id in inventory.agencies
    }
    tiers = {agency.tier for agency in inventory.agencies.values()}
    return Judgement(
        stamp=Stamp(
            run=42,
            at=at,
            baseline=baseline.name,
            baseline_hash=baseline.hash,
            scoring_version=SCORING_VERSION,
            secscan_version="0.1.0",
            inventory_hash="sha256:5eed5eed5eed",
        ),
        findings=findings,
        hosts=hosts,
        agencies=agencies,
        tiers={
            tier: score_group(
                tier, [agencies[a.id] for a in inventory.agencies.values() if a.tier == tier], baseline
            )
            for tier in tiers
        },
        whole=score_group("", list(agencies.values()), baseline),
    )


def make_inventory(agencies: Iterable[tuple[Agency, Sequence[Host]]]) -> Inventory:
    listed = list(agencies)
    return Inventory(
        agencies={agency.id: agency for agency, _ in listed},
        hosts={host.id: host for _, hosts in listed for host in hosts},
        memberships=tuple(Membership(host.id, agency.id) for agency, hosts in listed for host in hosts),
    )


MINISTRY = Agency(
    id="bo-vi-du",
    names={"vi": "Bộ Ví Dụ và Thử Nghiệm", "en": "Ministry of Examples and Trials"},
    tier="central",
    zone="wan",
)


def make_agency_data(
    findings: Mapping[str, Sequence[Finding]] | None = None,
    *,
    agency: Agency = MINISTRY,
    hosts: Sequence[Host] | None = None,
    checks: Mapping[str, Check] | None = None,
    seed: int = 3,
    failing: float = 0.2,
    unseen: float = 0.1,
) -> AgencyData:
    """One agency of twelve hosts, or of what is given."""
    hosts = [make_host(n, criticality=1 + n % 3) for n in range(12)] if hosts is None else hosts
    checks = make_checks() if checks is None else checks
    baseline = make_baseline(checks)
    if findings is None:
        findings = make_findings(hosts, checks, seed, failing=failing, unseen=unseen)
    inventory = make_inventory([(agency, hosts)])
    judgement = make_judgement(inventory, {h: tuple(f) for h, f in findings.items()}, baseline)
    return agency_data(judgement, inventory, baseline, checks=checks, agency_id=agency.id, tz=HANOI)


def make_ladder(
    hosts: Sequence[tuple[Host, Sequence[Outcome]]],
) -> tuple[Judgement, Inventory, Baseline, Mapping[str, Check]]:
    """One agency whose hosts have these outcomes on the rungs of the ladder of backups, from the lowest."""
    checks = {r.check: make_check(r.check, H, f"{r.check} holds.", "A test.", "Mend it.") for r in RUNGS}
    baseline = make_baseline(checks)
    findings = {
        host.id: tuple(
            make_finding(checks[rung.check], outcome, subject=Subject.of_host(host.id))
            for rung, outcome in zip(RUNGS, outcomes, strict=False)
        )
        for host, outcomes in hosts
    }
    inventory = make_inventory([(MINISTRY, [host for host, _ in hosts])])
    return make_judgement(inventory, findings, baseline), inventory, baseline, checks


def make_single(*findings: Finding, **host: object) -> AgencyData:
    """One agency of the one host ``web-1`` with these findings."""
    checks = make_checks()
    web = replace(Host("web-1", ("127.20.0.1",), ("cong.vi-du.example",)), **host)  # type: ignore[arg-type]
    return make_agency_data({web.id: findings}, hosts=[web], checks=checks)


_PLACES = (
    "An Bình",
    "Bến Đò",
    "Cửa Ngọc",
    "Đồng Xanh",
    "Hòa Lạc",
    "Khe Sâu",
    "Long Thủy",
    "Mỹ Hưng",
    "Phú Điền",
    "Thạch Bàn",
)
_SLUGS = (
    "an-binh",
    "ben-do",
    "cua-ngoc",
    "dong-xanh",
    "hoa-lac",
    "khe-sau",
    "long-thuy",
    "my-hung",
    "phu-dien",
    "thach-ban",
)


def make_fleet(
    n: int = 24, *, hosts_each: int = 5, checks: Mapping[str, Check] | None = None
) -> tuple[Judgement, Inventory, Baseline, Mapping[str, Check]]:
    """``n`` agencies in a tree: provinces over districts; some well kept, some not, one in twelve without hosts."""
    checks = make_checks() if checks is None else checks
    baseline = make_baseline(checks)
    listed: list[tuple[Agency, list[Host]]] = [
        (MINISTRY, [make_host(n, agency="bo", criticality=2) for n in range(6)])
    ]
    findings = make_findings(listed[0][1], checks, 1, failing=0.02, unseen=0.02)
    province = ""
    for number in range(1, n):
        place, slug = _PLACES[number % 10], _SLUGS[number % 10]
        if number % 8 == 1:
            province = f"tinh-{slug}-{number}"
            names = {
                "vi": f"Ủy ban nhân dân tỉnh {place} {number}",
                "en": f"People's Committee of {place} Province {number}",
            }
            agency = Agency(province, names, tier="province")
        else:
            names = {
                "vi": f"Ủy ban nhân dân huyện {place} {number}",
                "en": f"People's Committee of {place} District {number}",
            }
            agency = Agency(f"huyen-{slug}-{number}", names, tier="district", parent=province)
        hosts = [] if number % 12 == 5 else [make_host(h, agency=agency.id) for h in range(hosts_each)]
        listed.append((agency, hosts))
        findings |= make_findings(
            hosts,
            checks,
            number,
            failing=(0.0, 0.02, 0.1, 0.3)[number % 4],
            unseen=(0.0, 0.05, 0.6)[number % 3],
        )
    inventory = make_inventory(listed)
    return make_judgement(inventory, findings, baseline), inventory, baseline, checks


def make_fleet_data(n: int = 24) -> FleetData:
    judgement, inventory, baseline, _ = make_fleet(n)
    return fleet_data(judgement, inventory, baseline, tz=HANOI)
