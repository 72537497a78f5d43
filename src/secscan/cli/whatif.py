"""secscan whatif: what to fix first."""

from typing import TYPE_CHECKING, Any

import click

from secscan.alphabet import sort_key
from secscan.cli import options
from secscan.cli.console import out, table, write
from secscan.language import _, plural

if TYPE_CHECKING:
    from secscan.history.advice import Advice, Step
    from secscan.model import Finding


@click.command("whatif")
@click.argument("agency")
@options.workspace
@click.option("--run", type=int, help="The run; default: the newest that was finished.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(agency: str, workspace: str | None, run: int | None, form: str) -> None:
    """The few fixes that lift AGENCY to its next grade, and to the best one, with what each gains.

    What has one cause is one fix: a certificate is replaced once, on however many hosts it stands. Fixes that only
    together lift a cap are one step.
    """
    from secscan.baseline import load_baseline
    from secscan.cli.parts import find_all_checks, open_store, open_workspace
    from secscan.engine.causes import root_cause
    from secscan.history.advice import Hosts, advise
    from secscan.inventory import inventory_from_documents

    place = open_workspace(workspace)
    with open_store(place) as store:
        number = store.newest_judged_run() if run is None else run
        members = store.members(number, agency)
        info = store.run(number)
        found: dict[str, list[Finding]] = {host: [] for host in members}
        # Of one agency alone: a judgement of the whole country takes seconds to read.
        for finding in store.findings(number, hosts=members):
            found[finding.subject.host or finding.subject.id].append(finding)
        evidence = dict(store.evidence(info.judged_at or info.started_at, members))
        inventory = inventory_from_documents([store.inventory_of(number)[agency]])
    if not members:
        raise click.UsageError(_("The agency {id} has no host: there is nothing to fix.").format(id=agency))
    baseline = load_baseline(info.profile, find_all_checks(None, place), folder=place.profiles)
    tier = inventory.agencies[agency].tier
    hosts = Hosts(
        {host: tuple(said) for host, said in found.items()},
        {host: inventory.hosts[host].criticality for host in members},
        lambda host: baseline.for_host(inventory.hosts[host], tier),
    )
    cause_of = root_cause(evidence)
    ways = [advise(hosts, baseline, cause_of=cause_of)]
    best = baseline.scoring.grades[0][0]
    if ways[0].target != best:
        ways.append(advise(hosts, baseline, target=best, cause_of=cause_of))
    if form == "json":
        from secscan.report.json_export import to_json

        write(to_json({"run": number, "agency": agency, "ways": [_document(way) for way in ways]}))
        return
    for way in ways:
        _print(way, agency)


def _print(way: "Advice", agency: str) -> None:
    from secscan.report import formats

    now = _("{agency} stands at {score}, grade {grade}.").format(
        agency=agency, score=formats.score(way.score), grade=way.grade
    )
    if not way.steps:
        click.echo(now + " " + _("There is nothing to fix."))
        return
    if way.reaches:
        aim = _("To reach {grade}:").format(grade=way.target)
    else:
        aim = _(
            "Fixes alone don't reach {grade}: what is unknown must be looked at. The most they can do:"
        ).format(grade=way.target)
    click.echo(f"{now} {aim}")
    rows = []
    for n, step in enumerate(way.steps, 1):
        gain = f"+{formats.score(step.gain)}"
        plain = f"+{formats.score(step.gain_without_caps)}"
        rows.append((str(n), *_what(step), gain, plain, formats.score(step.score), step.grade))
    columns = [_("Step"), _("What"), _("Where"), _("Gain"), _("Without caps"), _("Score then"), _("Grade")]
    out().print(table("", columns, rows, right=[0, 3, 4, 5]))


#: Places and checks that are named before the rest is counted.
NAMED = 4


def _what(step: "Step") -> tuple[str, str]:
    checks = sorted({finding.check for fix in step.fixes for finding in fix.findings})
    hosts = sorted({host for fix in step.fixes for host in fix.hosts}, key=sort_key)
    what = ", ".join(checks[:NAMED]) + ("…" if len(checks) > NAMED else "")
    if len(step.fixes) > 1:
        what = plural("{n} fix together: ", "{n} fixes together: ", len(step.fixes)) + what
    where = ", ".join(hosts[:NAMED])
    more = len(hosts) - NAMED
    return what, where + (plural(" and {n} more", " and {n} more", more) if more > 0 else "")


def _document(way: "Advice") -> dict[str, Any]:
    from secscan.report import formats

    return {
        "score": str(way.score),
        "grade": way.grade,
        "target": way.target,
        "reaches": way.reaches,
        "steps": [
            {
                "gain": str(step.gain),
                "gain_decimal": formats.score(step.gain),
                "gain_without_caps": str(step.gain_without_caps),
                "score": str(step.score),
                "grade": step.grade,
                "fixes": [
                    {
                        "severity": fix.severity.word,
                        "checks": sorted({finding.check for finding in fix.findings}),
                        "hosts": list(fix.hosts),
                        "findings": [finding.id for finding in fix.findings],
                    }
                    for fix in step.fixes
                ],
            }
            for step in way.steps
        ],
    }
