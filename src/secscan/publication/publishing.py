"""All pages of a judgement in all languages: agencies are shared among processes, the fleet's pages come of digests."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.engine.comparison import Compared
from secscan.engine.crew import Crew
from secscan.inventory import inventory_from_documents
from secscan.model import Inventory, Waiver
from secscan.publication.press import Press, Share
from secscan.report.folder import ReportFolder
from secscan.report.rendering import render_fleet
from secscan.report.views import Before, Digest, FleetData, fleet_views
from secscan.report.views.given import peers_of
from secscan.store import Scores, Store

#: Hosts whose findings a process holds at once; more are read a little quicker and take more memory.
HOSTS_AT_ONCE = 60

#: Fewer hosts are printed before another process is ready to.
HOSTS_A_PROCESS = 250


@dataclass(frozen=True, slots=True)
class Edition:
    """The report in one language, in a folder of its own."""

    language: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What is published: a run's newest judgement, and what it takes to show it.

    ``baseline`` is the one it was made by. ``waivers``, by key, are those that are in the file today.
    """

    run: int
    baseline: Baseline
    checks: Mapping[str, Check]
    tz: tzinfo
    waivers: Mapping[str, Waiver] = field(default_factory=dict)
    #: The run and the one before it, if there is one that it can be compared with.
    compared: Compared | None = None


def publish(
    store: Store,
    issue: Issue,
    editions: Sequence[Edition],
    *,
    agencies: Collection[str] | None = None,
    processes: int = 1,
    hosts_a_process: int = HOSTS_A_PROCESS,
) -> list[Path]:
    """Writes every edition and returns the pages' paths, the first edition's index first.

    With ``agencies``, only their scorecards are renewed; without, the reports are whole: the fleet's pages are written,
    and scorecards of agencies that are gone are removed. Pages that did not change are left alone.
    ``processes`` is the most there may be; a fleet of few hosts (``hosts_a_process`` each) is printed in this one.
    Raises StoreError where the run was not judged, ReportError where a folder holds something else.
    """
    scores = store.scores(issue.run, hosts_of=agencies)
    inventory = inventory_from_documents(_documents(store, issue.run, agencies))
    chosen = [id for id in sorted(scores.agencies) if agencies is None or id in agencies]
    folders = [ReportFolder(edition.folder) for edition in editions]
    for folder in folders:
        folder.begin()
    press = Press(
        location=store.location,
        kinds=store.kinds,
        scores=_groups(scores),
        agencies=inventory.agencies,
        baseline=issue.baseline,
        checks=issue.checks,
        tz=issue.tz,
        waivers=issue.waivers,
        editions=tuple((edition.language, edition.folder) for edition in editions),
        for_fleet=agencies is None,
        compared=issue.compared,
        peers={
            tier: peers_of(scores.agencies, inventory.agencies, tier)
            for tier in {agency.tier for agency in inventory.agencies.values()}
        },
    )
    pages: list[str] = []
    digests: dict[str, Digest] = {}
    hosts = sum(len(scores.agencies[id].members) for id in chosen)
    size = min(processes, hosts // hosts_a_process)
    with Crew(press, size if size > 1 else 0) as crew:
        for printed in crew.do(_shares(chosen, scores, inventory)):
            pages += printed.pages
            digests |= printed.digests
    if agencies is not None:
        for folder in folders:
            folder.add(pages)
        return [edition.folder / page for edition in editions for page in pages]
    views = fleet_views(_fleet(store, issue, scores, inventory, digests))
    written: list[Path] = []
    for edition, folder in zip(editions, folders, strict=True):
        of_fleet = [folder.write(name, text) for name, text in render_fleet(views, edition.language)]
        folder.complete([*of_fleet, *pages])
        written += [edition.folder / page for page in (*of_fleet, *pages)]
    return written


def _groups(scores: Scores) -> Scores:
    """Without the hosts, who are many."""
    adjusted = replace(scores.adjusted, hosts={}) if scores.adjusted else None
    return replace(scores, hosts={}, adjusted=adjusted)


def _documents(store: Store, run: int, agencies: Collection[str] | None) -> list[dict[str, Any]]:
    """The inventory of the run; of agencies that are not asked for, no hosts: a country's take half a second."""
    documents = store.inventory_of(run)
    return [
        one if agencies is None or id in agencies else {**one, "hosts": [], "members": []}
        for id, one in documents.items()
    ]


def _shares(chosen: Sequence[str], scores: Scores, inventory: Inventory) -> Iterator[Share]:
    """Some agencies at a time, so many that about a batch of hosts is read in one go."""
    memberships: dict[str, list[int]] = {}
    for place, membership in enumerate(inventory.memberships):
        memberships.setdefault(membership.host, []).append(place)
    some: list[str] = []
    hosts = 0
    for id in chosen:
        some.append(id)
        hosts += len(scores.agencies[id].members)
        if hosts >= HOSTS_AT_ONCE:
            yield _share(some, scores, inventory, memberships)
            some, hosts = [], 0
    if some:
        yield _share(some, scores, inventory, memberships)


def _share(
    agencies: Sequence[str], scores: Scores, inventory: Inventory, memberships: Mapping[str, Sequence[int]]
) -> Share:
    members = [host for id in agencies for host in scores.agencies[id].members]
    adjusted = scores.adjusted.hosts if scores.adjusted else {}
    return Share(
        agencies=tuple(id for id in agencies if id in inventory.agencies),
        scores={host: scores.hosts[host] for host in members if host in scores.hosts},
        adjusted={host: adjusted[host] for host in members if host in adjusted},
        hosts={host: inventory.hosts[host] for host in members if host in inventory.hosts},
        memberships=tuple(
            inventory.memberships[place] for host in members for place in memberships.get(host, ())
        ),
    )


def _fleet(
    store: Store, issue: Issue, scores: Scores, inventory: Inventory, digests: Mapping[str, Digest]
) -> FleetData:
    return FleetData(
        agencies={id: inventory.agencies[id] for id in digests},
        scores=scores.agencies,
        tiers=scores.tiers,
        whole=scores.whole,
        digests=digests,
        baseline=issue.baseline,
        stamp=scores.stamp,
        tz=issue.tz,
        checks=issue.checks,
        adjusted=scores.adjusted,
        before=_before(store, issue.run),
    )


def _before(store: Store, run: int) -> Before | None:
    """The scores of the newest run before this one that was judged."""
    earlier = next((one.id for one in store.runs() if one.id < run and one.judged_at is not None), None)
    if earlier is None:
        return None
    scores = store.scores(earlier, hosts_of=())
    return Before(scores.stamp, scores.agencies, scores.whole)
