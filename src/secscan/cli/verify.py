"""secscan verify: one finding, looked at again."""

from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import CLEAN, COVERAGE, FINDINGS, write
from secscan.language import _

if TYPE_CHECKING:
    from secscan.engine.verifying import Verified
    from secscan.model import Finding


@click.command("verify")
@click.argument("finding")
@options.workspace
@options.profile
@click.option("--deadline", type=click.FloatRange(1, 3600), help="Seconds a target may take.")
@click.option(
    "--no-nmap", is_flag=True, help="Find ports by a plain connect scan, even where nmap is installed."
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def command(
    ctx: click.Context,
    finding: str,
    workspace: str | None,
    profile: str | None,
    deadline: float | None,
    no_nmap: bool,
    form: str,
) -> None:
    """Look again at what FINDING (F-...) rests on, and at nothing else, and say whether it is fixed.

    Exit codes: 0 fixed, or what it was about is gone; 1 still there; 3 could not be told; 2 usage or configuration
    error. Every probe is logged, and nothing is stored: scores, deadlines and the finding's life change with the next
    scan, which sees all of the host.
    """
    from secscan.baseline import load_baseline
    from secscan.cli.parts import find_all_checks, login_of, open_store, open_workspace
    from secscan.engine.protocol import CollectionSettings
    from secscan.engine.run import Means
    from secscan.engine.verifying import VerifyError, verify
    from secscan.facts.ports import port_ranges
    from secscan.history import State
    from secscan.registry import find_kinds
    from secscan.scope import ProbeLog, require_current, utc_now

    place = open_workspace(workspace)
    settings = place.load_settings()
    scope = place.load_scope()
    require_current(scope, utc_now(), path=place.scope)
    checks = find_all_checks(None, place)
    baseline = load_baseline(profile or settings.profile, checks, folder=place.profiles)
    inventory = place.load_inventory()
    ProbeLog(place.probe_log).close()  # Better refused before anything is looked at than in the middle of it.
    with open_store(place) as store:
        known = store.finding(finding)
        if known is None:
            raise click.UsageError(
                _("There is no finding {id!r}: see secscan findings, which shows their ids.").format(
                    id=finding
                )
            )
        means = Means(
            store=store,
            checks=checks,
            baseline=baseline,
            anchors=place.load_anchors(),
            feeds=place.feeds,
            scope=scope,
            probe_log=str(place.probe_log),
            workers=1,
            kinds=find_kinds(),
            login=login_of(place, settings) if baseline.looks_inside else None,
        )
        collection = CollectionSettings(
            deadline=deadline or settings.deadline,
            ports=settings.ports,
            needed_ports=port_ranges(baseline.ports_to_ask()),
            version_detection=settings.version_detection,
            udp=settings.udp,
            zone=settings.zone,
            nmap=False if no_nmap else None,
        )
        try:
            verified = verify(known, inventory, collection, means)
        except VerifyError as e:
            raise click.UsageError(str(e)) from e
    if form == "json":
        _write_json(known, verified)
    else:
        _print(known, verified)
    codes = {State.OPEN: FINDINGS, State.UNVERIFIED: COVERAGE}
    ctx.exit(codes.get(verified.state, CLEAN))


def _print(known: "Finding", verified: "Verified") -> None:
    from secscan.cli.assessment import place
    from secscan.report.text import sentence, visible

    words = {
        "open": _("Still there"),
        "resolved": _("Fixed"),
        "retired": _("Gone: what it was about is there no more"),
        "unverified": _("Could not be told"),
    }
    click.echo(
        visible(
            _("{state}: {id}, {check} on {where}").format(
                state=words[verified.state.value], id=known.id, check=known.check, where=place(known)
            )
        )
    )
    for line in dict.fromkeys(sentence(f.evidence) for f in verified.said):
        click.echo(f"  {line}")


def _write_json(known: "Finding", verified: "Verified") -> None:
    from secscan.report.json_export import to_json

    write(
        to_json(
            {
                "finding": known.id,
                "check": known.check,
                "subject": known.subject.key,
                "object": known.object,
                "state": verified.state.value,
                "said": [
                    {
                        "outcome": f.outcome.value,
                        "object": f.object,
                        "evidence": str(f.evidence),
                        "reason": f.reason.value if f.reason else None,
                        "addresses": list(f.addresses),
                    }
                    for f in verified.said
                ],
            }
        )
    )
