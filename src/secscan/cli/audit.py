"""secscan audit: one-off, no workspace."""

import contextlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from secscan.cli import options
from secscan.language import _

if TYPE_CHECKING:
    from secscan.baseline import Baseline
    from secscan.engine.targets import Named
    from secscan.model import Evidence, Inventory, Record
    from secscan.scope import Scope


@click.command("audit")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "html", "csv"]),
    default="table",
    show_default=True,
)
@click.option(
    "--ports", metavar="PORTS", help="Ports to look at, such as 22,443,8000-8100; default: the top 1000."
)
@click.option(
    "--scope", "scope_file", metavar="FILE", type=click.Path(path_type=Path), help="A scope to stay in."
)
@options.profile
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="NAME",
    help="Only this domain of the baseline (tls, certificates, ports); repeatable. Default: all, and where every "
    "TARGET names its ports, all but ports.",
)
@options.checks_dir
@click.option(
    "--ca",
    "anchors",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A private CA to trust.",
)
@click.option(
    "--deadline", type=click.FloatRange(1, 3600), default=60.0, show_default=True, help="Seconds a target."
)
@click.option("--workers", type=click.IntRange(1, 256), help="Processes; default: one per core.")
@click.option(
    "--no-nmap", is_flag=True, help="Find ports by a plain connect scan, even where nmap is installed."
)
@options.fail_on
@options.coverage
@click.pass_context
def command(
    ctx: click.Context,
    targets: tuple[str, ...],
    form: str,
    ports: str | None,
    scope_file: Path | None,
    profile: str | None,
    domains: tuple[str, ...],
    checks_dir: str | None,
    anchors: tuple[Path, ...],
    deadline: float,
    workers: int | None,
    no_nmap: bool,
    fail_on: str,
    min_coverage: float | None,
) -> None:
    """Look at TARGETs once and say how they stand.

    A TARGET is HOST, HOST:PORT, ADDRESS, [IPv6]:PORT or NETWORK/PREFIX. The scope is exactly what you name:
    nothing else is touched. Nothing is stored, but every probe is logged.
    """
    from secscan.baseline import load_baseline
    from secscan.cli import assessment
    from secscan.cli.parts import find_all_checks, probe_log, warn_without_nmap, workers_by_default
    from secscan.cli.progress import showing
    from secscan.engine.judging import judge_fleet
    from secscan.engine.looking import look
    from secscan.engine.protocol import CollectionSettings, Setup
    from secscan.engine.references import references
    from secscan.engine.stamping import stamp
    from secscan.engine.targets import MOST_ADDRESSES, TargetError, inventory_of, parse_targets
    from secscan.facts.ports import port_ranges, ports_in
    from secscan.scope import load_scope, scope_document
    from secscan.workspace import read_anchors

    try:
        named = parse_targets(targets, limit=None if scope_file else MOST_ADDRESSES)
    except TargetError as e:
        raise click.UsageError(str(e)) from e
    if ports is not None:
        try:
            ports_in(ports)
        except ValueError:
            raise click.BadParameter(_("write ports as 22,443,8000-8100"), param_hint="--ports") from None
    checks = find_all_checks(checks_dir)
    baseline = _baseline_for(load_baseline(profile or "network", checks), domains, named)
    private = [der for file in anchors for der in read_anchors(file)]
    inventory = inventory_of(named)
    scope = load_scope(scope_file) if scope_file else _scope_of(inventory)
    setup = Setup(
        scope=scope_document(scope),
        settings=CollectionSettings(
            deadline=deadline,
            ports=ports or "top-1000",
            needed_ports="" if ports else port_ranges(baseline.ports_to_ask()),
            nmap=False if no_nmap else None,
        ),
        share=(1, 1),
        probe_log=str(probe_log()),
    )
    # Where every target names its ports, nothing is lost without it.
    if not no_nmap and not all(target.ports for target in named):
        warn_without_nmap()
    records: list[Record] = []
    hosts = tuple(inventory.hosts.values())
    with showing(hosts) as progress:
        look(
            hosts,
            setup,
            workers=workers or workers_by_default(),
            record=records.extend,
            progress=progress,
        )
    judgement = judge_fleet(
        inventory,
        _evidence(records),
        baseline=baseline,
        references=references(private),
        stamp=stamp(run=None, at=datetime.now(UTC), baseline=baseline, inventory=inventory),
    )
    shown = assessment.Shown(judgement, inventory, baseline, checks)
    match form:
        case "json":
            click.echo(assessment.as_json(shown), nl=False)
        case "csv":
            sys.stdout.write(assessment.as_csv(shown))
        case "html":
            click.echo(assessment.as_html(shown))
        case _:
            assessment.print_audit(shown)
    ctx.exit(assessment.exit_code(shown, fail_on=fail_on, min_coverage=min_coverage))


def _baseline_for(baseline: "Baseline", domains: Sequence[str], targets: "Sequence[Named]") -> "Baseline":
    """The domains that are asked for. Whoever names ports asks about them, not about what else a host has open."""
    from secscan.baseline import narrowed

    for domain in domains:
        if domain not in baseline.domains:
            known = ", ".join(baseline.domains)
            raise click.BadParameter(
                _("the baseline {baseline} has no domain {domain!r}; it has: {known}").format(
                    baseline=baseline.name, domain=domain, known=known
                ),
                param_hint="--domain",
            )
    if domains:
        return narrowed(baseline, domains)
    if all(target.ports for target in targets):
        return narrowed(baseline, [domain for domain in baseline.domains if domain != "ports"])
    return baseline


def _scope_of(inventory: "Inventory") -> "Scope":
    """Exactly the targets named: their addresses, and what their names resolve to now."""
    from secscan.scope import Refused, resolve_addresses, scope_of_addresses

    addresses: set[str] = set()
    for host in inventory.hosts.values():
        addresses.update(host.addresses)
        for name in host.names:
            # A name that leads nowhere is left out here; the look says so: Unobserved(NOT_RESOLVED).
            with contextlib.suppress(Refused):
                addresses.update(resolve_addresses(name, timeout=5.0))
    return scope_of_addresses(addresses)


def _evidence(records: "list[Record]") -> "list[tuple[str, Evidence]]":
    from secscan.model import Evidence

    by_host: dict[str, dict[Any, Record]] = {}
    for record in records:
        by_host.setdefault(record.target.host, {})[record.target, record.kind] = record
    return [(host, Evidence(newest)) for host, newest in by_host.items()]
