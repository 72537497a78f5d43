"""Progress of a look: a bar on a terminal, a plain line now and then elsewhere. Always on standard error."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from secscan.cli.console import err
from secscan.engine.looking import Progress
from secscan.language import _
from secscan.model import Host

#: Seconds between plain lines.
LINE_EVERY = 10.0


@contextmanager
def showing(hosts: Sequence[Host]) -> Iterator[Callable[[Progress], None]]:
    """Within the block, the function it gives shows how far the look at ``hosts`` has come."""
    console = err()
    if not console.is_terminal:
        yield _plain_lines()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bar,
    )

    with Bar(
        SpinnerColumn(),
        TextColumn(_("hosts")),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[seen]}"),
        TimeElapsedColumn(),
        TextColumn(_("left")),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=len(hosts), seen="")
        began = time.monotonic()

        def show(done: Progress) -> None:
            rate = done.records / max(0.001, time.monotonic() - began)
            seen = _("{records} records, {unobserved} not seen, {rate} a second").format(
                records=done.records, unobserved=done.unobserved, rate=f"{rate:.0f}"
            )
            bar.update(task, completed=done.hosts_done, seen=seen)

        yield show


def _plain_lines() -> Callable[[Progress], None]:
    last = time.monotonic()

    def show(done: Progress) -> None:
        nonlocal last
        if time.monotonic() - last < LINE_EVERY and done.hosts_done < done.hosts:
            return
        last = time.monotonic()
        line = _("{done} of {hosts} hosts, {records} records, {unobserved} not seen").format(
            done=done.hosts_done, hosts=done.hosts, records=done.records, unobserved=done.unobserved
        )
        click.echo(line, err=True)

    return show
