"""What commands put together before they work: checks, baselines, workspaces, stores. Imported by them lazily."""

import contextlib
import difflib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.check import Check
from secscan.cli.console import speak
from secscan.history import State, ages
from secscan.language import _, plural
from secscan.model import Inventory
from secscan.registry import find_checks
from secscan.report import formats
from secscan.toml_source import ConfigurationError, read_toml
from secscan.workspace import Workspace, around, find_workspace

if TYPE_CHECKING:
    from secscan.baseline import Baseline
    from secscan.cli.assessment import Shown
    from secscan.engine.protocol import Login, TlsLook
    from secscan.model import Host, Misjudged, Stamp
    from secscan.store import RunState, Store
    from secscan.workspace import Settings


def find_all_checks(folder: str | None, workspace: Workspace | None = None) -> Mapping[str, Check]:
    """The checks that are installed, and those of ``folder`` or of the workspace."""
    own = Path(folder) if folder else None
    if own is None and workspace is not None and any(workspace.checks.glob("*.py")):
        own = workspace.checks
    return find_checks(folder=own)


def require_check(id: str, checks: Collection[str], *, families: bool = False) -> None:
    """Raises click.UsageError, naming the nearest, where ``id`` is no check and, if asked for, no family of checks."""
    if id in checks or (families and any(check.startswith(f"{id}.") for check in checks)):
        return
    near = difflib.get_close_matches(id, checks, 1)
    hint = _(" Did you mean {near!r}?").format(near=near[0]) if near else ""
    raise click.UsageError(
        _("There is no check {id!r}.").format(id=id) + hint + " " + _("See: secscan checks list")
    )


def open_workspace(folder: str | None) -> Workspace:
    """The workspace named, or the one around the working directory, in its language. Raises WorkspaceError."""
    place = find_workspace(Path(folder) if folder else Path.cwd())
    _speak_as(place)
    return place


def workspace_around(folder: str | None) -> Workspace | None:
    """As open_workspace, for commands that need none: None where there is none around the working directory."""
    place = around(folder)
    if place is not None:
        _speak_as(place)
    return place


def _speak_as(place: Workspace) -> None:
    """Speaks the language that secscan.toml names: it outdoes the environment, and --lang outdoes both."""
    if click.get_current_context().find_root().params.get("lang"):
        return
    # Mistakes in the file are told by whoever reads it next. A language it does not name is left as it is.
    with contextlib.suppress(ConfigurationError):
        language = read_toml(place.settings).data.get("language")
        if language == place.load_settings().language:
            speak(language)


def open_store(workspace: Workspace, *, create: bool = False) -> "Store":
    from secscan.registry import find_kinds
    from secscan.store import Store

    return Store.open(workspace.database, create=create, kinds=find_kinds())


def login_of(place: Workspace, settings: "Settings") -> "Login":
    """How a workspace's hosts are logged in to."""
    from secscan.engine.protocol import Login

    return Login(
        credentials=dict(settings.credentials),
        known_hosts=place.known_hosts,
        deadline=settings.ssh_deadline,
        at_once=settings.ssh_at_once,
    )


def tls_look(baseline: "Baseline", *, deep: bool) -> "TlsLook":
    """How closely to look at TLS: at what the baseline's rules need, and deep where that is asked for."""
    from secscan.engine.protocol import TlsLook

    if deep:
        return TlsLook.DEEP
    return TlsLook.FULL if baseline.lists_tls else TlsLook.QUICK


def workers_by_default() -> int:
    """One worker a core."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cost_without_nmap() -> str:
    """What is lost where nmap is missing, and what to do."""
    return _(
        "ports are found by a plain connect scan of a shorter list, and only services that speak first (SSH, SMTP, "
        "MySQL and their like) say what they are; install the package nmap"
    )


def warn_without_nmap() -> None:
    """Says on standard error, before a look for open ports, that nmap is missing, where it is."""
    from secscan.collection.ports import find_nmap

    if find_nmap() is None:
        click.echo(_("nmap is not installed: {cost}").format(cost=cost_without_nmap()), err=True)


def unasked_inside(hosts: Iterable["Host"], baseline: "Baseline") -> str:
    """What to tell where hosts name a login that no rule of the baseline makes use of; else nothing."""
    count = sum(bool(host.credential) for host in hosts)
    if not count or baseline.looks_inside:
        return ""
    named = plural("{n} host names a login", "{n} hosts name a login", count)
    return _("{hosts}, and the baseline {baseline} asks nothing from the inside").format(
        hosts=named, baseline=baseline.name
    )


def probe_log() -> Path:
    """Where audits log their probes: the user's state folder (XDG)."""
    from platformdirs import user_state_path

    folder = user_state_path("secscan", ensure_exists=True)
    return folder / "probes.jsonl"


