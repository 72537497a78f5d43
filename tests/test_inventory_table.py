"""The inventory as a table: out to a spreadsheet and back, with what spreadsheets do on the way."""

from pathlib import Path

import pytest

from secscan.inventory import import_table, inventory_rows, load_inventory, write_edits
from secscan.inventory.moving import MoveError
from secscan.inventory.table import COLUMNS
from secscan.spreadsheet import guarded, plain_lines, unguarded
from secscan.toml_source import ConfigurationError

ONE = """\
# The first, kept by Lan.
[agency]
id = "one"
names = { en = "One", vi = "Một" }  # as of the decree
tier = "province"

# The mail gateway; call before a restart.
[[host]]
id = "mar-1"
addresses = ["192.168.100.200", "2001:db8::1"]
role = "mail"  # for all
ports = "22,443"
closed = "23"
since = 2020-03-04

[[host.service]]
port = 25
what = "=thư điện tử"

# The portal's face.
[[host.service]]
port = 443
tls = "required"
server_names = ["a.example", "b.example"]

# The portal.
[[host]]
id = "web-1"
names = [
  "www.example.vn",
]
resolve = true
[[host.backup]]
tool = "restic"
"""
TWO = '[agency]\nid = "two"\nnames.en = "Two"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "one.toml").write_text(ONE, encoding="utf-8")
    (inventory / "two.toml").write_text(TWO, encoding="utf-8")
    return inventory


def exported(folder: Path) -> str:
    return "".join(plain_lines(COLUMNS, inventory_rows(folder)))


def brought(folder: Path, content: str | bytes) -> dict[str, str]:
    """What the files say after it, by name; those alone that are edited."""
    edits = import_table(folder, saved(folder, content)).edits
    write_edits(edits)
    return {edit.path.name: edit.path.read_text(encoding="utf-8") for edit in edits}


def saved(folder: Path, content: str | bytes) -> Path:
    path = folder.parent / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(folder: Path, content: str) -> list[tuple[int | None, str]]:
    with pytest.raises(ConfigurationError) as raised:
        import_table(folder, saved(folder, content))
    return [(mistake.line, mistake.key) for mistake in raised.value.mistakes]


def semicolons(text: str) -> str:
    import csv
    import io

    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows([*row, "", ""] for row in rows)
    return out.getvalue()


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode(),
        lambda text: text.removeprefix("\ufeff").encode(),
        lambda text: text.removeprefix("\ufeff").encode("utf-16"),
        lambda text: text.removeprefix("\ufeff").encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.replace("\r\n", "\n").encode(),
        lambda text: semicolons(text).encode(),
        lambda text: ("\ufeffsep=;\r\n" + semicolons(text)).encode(),
        lambda text: semicolons(text).replace(";", "\t").encode("utf-16"),
    ],
)
def test_what_was_exported_changes_nothing(folder, written):
    assert brought(folder, written(exported(folder))) == {}


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+84 24", "-x", "@x", "＝1", "22,443", "22", "1e5", "3-4", "2026-06-30", "mar-1", "12 jan"),
        *("true", "192.168.100.200", "'quoted", "10:30", "50%"),
    ],
)
def test_what_a_spreadsheet_would_take_for_something_else_is_led_by_an_apostrophe(text):
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "web-1", "Cổng thông tin", "", "tcp/443"])
def test_plain_text_is_left_alone(text):
    assert guarded(text) == text
    assert unguarded(text) == text


@pytest.mark.parametrize("text", ["'tis", "o'clock"])
def test_an_apostrophe_that_was_there_stays(text):
    assert unguarded(guarded(text)) == text


def test_a_cell_changes_its_line_and_comments_stay(folder):
    files = brought(folder, "agency,id,role\r\none,mar-1,relay\r\n")
    assert files == {"one.toml": ONE.replace('role = "mail"  # for all', 'role = "relay"  # for all')}


def test_a_list_of_several_lines_is_written_anew(folder):
    files = brought(folder, 'agency,id,names,level\none,web-1,"www.example.vn, two.example.vn",3.0\n')
    assert 'names = ["www.example.vn", "two.example.vn"]\nresolve' in files["one.toml"]
    assert load_inventory(folder).hosts["web-1"].level == 3


