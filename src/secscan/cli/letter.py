"""secscan letter: what an agency's owner has to mend, told once and at the right times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.language import _, in_use, plural

if TYPE_CHECKING:
    from secscan.cli.listing import Listing
    from secscan.history.letters import Item
    from secscan.model import Agency
    from secscan.report.views.letter import LetterView
    from secscan.store import Store
    from secscan.workspace import Workspace


@click.command("letter")
@options.workspace
@options.agencies
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to; needed without --dry-run.",
)
@click.option("--lang", "language", type=click.Choice(["en", "vi"]), help="Default: the language in use.")
@click.option("--dry-run", is_flag=True, help="Show what would be told, and keep nothing of it.")
def command(
    workspace: str | None,
    agencies: tuple[str, ...],
    folder: Path | None,
    language: str | None,
    dry_run: bool,
) -> None:
    """Write a letter to the owner of each agency that has anything new, due, overdue or fixed.

    DIR/ID-letter-N.txt for mail, and .html. A thing is told when it is first seen, halfway to its deadline, the day
    before, and every week after it: what was told is kept, and never told twice. [letters] in secscan.toml sets the
    pace. No mail is sent.
    """
    from secscan.cli.parts import open_store, open_workspace
    from secscan.scope import utc_now

    if folder is None and not dry_run:
        raise click.UsageError(_("Where to? Give a folder with --out, or look first with --dry-run"))
    place = open_workspace(workspace)
    with open_store(place) as store:
        drafts = write_drafts(store, place, agencies, utc_now())
        for draft in drafts:
            if dry_run or folder is None:
                click.echo(draft.text(language or in_use()))
                continue
            for path in draft.write(folder, language or in_use()):
                click.echo(str(path))
            # Once it is on disk: a letter that is written twice is better than one that never was.
            draft.keep(store)
    said = (
        plural("{n} letter would be written.", "{n} letters would be written.", len(drafts))
        if dry_run
        else plural("Wrote {n} letter.", "Wrote {n} letters.", len(drafts))
    )
    click.echo(said, err=True)


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter that is not out yet."""

    agency: str
    number: int
    at: datetime
    run: int
    hosts: Sequence[str]
    items: "Sequence[Item]"
    view: "LetterView"

    def text(self, language: str) -> str:
        from secscan.report.letter import letter_text

        return letter_text(self.view, language)

    def write(self, folder: Path, language: str) -> tuple[Path, Path]:
        """The paths of the text and of the page."""
        from secscan.report.letter import letter_html

        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.agency}-letter-{self.number}"
        text, page = folder / f"{stem}.txt", folder / f"{stem}.html"
        text.write_text(self.text(language), "utf-8")
        page.write_text(letter_html(self.view, language), "utf-8")
        return text, page

    def keep(self, store: "Store") -> None:
        from secscan.store.letters import Letter

        told = {item.told for item in self.items}
        store.add_letter(Letter(self.agency, self.number, self.at, self.run), told, self.hosts)


def write_drafts(store: "Store", place: "Workspace", agencies: Sequence[str], at: datetime) -> list[Draft]:
    """The letters of ``at`` to these agencies and those below them, or to all; none to whom there is nothing to say."""
    from secscan.cli.listing import list_findings, read_judged
    from secscan.cli.parts import with_children
    from secscan.inventory import inventory_from_documents
    from secscan.model import Outcome

    run = store.newest_judged_run()
    judged = read_judged(store, place, run)
    owners = store.owners(run)
    tree = inventory_from_documents(
        [{**one, "hosts": [], "members": []} for one in judged.documents.values()]
    )
    drafts = []
    for agency in with_children(tree, agencies):
        hosts = sorted(host for host, owner in owners.items() if owner == agency)
        if not hosts:
            continue
        listing = list_findings(store, judged, hosts=hosts, owners=owners, outcomes={Outcome.FAIL})
        draft = _draft(store, place, listing, agency=tree.agencies[agency], hosts=hosts, at=at)
        if draft is not None:
            drafts.append(draft)
    return drafts


def _draft(
    store: "Store",
    place: "Workspace",
    listing: "Listing",
    *,
    agency: "Agency",
    hosts: Sequence[str],
    at: datetime,
) -> Draft | None:
    from secscan.history.letters import Pace, due_items
    from secscan.report.views.letter import LetterData, letter_view

    settings = place.load_settings()
    pace = Pace(settings.letters_half, settings.letters_every)
    items = due_items(listing.aged.values(), store.told_of(hosts), at, pace)
    if not items:
        return None
    number = len(store.letters_to(agency.id)) + 1
    run = listing.stamp.run or 0
    findings = store.last_failures([item.aged.life.finding for item in items])
    view = letter_view(
        LetterData(
            agency=agency,
            number=number,
            at=at,
            items=items,
            findings=findings,
            checks=listing.checks,
            standing=sum(one.life.is_open and not one.life.waiver for one in listing.aged.values()),
            stamp=listing.stamp,
            tz=place.time_zone(),
        )
    )
    return Draft(agency.id, number, at, run, hosts, items, view)
