"""secscan scan: look at the inventory, judge it, store the result."""

from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import COVERAGE
from secscan.language import _

if TYPE_CHECKING:
    from secscan.model import Host, Inventory


@click.command("scan")
@options.workspace
@options.agencies
@options.profile
@options.checks_dir
@click.option("--resume", is_flag=True, help="Go on with the run that was interrupted.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes; default: one per core.")
@click.option("--deadline", type=click.FloatRange(1, 3600), help="Seconds a target may take.")
@click.option(
    "--no-nmap", is_flag=True, help="Find ports by a plain connect scan, even where nmap is installed."
)
@options.deep
@options.fail_on
@options.coverage
@click.pass_context
def command(
    ctx: click.Context,
    workspace: str | None,
    agencies: tuple[str, ...],
    profile: str | None,
    checks_dir: str | None,
    resume: bool,
    workers: int | None,
    deadline: float | None,
    no_nmap: bool,
    deep: bool,
    fail_on: str,
    min_coverage: float | None,
) -> None:
    """Look at the hosts of the inventory, judge them by the baseline, and store what was seen and said.

    Ctrl-C stops at once and keeps what was recorded; `secscan scan --resume` goes on from there.
    """
    import signal
    from dataclasses import replace
    from pathlib import Path

    from secscan.baseline import load_baseline
    from secscan.cli import assessment
    from secscan.cli.parts import (
        find_all_checks,
        login_of,
        open_store,
        open_workspace,
        quarantine_words,
        tls_look,
        unasked_inside,
        warn_without_nmap,
        with_children,
        workers_by_default,
    )
    from secscan.cli.progress import showing
    from secscan.engine import run as runs
    from secscan.engine.protocol import CollectionSettings
    from secscan.facts.ports import port_ranges
    from secscan.registry import find_kinds
    from secscan.scope import ProbeLog, require_current, utc_now

    if resume and (agencies or profile or no_nmap or deep or deadline is not None):
        raise click.UsageError(
            _(
                "--resume goes on with the plan of its run; it takes no --agency, --profile, --deadline, --no-nmap "
                "or --deep"
            )
        )
    # systemd and kill end us as Ctrl-C does: in order, with everything kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    place = open_workspace(workspace)
    settings = place.load_settings()
    scope = place.load_scope()
    require_current(scope, utc_now(), path=place.scope)
    checks = find_all_checks(checks_dir, place)
    waivers = place.load_waivers(utc_now().date())
    ProbeLog(place.probe_log).close()  # Better refused before the run begins than in the middle of it.
    if not no_nmap:
        warn_without_nmap()
    with open_store(place, create=True) as store:
        interrupted = runs.newest_interrupted(store, utc_now()).id if resume else None
        if interrupted is not None:
            profile = runs.plan_of(store, interrupted)[0].profile
        profile = profile or settings.profile
        baseline = load_baseline(profile, checks, folder=place.profiles)
        is_own = profile == settings.profile
        means = runs.Means(
            store=store,
            checks=checks,
            baseline=baseline,
            waivers=waivers,
            standing={rule.check.id for rule in baseline.rules} if is_own else (),
            anchors=place.load_anchors(),
            feeds=place.feeds,
            scope=scope,
            probe_log=str(place.probe_log),
            workers=workers or settings.workers or workers_by_default(),
            kinds=find_kinds(),
            zone=place.time_zone(),
        )
        if means.baseline.looks_inside:
            means = replace(means, login=login_of(place, settings))
        collection = CollectionSettings(
            deadline=deadline or settings.deadline,
            ports=settings.ports,
            needed_ports=port_ranges(means.baseline.ports_to_ask()),
            version_detection=settings.version_detection,
            udp=settings.udp,
            zone=settings.zone,
            nmap=False if no_nmap else None,
            tls=tls_look(means.baseline, deep=deep),
        )
        if interrupted is None:
            inventory = place.load_inventory()
            if unasked := unasked_inside(inventory.hosts.values(), baseline):
                click.echo(unasked, err=True)
            number = runs.begin(inventory, _hosts(inventory, agencies), collection, means)
        else:
            number = interrupted
        plan, inventory = runs.plan_of(store, number)
        hosts = [inventory.hosts[id] for id in plan.hosts if id in inventory.hosts]
        try:
            with showing(hosts) as progress:
                judgement = runs.carry_out(number, inventory, plan, means, progress=progress)
        except KeyboardInterrupt:
            click.echo(
                _(
                    "Run {run} was interrupted. What it recorded is kept; go on with: secscan scan --resume"
                ).format(run=number)
                + (f" -C {Path(workspace)}" if workspace else ""),
                err=True,
            )
            ctx.exit(130)
        if judgement is None:
            click.echo(quarantine_words(number, store.run(number).quarantine), err=True)
            ctx.exit(COVERAGE)
        shown = assessment.Shown(judgement, inventory, means.baseline, checks)
        assessment.print_agencies(shown)
        asked = with_children(inventory, agencies) if agencies else ()
        ctx.exit(assessment.exit_code(shown, fail_on=fail_on, min_coverage=min_coverage, agencies=asked))


def _hosts(inventory: "Inventory", agencies: tuple[str, ...]) -> list["Host"]:
    """The hosts to look at today: all, or those of the agencies named and of the agencies below them."""
    from secscan.cli.parts import with_children
    from secscan.scope import utc_now

    chosen = with_children(inventory, agencies)
    today = utc_now().date()
    hosts = [host for agency in chosen for host in inventory.hosts_of(agency, today)]
    if not hosts:
        raise click.UsageError(
            _("there is no host to scan in: {agencies}").format(agencies=", ".join(chosen))
        )
    return hosts
