"""A real spreadsheet opens what was exported, types its cells as spreadsheets do, and saves it: nothing is lost.

SheetJS guesses numbers and dates as the office programs do, writes real workbooks, which another library reads, and is
one file; LibreOffice would prove little more for half a gigabyte.
"""

import json
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils.datetime import from_excel

from secscan.inventory import import_table, inventory_rows
from secscan.inventory.table import COLUMNS
from secscan.model import Text
from secscan.report.csv_export import findings_lines
from secscan.report.exported import exported
from secscan.spreadsheet import plain_lines
from tests.report import samples
from tests.test_inventory_table import ONE, TWO

PROGRAM = (
    Path(os.environ.get("SECSCAN_SPREADSHEET") or Path.home() / ".cache/secscan-spreadsheet")
    / "xlsx.full.min.js"
)
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed (Debian: nodejs)"),
    pytest.mark.skipif(not PROGRAM.is_file(), reason="no spreadsheet (tools/spreadsheet fetches it)"),
]

# Dates as text, as a person sees them, is what CSV is saved from.
SCRIPT = """
const [program, from, to, format, separator] = JSON.parse(process.argv[1]);
const XLSX = require(program), fs = require("fs");
const book = XLSX.read(fs.readFileSync(from), {type: "buffer"});
if (format === "xlsx") fs.writeFileSync(to, XLSX.write(book, {type: "buffer", bookType: "xlsx"}));
else {
  const text = "\\ufeff" + XLSX.utils.sheet_to_csv(book.Sheets[book.SheetNames[0]], {FS: separator, RS: "\\n"});
  fs.writeFileSync(to, text, format);
}
"""


def save_as(path: Path, to: Path, form: str, separator: str = ",") -> Path:
    asked = json.dumps([str(PROGRAM), str(path), str(to), form, separator])
    done = subprocess.run([NODE or "", "-e", SCRIPT, asked], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return to


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "one.toml").write_text(ONE, encoding="utf-8")
    (inventory / "two.toml").write_text(TWO, encoding="utf-8")
    return inventory


@pytest.fixture
def table(folder: Path) -> Path:
    path = folder.parent / "exported.csv"
    text = "".join(plain_lines(COLUMNS, inventory_rows(folder)))
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(("encoding", "separator"), [("utf8", ","), ("utf8", ";"), ("utf16le", "\t")])
def test_what_a_spreadsheet_opens_and_saves_changes_nothing(
    folder: Path, table: Path, tmp_path: Path, encoding: str, separator: str
) -> None:
    again = save_as(table, tmp_path / "again.csv", encoding, separator)
    assert again.read_bytes() != table.read_bytes()
    assert import_table(folder, again).edits == ()


def test_a_spreadsheet_would_have_spoilt_it_without_apostrophes(
    folder: Path, table: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text(table.read_text(encoding="utf-8").replace("'22,443", "22,443"), encoding="utf-8")
    assert "2244" in save_as(bare, tmp_path / "again.csv", "utf8").read_text(encoding="utf-8").replace(
        ",", ""
    )


def test_a_workbook_has_text_numbers_and_days(table: Path, tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(save_as(table, tmp_path / "book.xlsx", "xlsx")).active
    assert sheet is not None
    header, first, *_rest = sheet.iter_rows()
    cells = {str(name.value): cell for name, cell in zip(header, first, strict=True)}
    assert cells["agency_name"].value == "One"
    assert cells["ports"].value == "'22,443"
    assert "thư điện tử" in str(cells["services"].value)
    assert "\n" in str(cells["services"].value)
    # The serial number of a day: read as a date, not as text.
    assert from_excel(cells["since"].value) == datetime(2020, 3, 4)  # noqa: DTZ001 - a spreadsheet's has no zone
    assert all(cell.data_type != "f" for cell in first)


def test_findings_are_numbers_days_and_text_and_no_formula(tmp_path: Path) -> None:
    check = samples.make_checks()["tls.old-versions"]
    hostile = samples.make_finding(check, object="=HYPERLINK(1)", evidence=Text("{x}", {"x": "+1+1 Cổng"}))
    path = tmp_path / "findings.csv"
    path.write_text("".join(findings_lines(exported([hostile], {check.id: check}))), "utf-8", newline="")
    sheet = openpyxl.load_workbook(save_as(path, tmp_path / "book.xlsx", "xlsx")).active
    assert sheet is not None
    header, first = sheet.iter_rows()
    cells = {str(name.value): cell for name, cell in zip(header, first, strict=True)}
    assert cells["port"].value == 443
    assert from_excel(cells["observed_at"].value) == datetime(2026, 3, 8, 23, 30)  # noqa: DTZ001 - a spreadsheet's has no zone
    assert cells["evidence"].value == "'+1+1 Cổng"
    assert all(cell.data_type != "f" for cell in first)
