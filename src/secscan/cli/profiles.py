"""secscan profiles: list, show."""

import json
from typing import TYPE_CHECKING, Any

import click

from secscan.cli import options
from secscan.cli.console import out, table, write
from secscan.language import _, in_use

if TYPE_CHECKING:
    from secscan.baseline import Baseline, Rule


@click.group("profiles")
def command() -> None:
    """List and show the baselines."""


@command.command("list")
@options.workspace
def list_profiles(workspace: str | None) -> None:
    """Every baseline: those that come with secscan, and the workspace's own."""
    from secscan.baseline import available_profiles, load_baseline
    from secscan.cli.parts import find_all_checks, workspace_around

    place = workspace_around(workspace)
    folder = place.profiles if place else None
    checks = find_all_checks(None, place)
    rows = []
    for name in available_profiles(folder):
        baseline = load_baseline(name, checks, folder=folder)
        domains = ", ".join(_(domain) for domain in baseline.domains)
        rows.append((name, baseline.title(in_use()), domains, str(len(baseline.rules))))
    out().print(table("", [_("Profile"), _("Title"), _("Domains"), _("Rules")], rows, right=[3]))


@command.command("show")
@click.argument("name")
@options.workspace
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def show(name: str, workspace: str | None, form: str) -> None:
    """One baseline as it counts: domains, rules, severities, limits, caps and grades."""
    from secscan.baseline import load_baseline
    from secscan.cli.parts import find_all_checks, workspace_around
    from secscan.model import Severity
    from secscan.report.words import severity_word

    place = workspace_around(workspace)
    checks = find_all_checks(None, place)
    baseline = load_baseline(name, checks, folder=place.profiles if place else None)
    document = _document(baseline)
    if form == "json":
        write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        return
    click.echo(f"{baseline.title(in_use())} ({baseline.name}, {baseline.hash[:12]})")
    rows = [
        (rule["domain"], rule["check"], severity_word(Severity[rule["severity"].upper()]), rule["limits"])
        for rule in _shown_rules(baseline)
    ]
    out().print(table("", [_("Domain"), _("Check"), _("Severity"), _("Limits")], rows))
    for key in ("weights", "caps", "grades"):
        click.echo(f"{key}: " + ", ".join(f"{name} {value}" for name, value in document[key].items()))
    click.echo(_("meets the baseline from: {score}").format(score=document["meets"]))
    click.echo(_("a pass stands for {days} days").format(days=document["carry_days"]))


def _shown_rules(baseline: "Baseline") -> list[dict[str, str]]:
    return [
        {
            "domain": rule.domain,
            "check": rule.check.id,
            "severity": rule.severity.word,
            "limits": ", ".join(f"{k}={v}" for k, v in _numbers(rule).items()),
        }
        for rule in baseline.rules
    ]


def _numbers(rule: "Rule") -> dict[str, Any]:
    """What the profile sets for a rule: its own cap, where it has one, and the limits of its check."""
    cap = {"cap": float(rule.cap)} if rule.cap is not None else {}
    return {**cap, **(rule.limits.model_dump(mode="json") if rule.limits else {})}


def _document(baseline: "Baseline") -> dict[str, Any]:
    scoring = baseline.scoring
    return {
        "name": baseline.name,
        "titles": dict(baseline.titles),
        "hash": baseline.hash,
        "domains": {name: float(weight) for name, weight in baseline.domains.items()},
        "rules": [
            {
                "check": rule.check.id,
                "domain": rule.domain,
                "severity": rule.severity.word,
                "cap": float(rule.cap) if rule.cap is not None else None,
                "limits": rule.limits.model_dump(mode="json") if rule.limits else {},
            }
            for rule in baseline.rules
        ],
        "weights": {severity.word: float(weight) for severity, weight in scoring.weights.items()},
        "caps": {severity.word: float(cap) for severity, cap in scoring.caps.items()},
        "grades": {grade: float(lowest) for grade, lowest in scoring.grades},
        "meets": float(scoring.meets),
        "carry_days": baseline.carry.days,
        "tls_ports": sorted(baseline.tls_ports),
    }
