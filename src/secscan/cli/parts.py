"""What commands put together before they work: checks, baselines, workspaces, stores. Imported by them lazily."""

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.check import Check
from secscan.language import _
from secscan.model import Inventory
from secscan.registry import find_checks
from secscan.report import formats
from secscan.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from secscan.cli.assessment import Shown
    from secscan.store import RunState, Store


def find_all_checks(folder: str | None, workspace: Workspace | None = None) -> Mapping[str, Check]:
    """The checks that are installed, and those of ``folder`` or of the workspace."""
    own = Path(folder) if folder else None
    if own is None and workspace is not None and any(workspace.checks.glob("*.py")):
        own = workspace.checks
    return find_checks(folder=own)


def open_workspace(folder: str | None) -> Workspace:
    """The workspace named, or the one around the working directory. Raises WorkspaceError."""
    return find_workspace(Path(folder) if folder else Path.cwd())


def open_store(workspace: Workspace, *, create: bool = False) -> "Store":
    from secscan.registry import find_kinds
    from secscan.store import Store

    return Store.open(workspace.database, create=create, kinds=find_kinds())


def workers_by_default() -> int:
    """One worker a core."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cost_without_nmap() -> str:
    """What is lost where nmap is missing, and what to do."""
    return _(
        "ports are found by a plain connect scan: no version detection, no SYN scan, a shorter list of ports; "
        "install the package nmap"
    )


def warn_without_nmap() -> None:
    """Says on standard error, before a look for open ports, that nmap is missing, where it is."""
    from secscan.collection.ports import find_nmap

    if find_nmap() is None:
        click.echo(_("nmap is not installed: {cost}").format(cost=cost_without_nmap()), err=True)


def probe_log() -> Path:
    """Where audits log their probes: the user's state folder (XDG)."""
    from platformdirs import user_state_path

    folder = user_state_path("secscan", ensure_exists=True)
    return folder / "probes.jsonl"


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

    judgement = store.judgement(run)
    checks = find_all_checks(None, place)
    baseline = load_baseline(judgement.stamp.baseline, checks, folder=place.profiles)
    if baseline.hash != judgement.stamp.baseline_hash:
        click.echo(
            _("The baseline {name} has changed since run {run}; scores are those of the run.").format(
                name=baseline.name, run=judgement.stamp.run
            ),
            err=True,
        )
    inventory = inventory_from_documents(store.inventory_of(judgement.stamp.run or 0))
    return Shown(judgement, inventory, baseline, checks)


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
