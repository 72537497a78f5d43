"""All pages of a judgement in all languages: agencies are shared among processes, the fleet's pages come of digests."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.engine.crew import Crew
from secscan.engine.replay import Compared
from secscan.engine.settling import BATCH, crew_size
from secscan.inventory import inventory_from_documents
from secscan.model import Adjusted, Inventory, Judgement, Waiver
from secscan.publication.press import Press, Share
from secscan.report.folder import ReportFolder
from secscan.report.rendering import render_fleet
from secscan.report.views import Before, Digest, FleetData, fleet_views
from secscan.report.views.given import peers_of
from secscan.store import Scores, Store


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
) -> list[Path]:
    """Writes every edition and returns the pages' paths, the first edition's index first.

    With ``agencies``, only their scorecards are renewed; without, the reports are whole: the fleet's pages are written,
    and scorecards of agencies that are gone are removed. Pages that did not change are left alone.
    Raises StoreError where the run was not judged, ReportError where a folder holds something else.
    """
    scores = store.scores(issue.run)
    inventory = inventory_from_documents(store.inventory_of(issue.run))
    chosen = [id for id in sorted(scores.agencies) if agencies is None or id in agencies]
    folders = [ReportFolder(edition.folder) for edition in editions]
    for folder in folders:
        folder.begin()
    press = Press(
        location=store.location,
        kinds=store.kinds,
        run=issue.run,
        baseline=issue.baseline,
        checks=issue.checks,
        tz=issue.tz,
        waivers=issue.waivers,
        editions=tuple((edition.language, edition.folder) for edition in editions),
        for_fleet=agencies is None,
        compared=issue.compared,
    )
    pages: list[str] = []
    digests: dict[str, Digest] = {}
    hosts = sum(len(scores.agencies[id].members) for id in chosen)
    with Crew(press, crew_size(hosts, processes)) as crew:
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


def _shares(chosen: Sequence[str], scores: Scores, inventory: Inventory) -> Iterator[Share]:
    """Some agencies at a time, so many that about a batch of hosts is read in one go."""
    memberships: dict[str, list[int]] = {}
    for place, membership in enumerate(inventory.memberships):
        memberships.setdefault(membership.host, []).append(place)
    tiers = {agency.tier for agency in inventory.agencies.values()}
    peers = {tier: peers_of(scores.agencies, inventory.agencies, tier) for tier in tiers}
    some: list[str] = []
    hosts = 0
    for id in chosen:
        some.append(id)
        hosts += len(scores.agencies[id].members)
        if hosts >= BATCH:
            yield replace(_share(some, scores, inventory, memberships), peers=peers)
            some, hosts = [], 0
    if some:
        yield replace(_share(some, scores, inventory, memberships), peers=peers)


def _share(
    agencies: Sequence[str], scores: Scores, inventory: Inventory, memberships: Mapping[str, Sequence[int]]
) -> Share:
    """What is known of these agencies and of no other, but for the names of those above them."""
    members = [host for id in agencies for host in scores.agencies[id].members]
    known = [id for id in agencies if id in inventory.agencies]
    parents = [inventory.agencies[id].parent for id in known]
    shown = {*known, *(id for id in parents if id is not None and id in inventory.agencies)}
    adjusted = scores.adjusted
    return Share(
        agencies=tuple(known),
        judgement=Judgement(
            stamp=scores.stamp,
            findings={},
            hosts={host: scores.hosts[host] for host in members if host in scores.hosts},
            agencies={id: scores.agencies[id] for id in agencies},
            tiers=scores.tiers,
            whole=scores.whole,
            adjusted=None
            if adjusted is None
            else replace(
                adjusted,
                hosts={host: adjusted.hosts[host] for host in members if host in adjusted.hosts},
                agencies={id: adjusted.agencies[id] for id in agencies if id in adjusted.agencies},
            ),
        ),
        inventory=Inventory(
            agencies={id: inventory.agencies[id] for id in sorted(shown)},
            hosts={host: inventory.hosts[host] for host in members if host in inventory.hosts},
            memberships=tuple(
                inventory.memberships[place] for host in members for place in memberships.get(host, ())
            ),
        ),
    )


def _fleet(
    store: Store, issue: Issue, scores: Scores, inventory: Inventory, digests: Mapping[str, Digest]
) -> FleetData:
    adjusted: Adjusted | None = scores.adjusted
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
        adjusted=adjusted,
        before=_before(store, issue.run),
    )


def _before(store: Store, run: int) -> Before | None:
    """The scores of the newest run before this one that was judged."""
    earlier = next((one.id for one in store.runs() if one.id < run and one.judged_at is not None), None)
    if earlier is None:
        return None
    scores = store.scores(earlier)
    return Before(scores.stamp, scores.agencies, scores.whole)
