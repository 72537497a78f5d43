"""The table of ends of life that comes along: each row from a source that is named, and as that source has it."""

import csv
import gzip
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tools import end_of_life as tool


def test_every_row_says_where_it_is_from_and_of_when() -> None:
    rows = tool.read_table(tool.TABLE)
    assert len({(row.product, row.release) for row in rows}) == len(rows)
    for row in rows:
        assert re.match(
            r"endoflife\.date .*\.(md|json)|distro-info-data \d|https://|Amazon Linux 2023 User", row.source
        )
        assert date.fromisoformat(row.as_of) <= datetime.now(UTC).date()
        assert not row.extended or date.fromisoformat(row.extended) >= date.fromisoformat(row.ends)


def test_the_table_is_in_order_as_it_would_be_written() -> None:
    assert tool.written(tool.read_table(tool.TABLE)) == tool.TABLE.read_text("utf-8")


def test_the_table_is_what_the_pages_say(corpus: Path) -> None:
    pages = list(tool.from_pages(corpus / "endoflife"))
    assert {row.product for row in pages} == {"rhel", "almalinux", "rocky", "windows-server"}
    table = {(row.product, row.release): row for row in tool.read_table(tool.TABLE)}
    assert pages == [table[row.product, row.release] for row in pages]
    assert {
        r for r in table.values() if r.product in {"rhel", "almalinux", "rocky", "windows-server"}
    } == set(pages)


@pytest.mark.parametrize("product", ["debian", "ubuntu"])
def test_the_table_is_what_distro_info_says(product: str, corpus: Path) -> None:
    table = {row.release: row for row in tool.read_table(tool.TABLE) if row.product == product}
    seen = 0
    for said in csv.DictReader((corpus / f"{product}.csv").read_text("utf-8").splitlines()):
        row = table.get((said["version"] or "").removesuffix(" LTS"))
        if row is not None:
            seen += 1
            days = [said.get(k) or "" for k in ("eol", "eol-server", "eol-lts")]
            paid = [said.get(k) or "" for k in ("eol-elts", "eol-esm", "eol-legacy")]
            assert (row.ends, row.extended) == (max(days), max(paid))
    # The corpus may be older by a release than what the table was written from.
    assert seen >= len(table) - 1


PAGE = """---
title: Rocky Linux
releases:
  - releaseCycle: "10"
    releaseDate: 2025-06-11
    eol: 2035-05-31
    latestReleaseDate: 2026-05-29
---
> Text.
"""


def test_a_newer_page_renews_its_product_and_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "rocky-linux.md").write_text(PAGE)
    table = tmp_path / "table.csv"
    table.write_text(tool.TABLE.read_text("utf-8"))
    arguments = ["--endoflife", str(tmp_path), "--file", str(table)]
    assert tool.main([*arguments, "--check"]) == 1
    assert tool.main(arguments) == 0
    assert tool.main([*arguments, "--check"]) == 0
    rows = tool.read_table(table)
    assert [tuple(row) for row in rows if row.product == "rocky"] == [
        (
            "rocky",
            "10",
            "Rocky Linux 10",
            "2035-05-31",
            "",
            "2026-05-29",
            "endoflife.date products/rocky-linux.md",
        )
    ]
    assert {row.product for row in rows} == set(tool.ORDER)


def test_distro_info_is_dated_by_its_changelog(tmp_path: Path) -> None:
    folder, documents = tmp_path / "usr/share/distro-info", tmp_path / "usr/share/doc/distro-info-data"
    folder.mkdir(parents=True)
    documents.mkdir(parents=True)
    (folder / "debian.csv").write_text(
        "version,codename,series,created,release,eol,eol-lts,eol-elts\n"
        "12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-07-11,2028-06-30,2033-06-30\n14,Forky,forky,2025-08-09\n"
    )
    (folder / "ubuntu.csv").write_text(
        "version,codename,series,created,release,eol,eol-server,eol-esm,eol-legacy\n"
    )
    (documents / "changelog.gz").write_bytes(
        gzip.compress(
            b"distro-info-data (0.1) x; urgency=low\n\n -- A <a@b>  Sat, 25 Apr 2026 09:18:53 -0400\n"
        )
    )
    assert [tuple(row) for row in tool.from_distro_info(tmp_path)] == [
        (
            *("debian", "12", "Debian 12 (bookworm)", "2028-06-30", "2033-06-30", "2026-04-25"),
            "distro-info-data 0.1",
        )
    ]
