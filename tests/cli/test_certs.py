"""secscan certs: the expiry calendar of a fleet that was scanned, as a table, JSON and CSV."""

import csv
import io
from datetime import timedelta
from pathlib import Path

import click
import pytest

from secscan.cli.certs import Days
from tests.cli.conftest import Secscan, as_json


def test_one_renewal_is_one_line(scanned: Path, secscan: Secscan) -> None:
    document = as_json(secscan("certs", "-C", scanned, "--format", "json"))
    places = [[(s["host"], s["port"]) for s in one["services"]] for one in document["certificates"]]
    assert places == [[("bad-1", 8443)], [("bad-1", 9443), ("good-1", 8443)]]


def test_what_ends_later_is_left_out(scanned: Path, secscan: Secscan) -> None:
    document = as_json(secscan("certs", "-C", scanned, "--expiring", "1w", "--format", "json"))
    [over] = document["certificates"]
    assert over["days_left"] < 0
    assert over["names"] == ["b.example"]


def test_an_agency_without_certificates_has_no_line(scanned: Path, secscan: Secscan) -> None:
    done = secscan("certs", "-C", scanned, "--agency", "two")
    assert done.stdout == "0 certificates to renew, 0 of them past their end.\n"


def test_the_table_says_where_and_whose(scanned: Path, secscan: Secscan) -> None:
    done = secscan("certs", "-C", scanned)
    assert "bad-1:9443 (b.example), good-1:8443 (a.example)" in done.stdout
    assert "Agency One" in done.stdout
    assert done.stdout.endswith("2 certificates to renew, 1 of them past their end.\n")


def test_csv_has_a_line_a_certificate(scanned: Path, secscan: Secscan) -> None:
    done = secscan("certs", "-C", scanned, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout.removeprefix("\ufeff"))))
    assert [row["hosts"] for row in rows] == ["bad-1", "bad-1 good-1"]
    assert [row["agencies"] for row in rows] == ["one", "one"]


@pytest.mark.parametrize(("time", "days"), [("60d", 60), ("8w", 56), ("0d", 0)])
def test_a_time_is_days_or_weeks(time: str, days: int) -> None:
    assert Days().convert(time, None, None) == timedelta(days=days)


@pytest.mark.parametrize("time", ["60", "d", "-1d", "1y", "99999d", ""])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time: write days or weeks, such as 60d or 8w"):
        Days().convert(time, None, None)


def test_a_workspace_that_was_never_scanned_says_what_to_do(workspace: Path, secscan: Secscan) -> None:
    done = secscan("certs", "-C", workspace)
    assert done.returncode == 2
    assert "secscan scan" in done.stderr
