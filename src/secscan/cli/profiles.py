"""secscan profiles: list, show, check, diff."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from secscan.cli import options
from secscan.cli.console import USAGE, out, table, write
from secscan.language import _, in_use, plural

if TYPE_CHECKING:
    from secscan.baseline import Baseline, Difference, Rule
    from secscan.workspace import Workspace

#: Which hosts a command speaks of.
_role = click.option("--role", metavar="ROLE", help="As it holds for hosts of this role.")
_level = click.option(
    "--level", type=click.IntRange(1, 5), help="As it holds for hosts of this security level."
)
_tier = click.option("--tier", metavar="TIER", help="As it holds for hosts of agencies of this tier.")
_host = click.option("--host", metavar="ID", help="As it holds for this host, of the role and level given.")
_form = click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")


@click.group("profiles")
def command() -> None:
    """List, show, check and compare the baselines."""


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
@_role
@_level
@_tier
@_host
@options.workspace
@_form
def show(
    name: str,
    role: str | None,
    level: int | None,
    tier: str | None,
    host: str | None,
    workspace: str | None,
    form: str,
) -> None:
    """One baseline as it counts: domains, rules, severities, limits, deadlines, caps and grades.

    Without an option, as it holds for a host of which it says nothing else; with options, as it holds for others.
    """
    from secscan.model import Severity
    from secscan.report.formats import bound
    from secscan.report.words import severity_word

    (whole,) = _loaded([name], workspace)
    baseline = _held_to(whole, role=role, level=level, tier=tier, host=host)
    document = _document(baseline)
    if form == "json":
        write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        return
    click.echo(f"{baseline.title(in_use())} ({baseline.name}, {baseline.hash[:12]})")
    rows = [
        (rule.domain, rule.check.id, severity_word(rule.severity), _shown_limits(rule))
        for rule in baseline.rules
    ]
    out().print(table("", [_("Domain"), _("Check"), _("Severity"), _("Limits")], rows))
    for key in ("weights", "caps", "grades"):
        click.echo(f"{key}: " + ", ".join(f"{name} {value}" for name, value in document[key].items()))
    days = [
        f"{severity_word(Severity[word.upper()]) if word.upper() in Severity.__members__ else word} {n}"
        for word, n in document["deadlines"].items()
    ]
    click.echo(_("days to mend: {deadlines}").format(deadlines=", ".join(days) or "-"))
    click.echo(_("meets the baseline from: {score}").format(score=bound(baseline.scoring.meets)))
    click.echo(_("a pass stands for {days} days").format(days=document["carry_days"]))
    some = [f"{kind}.{one}" for kind, one in baseline.overlays.parts]
    if some:
        click.echo(_("holds otherwise for: {hosts}").format(hosts=", ".join(some)))


@command.command("check")
@click.argument("names", nargs=-1, metavar="[NAME | FILE.toml]...")
@options.workspace
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], workspace: str | None) -> None:
    """Read baselines and say what is wrong with them: those named, or all there are.

    Every mistake is told with its file, line and key; the exit code is then 2.
    """
    from secscan.baseline import available_profiles, load_baseline
    from secscan.cli.console import visible
    from secscan.cli.parts import find_all_checks, workspace_around
    from secscan.toml_source import ConfigurationError

    place = workspace_around(workspace)
    folder = place.profiles if place else None
    checks = find_all_checks(None, place)
    mistakes: dict[str, None] = {}
    for name in names or available_profiles(folder):
        try:
            baseline = load_baseline(name, checks, folder=folder)
        except ConfigurationError as error:
            # Whatever extends a file has the file's mistakes too; they are told once.
            mistakes |= dict.fromkeys(str(mistake) for mistake in error.mistakes)
        else:
            rules = plural("{n} rule", "{n} rules", len(baseline.rules))
            click.echo(_("{profile}: {rules}, no mistake").format(profile=baseline.name, rules=rules))
            for note in _strangers(baseline, place):
                click.echo(visible(note), err=True)
    for mistake in mistakes:
        click.echo(visible(mistake), err=True)
    ctx.exit(USAGE if mistakes else 0)


@command.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@_role
@_level
@_tier
@_host
@options.workspace
@_form
def diff(
    before: str,
    after: str,
    role: str | None,
    level: int | None,
    tier: str | None,
    host: str | None,
    workspace: str | None,
    form: str,
) -> None:
    """What is otherwise in baseline B than in baseline A: rules, severities, limits, weights, caps, deadlines.

    Without an option everything is compared, also what holds for some hosts alone; with options, what holds for
    the hosts that they mean.
    """
    from secscan.baseline import differences

    pair = _loaded([before, after], workspace)
    old, new = (_held_to(b, role=role, level=level, tier=tier, host=host) for b in pair)
    found = differences(old, new)
    if form == "json":
        document = {
            "before": {"name": old.name, "hash": old.hash},
            "after": {"name": new.name, "hash": new.hash},
            "differences": [
                {
                    "hosts": d.hosts,
                    "place": d.place,
                    "key": d.key,
                    "change": d.change.value,
                    "before": d.before,
                    "after": d.after,
                }
                for d in found
            ],
        }
        write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        return
    if not found:
        click.echo(_("{a} and {b} say the same.").format(a=old.name, b=new.name))
        return
    rows = [(d.hosts or _("all"), _place(d), *_shown_change(d)) for d in found]
    out().print(table("", [_("Hosts"), _("What"), old.name, new.name], rows))


def _strangers(baseline: "Baseline", place: "Workspace | None") -> Iterator[str]:
    """The hosts that a baseline names and the inventory does not: no mistake, for hosts come and go."""
    from secscan.toml_source import ConfigurationError, nearest

    named = [name for kind, name in baseline.overlays.parts if kind == "hosts"]
    if place is None or not named:
        return
    try:
        known = place.load_inventory().hosts
    except ConfigurationError:
        return  # Its mistakes are for `secscan inventory check` to tell.
    for name in named:
        if name not in known:
            guess = nearest(name, known)
            hint = _(" Did you mean {near!r}?").format(near=guess) if guess else ""
            yield (
                _("{profile} speaks of the host {host!r}, which the inventory does not have.").format(
                    profile=baseline.name, host=name
                )
                + hint
            )


def _loaded(names: Sequence[str], workspace: str | None) -> "list[Baseline]":
    from secscan.baseline import load_baseline
    from secscan.cli.parts import find_all_checks, workspace_around

    place = workspace_around(workspace)
    checks = find_all_checks(None, place)
    return [load_baseline(name, checks, folder=place.profiles if place else None) for name in names]


def _held_to(
    baseline: "Baseline", *, role: str | None, level: int | None, tier: str | None, host: str | None
) -> "Baseline":
    """The baseline for the hosts meant; says on standard error where it has nothing to say of them."""
    from secscan.toml_source import nearest

    asked = {"tiers": tier, "levels": None if level is None else str(level), "roles": role, "hosts": host}
    meant = [(kind, name) for kind, name in asked.items() if name is not None]
    for kind, name in meant:
        if (kind, name) in baseline.overlays.parts:
            continue
        guess = nearest(name, [known for of_kind, known in baseline.overlays.parts if of_kind == kind])
        hint = _(" Did you mean {near!r}?").format(near=guess) if guess else ""
        message = _("{profile} says nothing of {hosts}.").format(
            profile=baseline.name, hosts=f"{kind}.{name}"
        )
        click.echo(message + hint, err=True)
    return baseline.for_some(*meant)


def _shown_limits(rule: "Rule") -> str:
    """What the profile sets for a rule: its own cap, where it has one, and the limits of its check."""
    from secscan.baseline import rule_values

    values = {key: value for key, value in rule_values(rule).items() if key != "severity"}
    return ", ".join(f"{key}={_shown(value)}" for key, value in values.items())


def _place(difference: "Difference") -> str:
    """The way to the value in a profile; rules need no more than their name."""
    if difference.place in ("", "rules"):
        return difference.key
    return f"{difference.place}.{difference.key}"


def _shown_change(difference: "Difference") -> tuple[str, str]:
    """Before and after; a dash where the value is not there."""
    from secscan.baseline import Change

    before, after = _shown(difference.before), _shown(difference.after)
    return "-" if difference.change is Change.ADDED else before, (
        "-" if difference.change is Change.REMOVED else after
    )


def _shown(value: Any) -> str:
    match value:
        case list():
            return " ".join(str(one) for one in value) or "-"
        case bool():
            return _("yes") if value else _("no")
    return str(value)


def _document(baseline: "Baseline") -> dict[str, Any]:
    from secscan.baseline import plain, rule_values

    scoring, deadlines = baseline.scoring, baseline.deadlines
    exploited = {} if deadlines.known_exploited is None else {"known_exploited": deadlines.known_exploited}
    own = ("severity", "cap", "known_exploited")
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
                "known_exploited": rule.known_exploited,
                "limits": {key: value for key, value in rule_values(rule).items() if key not in own},
            }
            for rule in baseline.rules
        ],
        "deadlines": plain(
            {**exploited, **{severity.word: span for severity, span in deadlines.by_severity.items()}}
        ),
        "weights": {severity.word: float(weight) for severity, weight in scoring.weights.items()},
        "caps": {severity.word: float(cap) for severity, cap in scoring.caps.items()},
        "grades": {grade: float(lowest) for grade, lowest in scoring.grades},
        "meets": float(scoring.meets),
        "carry_days": baseline.carry.days,
        "tls_ports": sorted(baseline.tls_ports),
        "some_hosts": {
            f"{kind}.{name}": list(part.applied) for (kind, name), part in baseline.overlays.parts.items()
        },
    }