def feeds_database(named: Path | None) -> Path:
    """Imported reference data: the file named, that of the workspace around, or the user's own (XDG), if it is there."""
    from platformdirs import user_data_path

    if named is not None:
        return named
    place = around(None)
    return place.feeds if place is not None else user_data_path("secscan") / "feeds.db"


def with_children(inventory: Inventory, agencies: Sequence[str]) -> tuple[str, ...]:
    """The agencies named and all below them; all where none is named. Raises click.UsageError on an unknown one."""
    if not agencies:
        return tuple(sorted(inventory.agencies))
    for agency in agencies:
        if agency not in inventory.agencies:
            near = difflib.get_close_matches(agency, inventory.agencies, 1)
            hint = _(" Did you mean {near!r}?").format(near=near[0]) if near else ""
            raise click.UsageError(_("There is no agency {id!r} in the inventory.").format(id=agency) + hint)
    chosen = set(agencies)
    while below := {a.id for a in inventory.agencies.values() if a.parent in chosen} - chosen:
        chosen |= below
    return tuple(sorted(chosen))


def stored(store: "Store", place: Workspace, run: int | None) -> "Shown":
    """A stored judgement, shown under the baseline it was made by. Raises StoreError where there is none."""
    from secscan.baseline import load_baseline
    from secscan.cli.assessment import Shown
    from secscan.inventory import inventory_from_documents
    from secscan.model import Outcome
    from secscan.scope import utc_now

    judgement = store.judgement(run)
    checks = find_all_checks(None, place)
    baseline = load_baseline(judgement.stamp.baseline, checks, folder=place.profiles)
    warn_of_another(baseline, judgement.stamp)
    inventory = inventory_from_documents(store.inventory_of(judgement.stamp.run or 0))
    lives = store.lifecycles(sorted(judgement.hosts), run=judgement.stamp.run)
    every = (finding for of_host in judgement.findings.values() for finding in of_host)
    failures = [finding for finding in every if finding.outcome is Outcome.FAIL]
    unseen = store.last_failures([life.finding for life in lives.values() if life.state is State.UNVERIFIED])
    owners = {host: group.id for group in judgement.agencies.values() for host in group.members}
    aged = ages(lives, [*failures, *unseen.values()], baseline, inventory, owners, judgement.stamp)
    waivers = {waiver.key: waiver for waiver in place.load_waivers(utc_now().date())}
    return Shown(judgement, inventory, baseline, checks, aged, waivers)


def warn_of_another(baseline: "Baseline", stamp: "Stamp") -> None:
    """Says on standard error that a baseline was changed since a judgement was made by it, where it was."""
    if baseline.hash != stamp.baseline_hash:
        click.echo(
            _("The baseline {name} has changed since run {run}; scores are those of the run.").format(
                name=baseline.name, run=stamp.run
            ),
            err=True,
        )


def clock(place: Workspace) -> Callable[[datetime], str]:
    """Instants as the operator's clock shows them."""
    zone = place.time_zone()

    def shown(at: datetime) -> str:
        return formats.instant(at.astimezone(zone))

    return shown


def state_word(state: "RunState") -> str:
    """The state of a run in the language in use."""
    words = {"running": _("running"), "interrupted": _("interrupted"), "finished": _("finished")}
    return words[state.value]


def quarantine_words(run: int, misjudged: "Sequence[Misjudged]") -> str:
    """Why nothing of a run counts, a line for each canary that it misjudged."""
    lines = [
        _("Run {run} is in quarantine: it misjudged a canary. No score and no finding was touched.").format(
            run=run
        )
    ]
    for wrong in misjudged:
        told = (
            _("{host} is known to be well protected, and these failed: {checks}")
            if wrong.failing
            else _("{host} is known to be badly protected, and no grave failure was found on it")
        )
        lines.append("  " + told.format(host=wrong.host, checks=", ".join(wrong.failing)))
    return "\n".join(lines)
