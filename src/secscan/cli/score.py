"""secscan score: judge what is stored again."""

import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import out, table, write
from secscan.language import _, plural

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from secscan.model import Judgement


@click.command("score")
@options.workspace
@options.profile
@click.option(
    "--as-of", metavar="T", help="A day (its end), an instant such as 2026-01-31T12:00, or now; default: now."
)
@click.option("--history", is_flag=True, help="Every finished run at its own instant, one line each.")
@click.option(
    "--known",
    type=click.Choice(["then", "now"]),
    default="then",
    show_default=True,
    help="Imported data as it was known at that instant, or as it is known now.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(
    workspace: str | None, profile: str | None, as_of: str | None, history: bool, known: str, form: str
) -> None:
    """Judge stored facts again, by any baseline and as of any instant. Sends no packet and stores nothing.

    Checks are those of today. Imported data is as it was known then, unless --known now.
    """
    from secscan.baseline import load_baseline
    from secscan.cli import assessment
    from secscan.cli.parts import clock, find_all_checks, open_store, open_workspace, workers_by_default
    from secscan.engine.replay import Sources, replay, replay_history
    from secscan.inventory import inventory_from_documents
    from secscan.scope import utc_now

    if history and as_of:
        raise click.UsageError(_("--history takes every run at its own instant; leave out --as-of"))
    place = open_workspace(workspace)
    checks = find_all_checks(None, place)
    baseline = load_baseline(profile or place.load_settings().profile, checks, folder=place.profiles)
    sources = Sources(place.load_anchors(), place.feeds)
    known_now = known == "now"
    with open_store(place) as store:
        if history:
            every = sorted((run.judged_at, run.id) for run in store.runs() if run.judged_at is not None)
            since = store.complete_since()
            judged = [(at, run) for at, run in every if since is None or at >= since]
            if len(judged) < len(every):
                left_out = plural("{n} run is left out", "{n} runs are left out", len(every) - len(judged))
                click.echo(
                    _("{runs}: what they rested on was pruned (secscan db prune).").format(runs=left_out),
                    err=True,
                )
            replayed = replay_history(
                store,
                [at for at, _run in judged],
                baseline=baseline,
                sources=sources,
                known_now=known_now,
                processes=workers_by_default(),
            )
            with contextlib.closing(replayed):
                # What hosts scored is not shown, and would be most of what is held in memory.
                rows = [
                    (str(run), replace(judgement, hosts={}))
                    for (_at, run), judgement in zip(judged, replayed, strict=True)
                ]
            _print_history(rows, clock(place), form)
            return
        at = utc_now() if as_of in (None, "now") else _instant(as_of or "", place.time_zone())
        judgement = replay(
            store, at, baseline=baseline, sources=sources, known_now=known_now, whole=form == "json"
        )
        inventory = inventory_from_documents(store.inventory_of(judgement.stamp.run or 0))
    shown = assessment.Shown(judgement, inventory, baseline, checks)
    if form == "json":
        write(assessment.as_json(shown))
        return
    click.echo(
        _("What was seen by {at}, judged by {baseline}:").format(at=clock(place)(at), baseline=baseline.name)
    )
    assessment.print_agencies(shown)


def _instant(text: str, zone: "tzinfo") -> datetime:
    """A day stands for its last moment; what names no zone is in the workspace's."""
    try:
        if len(text) <= len("2026-01-31"):
            end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), zone)
            return end.astimezone(UTC) - timedelta(microseconds=1)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            _("{value!r} is no day and no instant; write 2026-01-31, or 2026-01-31T12:00").format(value=text),
            param_hint="--as-of",
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def _print_history(rows: "list[tuple[str, Judgement]]", when: "Callable[[datetime], str]", form: str) -> None:
    from secscan.report import formats

    if form == "json":
        from secscan.report.json_export import to_json

        entries = [
            {
                "run": int(run),
                "at": one.stamp.at.isoformat(),
                "verified": str(one.whole.range.verified) if one.whole.range else None,
                "possible": str(one.whole.range.possible) if one.whole.range else None,
                "agencies": {id: str(g.range.verified) for id, g in one.agencies.items() if g.range},
            }
            for run, one in rows
        ]
        write(to_json({"history": entries}))
        return
    shown = [
        (
            run,
            when(one.stamp.at),
            one.whole.grade,
            formats.score(one.whole.range.verified) if one.whole.range else "",
            formats.percent(one.whole.coverage.share),
            f"{sum(g.meets_baseline for g in one.agencies.values())}/{len(one.agencies)}",
        )
        for run, one in rows
    ]
    columns = [_("Run"), _("At"), _("Grade"), _("Score"), _("Coverage"), _("Meets")]
    out().print(table("", columns, shown, right=[0, 3, 4, 5]))
