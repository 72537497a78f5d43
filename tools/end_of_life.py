"""Writes the table of ends of life that comes with secscan, from the files of those who keep such dates; --check compares.

Rows of products whose page is not in the folder stay as they are: each says where it is from. No row is written by hand
without a source that can be looked up.
"""

import argparse
import csv
import gzip
import io
import re
import sys
from collections.abc import Iterator
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

TABLE = Path(__file__).parent.parent / "src/secscan/feeds/end-of-life.csv"

#: Pages of endoflife.date, in the order of the table: what os-release(5) calls the product, and what people do.
PAGES = {
    "rhel": ("rhel", "Red Hat Enterprise Linux"),
    "almalinux": ("almalinux", "AlmaLinux"),
    "rocky-linux": ("rocky", "Rocky Linux"),
    "windows-server": ("windows-server", "Windows Server"),
}
#: Of several service packs the last counts, for the others get no updates. Releases that are not here are left out.
WINDOWS = {
    "2003-sp2": "2003",
    "2008-sp2": "2008",
    "2008-r2-sp1": "2008-r2",
    **{name: name for name in ("2012", "2012-r2", "2016", "2019", "2022", "23h2-ac", "2025")},
}
#: The oldest releases of these that are told of.
OLDEST = {"debian": 7.0, "ubuntu": 12.04, "rhel": 5.0}
ORDER = (
    "debian",
    "ubuntu",
    "rhel",
    "almalinux",
    "rocky",
    "centos",
    "ol",
    "sles",
    "amzn",
    "alpine",
    "windows-server",
)


class Row(NamedTuple):
    """``as_of`` is a day on which ``source`` said so; ``extended`` is for those who pay."""

    product: str
    release: str
    name: str
    ends: str
    extended: str
    as_of: str
    source: str


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where ``--check`` finds another table than it would write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--endoflife", type=Path, help="pages of endoflife.date (products/*.md of its repository)"
    )
    parser.add_argument(
        "--distro-info",
        type=Path,
        help="where the package distro-info-data is unpacked; / where it is installed",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if the table says otherwise"
    )
    parser.add_argument("--file", type=Path, default=TABLE)
    options = parser.parse_args(arguments)
    rows = read_table(options.file)
    made: list[list[Row]] = []
    if options.endoflife:
        made.append(list(from_pages(options.endoflife)))
    if options.distro_info:
        made.append(list(from_distro_info(options.distro_info)))
    for fresh in made:
        renewed = {row.product for row in fresh}
        rows = [row for row in rows if row.product not in renewed] + fresh
    text = written(rows)
    if not options.check:
        options.file.write_text(text, encoding="utf-8")
        return 0
    if options.file.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{options.file} is not what the sources say; run it without --check\n")
    return 1


def read_table(path: Path) -> list[Row]:
    return [Row(**row) for row in csv.DictReader(path.read_text("utf-8").splitlines())]


def written(rows: list[Row]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Row._fields)
    ordered: list[Row] = sorted(rows, key=lambda row: (ORDER.index(row.product), _number(row.release)))
    table.writerows(ordered)
    return text.getvalue()


def from_pages(folder: Path) -> Iterator[Row]:
    """A page bears no date. All are of one checkout: it is as new as the newest release that any of them knows."""
    pages = {page.stem: _front_matter(page) for page in sorted(folder.glob("*.md"))}
    told = [
        r.get(key)
        for page in pages.values()
        for r in page.get("releases", ())
        for key in ("latestReleaseDate", "releaseDate")
    ]
    as_of = max(day for day in told if isinstance(day, date))
    for name, (product, called) in PAGES.items():
        for release in pages.get(name, {}).get("releases", ()):
            cycle = str(release["releaseCycle"])
            number = WINDOWS.get(cycle) if product == "windows-server" else cycle
            if number is None or _number(number) < (OLDEST.get(product, 0.0), ""):
                continue
            label = re.sub(r" (SP\d|AC)$", "", str(release.get("releaseLabel", "")))
            title = label if product == "windows-server" and label else f"{called} {number}"
            yield Row(
                product,
                number,
                title,
                _day(release.get("eol")),
                _day(release.get("eoes")),
                as_of.isoformat(),
                f"endoflife.date products/{name}.md",
            )


def from_distro_info(root: Path) -> Iterator[Row]:
    """As distro-info-data has them; its changelog says of when. Free long-term support counts as support."""
    folder = root / "usr/share/distro-info"
    changelog = gzip.decompress((root / "usr/share/doc/distro-info-data/changelog.gz").read_bytes()).decode()
    version = re.search(r"\((.+?)\)", changelog)
    dated = re.search(r"^ -- .+>  (.+)$", changelog, re.MULTILINE)
    if version is None or dated is None:
        raise SystemExit(f"{root}: the changelog of distro-info-data has no version or date at its top")
    as_of = parsedate_to_datetime(dated[1]).date().isoformat()
    for product, called in (("debian", "Debian"), ("ubuntu", "Ubuntu")):
        for row in csv.DictReader((folder / f"{product}.csv").read_text("utf-8").splitlines()):
            number = (row["version"] or "").removesuffix(" LTS")
            ends = max(filter(None, (row.get(k) for k in ("eol", "eol-server", "eol-lts"))), default="")
            if not number or not ends or _number(number) < (OLDEST[product], ""):
                continue
            extended = max(
                filter(None, (row.get(k) for k in ("eol-elts", "eol-esm", "eol-legacy"))), default=""
            )
            title = f"{called} {row['version']} ({row['series']})"
            yield Row(product, number, title, ends, extended, as_of, f"distro-info-data {version[1]}")


def _front_matter(page: Path) -> dict[str, Any]:
    parts = page.read_text("utf-8").split("\n---\n", 1)
    found = yaml.safe_load(parts[0].removeprefix("---\n"))
    return found if isinstance(found, dict) else {}


def _day(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else ""


def _number(release: str) -> tuple[float, str]:
    """Sorts releases: 3.9 before 3.10, 2012 before 2012-r2."""
    number, _, rest = release.partition("-")
    major, _, minor = number.partition(".")
    digits = re.match(r"\d+", major)
    return (int(digits[0]) if digits else 0) + int(minor or 0) / 100, rest or major[
        len(digits[0]) if digits else 0 :
    ]


if __name__ == "__main__":
    sys.exit(main())
