"""secscan audit: one-off, no workspace."""

import shlex
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from secscan.cli import options
from secscan.cli.console import write
from secscan.language import _

if TYPE_CHECKING:
    from secscan.baseline import Baseline
    from secscan.engine.targets import Named


@click.command("audit")
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option("--ssh", "user", metavar="USER", help="Log in as USER and look from the inside too.")
@click.option("--local", is_flag=True, help="Look at this machine from the inside, without SSH; no TARGET.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "html", "csv", "sarif", "ocsf"]),
    default="table",
    show_default=True,
)
@click.option(
    "--ports",
    metavar="PORTS",
    help="Ports to look at, such as 22,443,8000-8100 or top-100; default: top-1000.",
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
    help="Only this domain of the baseline (tls, certificates, ports, patches); repeatable. Default: all, and where "
    "every TARGET names its ports, all but ports.",
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
@click.option(
    "--quick/--deep",
    help="Ask TLS servers what the rules need, in a dozen connections each; or all there is, and have sslyze ask too: "
    "some hundred connections. Default: --deep.",
)
@options.login
@options.feeds
@options.fail_on
@options.coverage
@click.pass_context
def command(
    ctx: click.Context,
    /,
    targets: tuple[str, ...],
    user: str | None,
    local: bool,
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
    quick: bool,
    known_hosts: Path | None,
    feeds: Path | None,
    fail_on: str,
    min_coverage: float | None,
    **login: Any,
) -> None:
    """Look at TARGETs once and say how they stand.

    A TARGET is HOST, HOST:PORT, ADDRESS, [IPv6]:PORT or NETWORK/PREFIX. The scope is exactly what you name, and the
    jump hosts on the way to it: nothing else is touched. Nothing is stored, but every probe is logged.

    With --ssh, of ~/.ssh/config HostName, Port, User, IdentityFile and ProxyJump count; keys come from the SSH agent,
    from --identity, or from where ssh-keygen puts them. A host whose key is not in known_hosts is not logged in to:
    see secscan trust.
    """
    from secscan.baseline import load_baseline
    from secscan.cli import assessment, one_off
    from secscan.cli.parts import feeds_database, find_all_checks
    from secscan.collection.ports import PortListError, parse_ports, top_ports
    from secscan.engine.judging import judge_fleet
    from secscan.engine.references import references, releases_in
    from secscan.engine.stamping import stamp
    from secscan.engine.targets import MOST_ADDRESSES, TargetError, parse_targets, this_machine
    from secscan.workspace import Authorities, read_anchors

    _require_one_way(targets, user=user, local=local)
    try:
        named = parse_targets(targets, limit=None if scope_file else MOST_ADDRESSES)
    except TargetError as e:
        raise click.UsageError(str(e)) from e
    if ports is not None:
        try:
            parse_ports(ports, top_ports)
        except PortListError as e:
            raise click.BadParameter(str(e), param_hint="--ports") from None
    checks = find_all_checks(checks_dir)
    whole = load_baseline(profile or ("baseline" if user or local else "network"), checks)
    baseline = _baseline_for(whole, domains, named, local=local)
    if (user or local) and not baseline.looks_inside:
        message = _("what is asked of the baseline {baseline} has no rule that looks inside")
        raise click.UsageError(message.format(baseline=whole.name))
    if known_hosts is not None and not known_hosts.exists():
        raise click.BadParameter(
            _("there is no file {file}; secscan trust makes it: {command}").format(
                file=known_hosts, command=_trusting(named, known_hosts, login.get("port"))
            ),
            param_hint="--known-hosts",
        )
    private = Authorities(tuple(der for file in anchors for der in read_anchors(file)))
    if local:
        inventory = this_machine(socket.gethostname())
        evidence = one_off.look_at_this_machine(inventory, deadline=deadline)
    else:
        asked = one_off.asked_of_user(user, **login) if user else None
        inventory, way_in, on_the_way = one_off.reach(
            named, asked, known_hosts=known_hosts, deadline=deadline
        )
        evidence = one_off.look_at(
            inventory,
            one_off.scope_for(inventory, on_the_way, scope_file),
            one_off.collection_settings(ports, baseline, deadline=deadline, no_nmap=no_nmap, quick=quick),
            login=way_in,
            workers=workers,
        )
    at = datetime.now(UTC)
    imported = feeds_database(feeds)
    judgement = judge_fleet(
        inventory,
        evidence,
        baseline=baseline,
        references=references(
            private, feeds=imported, releases=releases_in(seen for _host, seen in evidence), at=at
        ),
        stamp=stamp(run=None, at=at, baseline=baseline, inventory=inventory, feeds=imported),
    )
    shown = assessment.Shown(judgement, inventory, baseline, checks)
    match form:
        case "json":
            write(assessment.as_json(shown))
        case "csv" | "sarif" | "ocsf":
            write(assessment.audit_pieces(shown, form))
        case "html":
            write(assessment.as_html(shown) + "\n")
        case _:
            assessment.print_audit(shown)
    ctx.exit(assessment.exit_code(shown, fail_on=fail_on, min_coverage=min_coverage))


def _trusting(targets: "Sequence[Named]", known_hosts: Path, port: int | None) -> str:
    """The command that writes the keys of the targets into the file."""
    hosts = dict.fromkeys(target.host for target in targets)
    line = ["secscan", "trust", *hosts, "--known-hosts", str(known_hosts)]
    return shlex.join(line + (["--ssh-port", str(port)] if port else []))


def _require_one_way(targets: Sequence[str], *, user: str | None, local: bool) -> None:
    """Raises click.UsageError on what can't be meant together."""
    if local and (targets or user):
        raise click.UsageError(
            _("--local looks at the machine secscan runs on; it takes no TARGET and no --ssh")
        )
    if not local and not targets:
        raise click.UsageError(_("name a TARGET, or use --local to look at this machine from the inside"))


def _baseline_for(
    baseline: "Baseline", domains: Sequence[str], targets: "Sequence[Named]", *, local: bool
) -> "Baseline":
    """The domains that are asked for. Whoever names ports asks about them, not about what else a host has open,

    and who looks at a machine from the inside not about what the network shows of it.
    """
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
    if local:
        return narrowed(baseline, [d for d in baseline.domains if narrowed(baseline, [d]).looks_inside])
    if all(target.ports for target in targets):
        return narrowed(baseline, [domain for domain in baseline.domains if domain != "ports"])
    return baseline
