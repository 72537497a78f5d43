"""secscan waivers: what is waived, by whose leave, until when."""

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from secscan.cli import options
from secscan.cli.console import out, table, write
from secscan.language import _

if TYPE_CHECKING:
    from secscan.history.waivers import Waiving
    from secscan.model import Waiver
    from secscan.store import Scores


@click.command("waivers")
@options.workspace
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(workspace: str | None, form: str) -> None:
    """List the waivers with what has become of them, by the newest judgement and as of today.

    in force: covers failures; void: what it covers has changed since; expired: its last day is over; fits nothing:
    no failure is as it says. A waiver in waivers.toml is a table [[waiver]] with reason, owner, approver, expires,
    and a finding, or patterns such as tls.* for agency, role, check and object.
    """
    from secscan.cli.parts import open_store, open_workspace
    from secscan.engine.settling import places
    from secscan.history.waivers import weigh
    from secscan.inventory import inventory_from_documents
    from secscan.model import Outcome
    from secscan.scope import utc_now

    place = open_workspace(workspace)
    now = utc_now()
    today = now.astimezone(place.time_zone()).date()
    waivers = place.load_waivers(today)
    with open_store(place) as store:
        run = store.newest_judged_run()
        inventory = inventory_from_documents(store.inventory_of(run))
        waiving = weigh(
            waivers,
            store.findings(run, outcomes=[Outcome.FAIL]),
            places(inventory, now),
            accepted=store.accepted(),
            day=today,
        )
        scores = store.scores(run)
    rows = [_row(waiver, waiving) for waiver in waivers]
    if form == "json":
        from secscan.report.json_export import to_json

        write(to_json({"run": run, "waivers": rows, "agencies": _agencies(scores)}))
        return
    if not rows:
        click.echo(_("Nothing is waived. See: secscan waive --help"))
        return
    words = {
        "in-force": _("in force"),
        "void": _("void: the evidence has changed"),
        "expired": _("expired"),
        "unused": _("fits nothing"),
    }
    columns = [_("State"), _("What"), _("Findings"), _("Until"), _("Leave of"), _("Owner"), _("Reason")]
    out().print(
        table(
            "",
            columns,
            [
                (
                    words[row["state"]],
                    row["what"],
                    str(len(row["findings"])),
                    row["expires"],
                    row["approver"] + (f" ({row['approved_by']})" if row["approved_by"] else ""),
                    row["owner"],
                    row["reason"],
                )
                for row in rows
            ],
            right=[2],
        )
    )
    _print_scores(scores)


def _agencies(scores: "Scores") -> list[dict[str, Any]]:
    """Inherent and adjusted scores side by side, of the agencies where anything was waived when they were judged."""
    from secscan.scoring import MUCH_WAIVED

    if scores.adjusted is None:
        return []
    return [
        {
            "agency": id,
            "inherent": str(inherent.range.verified),
            "inherent_grade": inherent.grade,
            "adjusted": str(group.range.verified),
            "adjusted_grade": group.grade,
            "waived_share": str(group.waived_share),
            "much_waived": group.waived_share > MUCH_WAIVED,
        }
        for id, group in scores.adjusted.agencies.items()
        if (inherent := scores.agencies[id]).range is not None and group.range is not None
    ]


def _print_scores(scores: "Scores") -> None:
    from secscan.report import formats

    rows = [
        (
            row["agency"],
            f"{formats.score(Fraction(row['inherent']))} {row['inherent_grade']}",
            f"{formats.score(Fraction(row['adjusted']))} {row['adjusted_grade']}",
            formats.percent(Fraction(row["waived_share"])),
            _("much is waived") if row["much_waived"] else "",
        )
        for row in _agencies(scores)
    ]
    if rows:
        columns = [_("Agency"), _("Inherent"), _("Adjusted"), _("Waived weight"), ""]
        out().print(table(_("Scores of the newest run"), columns, rows, right=[1, 2, 3]))


def _row(waiver: "Waiver", waiving: "Waiving") -> dict[str, Any]:
    covered = sorted(id for id, one in waiving.covered.items() if one.key == waiver.key)
    void = sorted(id for id, one in waiving.void.items() if one.key == waiver.key)
    patterns = {name: getattr(waiver, name) for name in ("agency", "role", "check", "object")}
    what = waiver.finding or ", ".join(f"{name} {pattern}" for name, pattern in patterns.items() if pattern)
    state = "in-force"
    if waiver in waiving.expired:
        state = "expired"
    elif void and not covered:
        state = "void"
    elif waiver in waiving.unused:
        state = "unused"
    return {
        "key": waiver.key,
        "line": waiver.line,
        "state": state,
        "what": what,
        "findings": covered,
        "void": void,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "approver": waiver.approver,
        "approved_by": waiver.approved_by,
        "expires": waiver.expires.isoformat(),
    }
