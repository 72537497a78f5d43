"""Fleets to render whole: digests with certificates, exposures, outdated systems and backups, alike on every run."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

from secscan.model import Agency, GroupScore, Range, Severity
from secscan.report.views import Before, Digest, FleetData, digest, fleet_data
from secscan.report.views.fleet import Ending, Exposure, HostRung, OpenPort, Outdated
from tests.report import samples
from tests.report.samples import AT, HANOI


def make_full_fleet(agencies: int = 24) -> FleetData:
    """A fleet of which every page has something to tell."""
    judgement, inventory, baseline, checks = samples.make_fleet(agencies)
    data = fleet_data(judgement, inventory, baseline, tz=HANOI, checks=checks)
    digests = {id: _filled(n, id, one) for n, (id, one) in enumerate(data.digests.items())}
    return replace(data, digests=digests, before=make_before(data))


def make_before(data: FleetData, **changes: object) -> Before:
    """A week ago, when every agency had a point less; ``changes`` are of its stamp."""
    stamp = replace(data.stamp, run=41, at=AT - timedelta(days=7), **changes)
    return Before(stamp, {id: lower(score) for id, score in data.scores.items()}, lower(data.whole))


def lower(score: GroupScore, by: int = 1) -> GroupScore:
    if score.range is None:
        return score
    return replace(score, range=Range(max(score.range.verified - by, Fraction(0)), score.range.possible))


def make_ending(n: int, days: float, **changes: object) -> Ending:
    """Certificate number ``n``, which ends so many days after the judgement."""
    ending = Ending(f"{n:064x}", f"cong-{n}.vi-du.example", AT + timedelta(days=days), (f"web-{n}:443",))
    return replace(ending, **changes)


def with_digest(data: FleetData, agency: str, **changes: object) -> FleetData:
    return replace(data, digests={**data.digests, agency: replace(data.digests[agency], **changes)})


def make_bare_fleet(*agencies: Agency) -> FleetData:
    """Agencies, each with one host, and nothing found on any."""
    hosts = [(agency, [samples.make_host(0, agency=agency.id)]) for agency in agencies]
    inventory = samples.make_inventory(hosts)
    baseline = samples.make_baseline(samples.make_checks())
    return fleet_data(samples.make_judgement(inventory, {}, baseline), inventory, baseline, tz=HANOI)


def nothing(**changes: object) -> Digest:
    return replace(digest((), {}), **changes)


def _filled(n: int, id: str, plain: Digest) -> Digest:
    host = f"{id}-portal-0"
    return replace(
        plain,
        endings=tuple(make_ending(100 * n + k, days=37 * k - 30 + n) for k in range(n % 4)),
        open_ports={OpenPort("tcp", 443, "https"): 2, OpenPort("tcp", 22 + n % 3, "ssh" if n % 2 else ""): 1},
        exposures=tuple(
            Exposure("port.exposed-database", Severity.CRITICAL, host, "tcp/3306") for _ in range(n % 2)
        ),
        outdated=tuple(
            Outdated(check, what, date(2024 + k, 6, 30), host)
            for k, (check, what) in enumerate(
                (
                    ("patch.end-of-life", "Ubuntu 18.04"),
                    ("port.end-of-life", "nginx 1.14"),
                    ("patch.end-of-life-soon", "Debian 11"),
                )[: n % 4]
            )
        ),
        rungs=tuple(
            HostRung(f"{host}-{k}", 1 + k, (n + k) % 12, min(11, (n + k) % 12 + k)) for k in range(n % 5)
        ),
    )