def test_an_empty_cell_takes_the_key_away(folder):
    assert 'ports = "22,443"' not in brought(folder, "agency,id,ports\none,mar-1,\n")["one.toml"]


def test_services_that_stay_keep_their_comments(folder):
    cell = "tcp/443 tls=required names=a.example,b.example\nudp/53 what=Phân giải tên"
    text = brought(folder, f'agency,id,services\none,mar-1,"{cell}"\n')["one.toml"]
    assert "# The portal's face.\n[[host.service]]\nport = 443" in text
    assert "port = 25" not in text
    services = {(s.service.transport, s.service.port) for s in load_inventory(folder).hosts["mar-1"].services}
    assert services == {("tcp", 443), ("udp", 53)}


def test_hosts_and_agencies_are_added(folder):
    rows = "two,,db-1,192.0.2.9,tcp/22\nxa-moi,Xã Mới,xa-1,192.0.2.10,\n"
    files = brought(folder, "agency,agency_name,id,addresses,services\n" + rows)
    assert set(files) == {"two.toml", "xa-moi.toml"}
    inventory = load_inventory(folder)
    assert inventory.agencies["xa-moi"].name() == "Xã Mới"
    assert {m.agency for m in inventory.memberships if m.host == "xa-1"} == {"xa-moi"}
    assert inventory.hosts["db-1"].services[0].service.port == 22


def test_hosts_that_are_not_named_stay_and_are_told(folder):
    told = import_table(folder, saved(folder, "agency,id\none,web-1\n"))
    assert (told.edits, told.absent) == ((), ("mar-1",))


def test_a_date_that_was_typed_again_is_the_same_day(folder):
    for cell in ("4/3/2020", "3/4/20", "04-03-2020", "2020-03-04 00:00:00"):
        assert brought(folder, f"agency,id,since\none,mar-1,{cell}\n") == {}


@pytest.mark.parametrize(
    ("header", "row", "column"),
    [
        ("agency,id,since", "one,mar-1,5/6/2021", "since"),
        ("agency,id,since", "one,mar-1,31/31/2021", "since"),
        ("agency,id,level", "one,mar-1,high", "level"),
        ("agency,id,level", "one,mar-1,9", "level"),
        ("agency,id,id_", "one,mar-1,", '"id_"'),
        ("agency,id,ports", "one,mar-1,2.2443E+09", "ports"),
        ("agency,id,role", "one,mar-1,#NAME?", "role"),
        ("agency,id,addresses", "one,mar-1,192168100200", "addresses"),
        ("agency,id,services", "one,mar-1,443", "services"),
        ("agency,id,backups", "one,web-1,2", "backups"),
        ("agency,id,tier", "one,mar-1,central", "tier"),
        ("agency,id,role", "two,mar-1,mail", "agency"),
        ("agency,id,role", "three,new-1,mail", "agency"),
        ("agency,id,resolve", "one,web-1,maybe", "resolve"),
        ("agency,id,role", "one,,mail", "id"),
    ],
)
def test_a_bad_cell_is_named_by_its_line_and_column(folder, header, row, column):
    line = 1 if column.startswith('"') else 4
    assert (line, column) in refused(folder, f"{header}\n\n,,\n{row}\n")


def test_a_host_twice_is_refused(folder):
    assert refused(folder, "agency,id\none,web-1\none,web-1\n") == [(3, "id")]


def test_what_stands_beyond_the_columns_is_not_lost_in_silence(folder):
    assert refused(folder, "agency,id,\none,web-1,note\n") == [(2, "")]


def test_comments_within_a_list_are_not_lost(folder):
    path = folder / "one.toml"
    path.write_text(ONE.replace('  "www.example.vn",', '  "www.example.vn",  # since 2019'), encoding="utf-8")
    with pytest.raises(MoveError, match=r"one\.toml:\d+"):
        import_table(folder, saved(folder, "agency,id,names\none,web-1,x.example\n"))


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b'agency,id\none,"web', b"agency\none\n"])
def test_what_is_no_table_is_refused(folder, content):
    with pytest.raises(ConfigurationError):
        import_table(folder, saved(folder, content))
