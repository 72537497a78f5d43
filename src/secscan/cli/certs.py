"""secscan certs: when certificates end, one line a renewal."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from secscan.cli import options
from secscan.cli.console import out, table, write
from secscan.language import _, in_use, plural

if TYPE_CHECKING:
    from secscan.engine.renewals import Renewal, Use
    from secscan.model import Inventory

#: What a column of the CSV holds; programs read them by these names, so they are the same in every language.
COLUMNS = (
    *("not_after", "days_left", "subject", "names", "issuer", "serial", "sha256"),
    *("agencies", "services", "hosts", "elsewhere", "last_seen"),
)

#: More services than this are counted, not listed, on the terminal.
MOST_PLACES = 4


class Days(click.ParamType[timedelta]):
    """A time in days or weeks: ``60d``, ``8w``."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        shape = re.fullmatch(r"(\d{1,4})([dw])", str(value))
        if shape is None:
            self.fail(
                _("{value!r} is no time: write days or weeks, such as 60d or 8w").format(value=value),
                param,
                ctx,
            )
        return timedelta(days=int(shape[1]) * (7 if shape[2] == "w" else 1))


@click.command("certs")
@options.workspace
@options.agencies
@click.option("--expiring", type=Days(), help="Only those that end within this time, or have ended: 60d, 8w.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def command(workspace: str | None, agencies: tuple[str, ...], expiring: timedelta | None, form: str) -> None:
    """List the servers' certificates as they were last seen, the first to end on top.

    A certificate that several services use is renewed once, so it is one line. With --agency those of an agency and of
    all below it are listed; that others use one too is counted.
    """
    from secscan.cli.parts import open_store, open_workspace, with_children
    from secscan.engine.renewals import KINDS, renewals
    from secscan.inventory import inventory_from_documents
    from secscan.scope import utc_now

    place = open_workspace(workspace)
    now = utc_now()
    with open_store(place) as store:
        runs = store.runs(1)
        if not runs:
            raise click.UsageError(_("Nothing was scanned yet; begin with: secscan scan"))
        inventory = inventory_from_documents(store.inventory_of(runs[0].id))
        chosen = with_children(inventory, agencies) if agencies else ()
        owned = sorted({m.host for m in inventory.memberships if m.covers(now.date())})
        found = renewals(inventory, store.evidence(now, owned, kinds=KINDS), now, agencies=chosen)
    shown = [one for one in found if expiring is None or one.left(now) <= expiring]
    match form:
        case "json":
            write(_json(shown, now))
        case "csv":
            write(_csv(shown, now))
        case _:
            _print(shown, inventory, now)


# --- On the terminal ------------------------------------------------------------------------------------


def _print(shown: "Sequence[Renewal]", inventory: "Inventory", now: datetime) -> None:
    from secscan.report import formats

    rows = [
        (
            formats.day(one.certificate.not_after),
            str(one.left(now).days),
            one.certificate.holder,
            one.certificate.issuer or "?",
            ", ".join(inventory.agencies[id].name(in_use()) for id in _agencies(one)),
            _places(one),
        )
        for one in shown
    ]
    columns = [_("Ends"), _("Days left"), _("Certificate"), _("Issuer"), _("Agency"), _("Where")]
    if rows:
        out().print(table("", columns, rows, right=[1]))
    over = sum(one.left(now) < timedelta() for one in shown)
    said = plural("{n} certificate to renew", "{n} certificates to renew", len(rows))
    click.echo(_("{certificates}, {over} of them past their end.").format(certificates=said, over=over))


def _places(one: "Renewal") -> str:
    places = [_place(use) for use in one.uses[:MOST_PLACES]]
    if len(one.uses) > MOST_PLACES:
        places.append(plural("and {n} more", "and {n} more", len(one.uses) - MOST_PLACES))
    if one.elsewhere:
        places.append(
            plural("and {n} host of other agencies", "and {n} hosts of other agencies", one.elsewhere)
        )
    return ", ".join(places)


def _place(use: "Use") -> str:
    name = use.service.server_name
    return f"{use.service.host}:{use.service.port}" + (
        f" ({name})" if name and name != use.service.host else ""
    )


# --- For programs ---------------------------------------------------------------------------------------


def _json(shown: "Sequence[Renewal]", now: datetime) -> str:
    from secscan.report.json_export import to_json

    certificates = [
        {
            "sha256": one.certificate.sha256,
            "subject": one.certificate.subject,
            "names": list(one.names),
            "issuer": one.certificate.issuer,
            "serial": one.certificate.serial,
            "not_before": _instant(one.certificate.not_before),
            "not_after": _instant(one.certificate.not_after),
            "days_left": one.left(now).days,
            "services": [
                {
                    "agency": use.agency,
                    "host": use.service.host,
                    "transport": use.service.transport,
                    "port": use.service.port,
                    "server_name": use.service.server_name,
                    "addresses": list(use.addresses),
                    "last_seen": _instant(use.seen_at),
                }
                for use in one.uses
            ],
            "elsewhere": one.elsewhere,
        }
        for one in shown
    ]
    return to_json({"schema": 1, "kind": "certificates", "at": _instant(now), "certificates": certificates})


def _csv(shown: "Sequence[Renewal]", now: datetime) -> str:
    from secscan.report.csv_export import csv_lines, instant_cell

    rows = (
        {
            "not_after": instant_cell(one.certificate.not_after),
            "days_left": str(one.left(now).days),
            "subject": one.certificate.subject or "",
            "names": " ".join(one.names),
            "issuer": one.certificate.issuer or "",
            "serial": one.certificate.serial,
            "sha256": one.certificate.sha256,
            "agencies": " ".join(_agencies(one)),
            "services": ", ".join(map(_place, one.uses)),
            "hosts": " ".join(dict.fromkeys(use.service.host for use in one.uses)),
            "elsewhere": str(one.elsewhere),
            "last_seen": instant_cell(min(use.seen_at for use in one.uses)),
        }
        for one in shown
    )
    return "".join(csv_lines(COLUMNS, rows))


def _agencies(one: "Renewal") -> list[str]:
    return list(dict.fromkeys(use.agency for use in one.uses))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
