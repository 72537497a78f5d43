"""The inventory: what is read, every mistake that is named, and the documents it is kept as."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.inventory import (
    agency_document,
    agency_documents,
    inventory_from_documents,
    inventory_hash,
    load_inventory,
)
from secscan.model import (
    Agency,
    Canary,
    Contact,
    DeclaredBackup,
    ExpectedService,
    Host,
    Inventory,
    Membership,
    RestoreTest,
    Service,
    TlsPolicy,
)
from secscan.toml_source import ConfigurationError

Write = Callable[..., Path]

AGENCY = '[agency]\nid = "bo-a"\nnames = { vi = "Bộ A" }\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files below an inventory folder, by name without ``.toml``; ``__`` stands for a subfolder."""

    def written(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.toml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return written


def host(write: Write, text: str) -> Host:
    [only] = load_inventory(write(a=f"{AGENCY}[[host]]\nid = 'h'\n{text}")).hosts.values()
    return only


def mistakes(folder: Path) -> list[str]:
    """The mistakes, with files named from the inventory folder."""
    with pytest.raises(ConfigurationError) as caught:
        load_inventory(folder)
    return [str(mistake).replace(f"{folder}/", "") for mistake in caught.value.mistakes]


def in_host(write: Write, text: str) -> list[str]:
    """What is wrong with a host whose first line is line 6; the place is cut off."""
    found = mistakes(write(a=f"{AGENCY}[[host]]\nid = 'h'\n{text}"))
    return [mistake.removeprefix("a.toml:") for mistake in found]


# --- What is read -----------------------------------------------------------------------------------------


def test_a_full_inventory(write: Write) -> None:
    folder = write(
        bo__a="""
[agency]
id = "bo-vi-du"
tier = "central"
zone = "wan"
names = { vi = "Bộ Ví Dụ", en = "Ministry of Examples" }

[[agency.contact]]
name = "Nguyễn Văn A"
email = "a@vi-du.example"

[[host]]
id = "portal-1"
addresses = ["2001:DB8::1", "127.20.0.1"]
names = ["Cổng.Vi-Du.Example", "www.vi-du.example."]
resolve = false
role = "portal"
zone = "dmz"
level = 3
criticality = 5
credential = "audit"
ports = "9000-9010, 8443"
since = 2026-01-01
until = 2027-01-01

[[host.service]]
port = 8443
tls = "required"
what = "cổng công khai"

[[host.service]]
port = 443
transport = "tcp"
server_names = ["A.example", ""]

[[host.service]]
port = 22
server_names = []
""",
        b='[agency]\nid = "so-b"\nparent = "bo-vi-du"\nnames = { en = "B" }\n',
    )
    assert load_inventory(folder) == Inventory(
        agencies={
            "bo-vi-du": Agency(
                id="bo-vi-du",
                names={"en": "Ministry of Examples", "vi": "Bộ Ví Dụ"},
                tier="central",
                zone="wan",
                contacts=(Contact("Nguyễn Văn A", "a@vi-du.example"),),
            ),
            "so-b": Agency(id="so-b", names={"en": "B"}, parent="bo-vi-du"),
        },
        hosts={
            "portal-1": Host(
                id="portal-1",
                addresses=("2001:db8::1", "127.20.0.1"),
                names=("xn--cng-qmz.vi-du.example", "www.vi-du.example"),
                role="portal",
                zone="dmz",
                level=3,
                criticality=5,
                credential="audit",
                services=(
                    ExpectedService(
                        Service("portal-1", "tcp", 8443, "xn--cng-qmz.vi-du.example"),
                        TlsPolicy.REQUIRED,
                        "cổng công khai",
                    ),
                    ExpectedService(Service("portal-1", "tcp", 443, "a.example")),
                    ExpectedService(Service("portal-1", "tcp", 443, "")),
                    ExpectedService(Service("portal-1", "tcp", 22, "")),
                ),
                ports="8443,9000-9010",
                resolve=False,
            )
        },
        memberships=(Membership("portal-1", "bo-vi-du", date(2026, 1, 1), date(2027, 1, 1)),),
    )


def test_names_keep_their_marks_however_they_were_typed(write: Write) -> None:
    folder = write(a=unicodedata.normalize("NFD", '[agency]\nid = "a"\nnames = { vi = "Bộ Ví Dụ" }\n'))
    assert load_inventory(folder).agencies["a"].names == {"vi": "Bộ Ví Dụ"}


def test_an_agency_goes_by_the_same_name_in_a_file_and_in_its_document(write: Write) -> None:
    loaded = load_inventory(write(a='[agency]\nid = "a"\nnames = { vi = "Bộ", en = "Ministry" }\n'))
    stored = json.loads(json.dumps(agency_documents(loaded)))
    assert (
        loaded.agencies["a"].name("fr")
        == inventory_from_documents(stored).agencies["a"].name("fr")
        == "Ministry"
    )


def test_a_service_without_server_names_is_asked_for_the_first_name(write: Write) -> None:
    read = host(write, "names = ['b.example', 'a.example']\n[[host.service]]\nport = 443\n")
    assert [expected.service.server_name for expected in read.services] == ["b.example"]


def test_a_service_of_a_host_without_names_is_asked_for_none(write: Write) -> None:
    read = host(write, "addresses = ['127.0.0.1']\n[[host.service]]\nport = 443\n")
    assert [expected.service.server_name for expected in read.services] == [""]


@pytest.mark.parametrize(
    ("ports", "canonical"),
    [("", ""), ("1", "1"), ("65535,1", "1,65535"), ("3-5,4,6", "3-6"), (" 22 , 80 - 81 ", "22,80-81")],
)
def test_ports_have_one_spelling(write: Write, ports: str, canonical: str) -> None:
    assert host(write, f"addresses = ['127.0.0.1']\nports = '{ports}'\n").ports == canonical


BACKUP = "addresses = ['127.0.0.1']\n[[host.backup]]\n"


def test_a_declared_backup(write: Write) -> None:
    read = host(
        write,
        BACKUP
        + """
tool = "restic"
name = "/srv/restic/h"
path = "/srv/restic/*"
on = "h"
must_contain = ["/etc/", "database portal", "C:/Data"]
recovery_point = "7d"
minimum_size = "10 GiB"
keep = "30d"
off_site = "dr.example.vn"
immutable = true
[[host.backup.restore_test]]
date = 2026-05-01
by = "Trần Thị B"
evidence = "BB-12/2026"
[[host.backup.restore_test]]
date = 2026-01-01
by = "Trần Thị B"
evidence = "BB-01/2026"
""",
    )
    assert read.backups == (
        DeclaredBackup(
            name="/srv/restic/h",
            tool="restic",
            path="/srv/restic/*",
            on="h",
            must_contain=("/etc", "database portal", "C:/Data"),
            recovery_point_hours=168,
            minimum_bytes=10 * 1024**3,
            keep_days=30,
            off_site="dr.example.vn",
            immutable=True,
            restore_tests=(
                RestoreTest(date(2026, 1, 1), "Trần Thị B", "BB-01/2026"),
                RestoreTest(date(2026, 5, 1), "Trần Thị B", "BB-12/2026"),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("recovery_point = '24h'", "recovery_point_hours", 24),
        ("recovery_point = 24", "recovery_point_hours", 24),
        ("recovery_point = '1w'", "recovery_point_hours", 168),
        ("minimum_size = 5", "minimum_bytes", 5),
        ("minimum_size = '5 B'", "minimum_bytes", 5),
        ("minimum_size = '5kB'", "minimum_bytes", 5000),
        ("minimum_size = '5 KiB'", "minimum_bytes", 5120),
        ("minimum_size = '2 TB'", "minimum_bytes", 2 * 1000**4),
        ("keep = 30", "keep_days", 30),
        ("keep = '8w'", "keep_days", 56),
    ],
)
def test_measures_of_a_backup(write: Write, text: str, key: str, value: int) -> None:
    [backup] = host(write, f"{BACKUP}tool = 'restic'\n{text}\n").backups
    assert getattr(backup, key) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "7: host[0].backup[0]: nothing says how to find the backup; give it a tool, a name or a path"),
        ("tool = 'Restic'", '8: host[0].backup[0].tool: "Restic" is not a tool; write its name'),
        ("name = '$(reboot)'", '8: host[0].backup[0].name: "$(reboot)" is not a name of a backup'),
        ("name = '-rf'", '8: host[0].backup[0].name: "-rf" is not a name of a backup'),
        ("name = 'a\u00a0b'", "8: host[0].backup[0].name: "),
        ("name = 'a b'", '8: host[0].backup[0].name: "a b" is not a name of a backup'),
        ("path = 'dumps/*'", '8: host[0].backup[0].path: "dumps/*" is not a path to look for'),
        ("path = '/srv/../etc'", '8: host[0].backup[0].path: "/srv/../etc" is not a path to look for'),
        ("path = '/srv/;id'", '8: host[0].backup[0].path: "/srv/;id" is not a path to look for'),
        ("path = '/srv/`id`'", '8: host[0].backup[0].path: "/srv/`id`" is not a path to look for'),
        ("tool = 'a'\nmust_contain = ['etc']", '9: host[0].backup[0].must_contain[0]: "etc" is nothing'),
        ("tool = 'a'\nmust_contain = ['/a', '/a/']", "9: host[0].backup[0].must_contain[1]: "),
        (
            "tool = 'a'\nrecovery_point = 'daily'",
            '9: host[0].backup[0].recovery_point: "daily" is not a length',
        ),
        (
            "tool = 'a'\nrecovery_point = 0",
            "9: host[0].backup[0].recovery_point: 0 does not fit here; expected 1 or",
        ),
        ("tool = 'a'\nrecovery_point = '0h'", "9: host[0].backup[0].recovery_point: "),
        (
            "tool = 'a'\nminimum_size = '10 gigs'",
            '9: host[0].backup[0].minimum_size: "10 gigs" is not a size',
        ),
        ("tool = 'a'\nkeep = '1 month'", '9: host[0].backup[0].keep: "1 month" is not a number of days'),
        ("tool = 'a'\nkeep = true", "9: host[0].backup[0].keep: "),
        ("tool = 'a'\nimmutable = 'yes'", "9: host[0].backup[0].immutable: "),
        ("tool = 'a'\non = 'nas'", '9: host[0].backup[0].on: there is no host "nas"'),
        (
            "tool = 'a'\ncontains = []",
            "9: host[0].backup[0].contains: unknown key; did you mean 'must_contain'?",
        ),
        (
            "tool = 'a'\n[[host.backup]]\ntool = 'a'",
            "9: host[0].backup[1]: the same backup is declared twice",
        ),
        (
            "tool = 'a'\n[[host.backup.restore_test]]\ndate = 2026-01-01\nby = 'B'",
            "9: host[0].backup[0].restore_test[0].evidence: is missing",
        ),
        (
            "tool = 'a'\n[[host.backup.restore_test]]\ndate = '2026-01-01'\nby = 'B'\nevidence = 'C'",
            "10: host[0].backup[0].restore_test[0].date: ",
        ),
    ],
)
def test_a_mistake_in_a_declared_backup(write: Write, text: str, expected: str) -> None:
    [mistake] = in_host(write, f"{BACKUP}{text}\n")
    assert mistake.startswith(expected)


def test_two_names_for_one_service_on_two_ports_are_fine(write: Write) -> None:
    read = host(write, "names = ['a.example']\n[[host.service]]\nport = 443\n[[host.service]]\nport = 8443\n")
    assert len(read.services) == 2


def test_hidden_files_are_left_out(write: Write, tmp_path: Path) -> None:
    write(a=AGENCY)
    (tmp_path / ".a.toml").write_text("not toml", encoding="utf-8")
    (tmp_path / ".old").mkdir()
    (tmp_path / ".old" / "b.toml").write_text("not toml", encoding="utf-8")
    assert list(load_inventory(tmp_path).agencies) == ["bo-a"]


def test_what_cant_be_read_is_a_mistake_that_names_it(write: Write, tmp_path: Path) -> None:
    write(a=AGENCY)
    (tmp_path / "b.toml").symlink_to(tmp_path / "gone.toml")
    (tmp_path / "x.toml").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        load_inventory(tmp_path)
    assert [(mistake.file.name, mistake.message) for mistake in caught.value.mistakes] == [
        ("b.toml", "there is no such file"),
        ("x.toml", "this is not a regular file"),
    ]


# --- Mistakes in a host -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "4: host[0]: the host has neither an address nor a name; give it one of them"),
        (
            "names = ['a.example']\nresolve = false\n",
            "7: host[0].resolve: the host has no address, and its names are not to be looked up; give it an address",
        ),
        (
            "addresses = ['::FFFF:10.0.0.1']\n",
            '6: host[0].addresses[0]: "::FFFF:10.0.0.1" stands for an IPv4 address; write "10.0.0.1"',
        ),
        (
            "addresses = ['64:ff9b::10.0.0.1']\n",
            '6: host[0].addresses[0]: "64:ff9b::10.0.0.1" stands for an IPv4 address; write "10.0.0.1"',
        ),
        (
            "addresses = [\n  '10.0.0.1',\n  'a.example']\n",
            '8: host[0].addresses[1]: "a.example" is not an IP address; names belong in the key "names"',
        ),
        (
            "addresses = ['10.0.0.0/24']\n",
            '6: host[0].addresses[0]: "10.0.0.0/24" is a network; list the addresses of the host',
        ),
        (
            "addresses = ['224.0.0.1']\n",
            '6: host[0].addresses[0]: "224.0.0.1" is no address that a host can have',
        ),
        ("addresses = ['::']\n", '6: host[0].addresses[0]: "::" is no address that a host can have'),
        (
            "addresses = ['255.255.255.255']\n",
            '6: host[0].addresses[0]: "255.255.255.255" is no address that a host can have',
        ),
        (
            "addresses = ['2001:db8::1', '2001:DB8:0::1']\n",
            '6: host[0].addresses[1]: "2001:db8::1" is listed twice; leave one out',
        ),
        (
            "names = ['a.example', 'A.Example.']\n",
            '6: host[0].names[1]: "a.example" is listed twice; leave one out',
        ),
        (
            "names = ['*.example']\n",
            "6: host[0].names[0]: \"*.example\" is not a DNS name: a '*' can't be looked up; write out each name",
        ),
        (
            "names = ['10.0.0.1']\n",
            '6: host[0].names[0]: "10.0.0.1" is not a DNS name: it ends in a number; an address belongs among the '
            "addresses, written in full",
        ),
        (
            "names = ['a.example']\nadress = []\n",
            "7: host[0].adress: unknown key; did you mean 'addresses'?",
        ),
        (
            "names = ['a.example']\ncriticality = 6\n",
            "7: host[0].criticality: 6 does not fit here; expected 5 or less",
        ),
        (
            "names = ['a.example']\ncriticality = 0\n",
            "7: host[0].criticality: 0 does not fit here; expected 1 or more",
        ),
        (
            "names = ['a.example']\nlevel = 'high'\n",
            '7: host[0].level: "high" does not fit here; expected a whole number',
        ),
        (
            "names = ['a.example']\nsince = '2026-01-01'\n",
            '7: host[0].since: "2026-01-01" does not fit here; expected a date without quotes, such as 2026-01-31',
        ),
        (
            "names = ['a.example']\nsince = 2026-01-01T00:00:00Z\n",
            "7: host[0].since: 2026-01-01T00:00:00+00:00 does not fit here; expected a date without quotes, such as "
            "2026-01-31",
        ),
        (
            "names = ['a.example']\nsince = 2026-01-02\nuntil = 2026-01-02\n",
            "8: host[0].until: 2026-01-02 is not after 'since', 2026-01-02",
        ),
        (
            "names = ['a.example']\nrole = \"a\\u202eb\"\n",
            '7: host[0].role: "a\\u202eb" holds a character that can\'t be seen; write it without',
        ),
        (
            "names = ['a.example']\n[[host.service]]\nport = 443\n[[host.service]]\nport = 443\n",
            "9: host[0].service[1]: tcp/443 with the server name a.example is declared twice",
        ),
        (
            "addresses = ['127.0.0.1']\n[[host.service]]\nport = 443\n[[host.service]]\nport = 443\n",
            "9: host[0].service[1]: tcp/443 without a server name is declared twice",
        ),
        (
            "names = ['a.example']\n[[host.service]]\nport = 1\nserver_names = ['b.example', 'B.example']\n",
            '9: host[0].service[0].server_names[1]: "b.example" is listed twice; leave one out',
        ),
        (
            "names = ['a.example']\n[[host.service]]\ntls = 'required'\n",
            "7: host[0].service[0].port: is missing; it must be given",
        ),
        (
            "names = ['a.example']\n[[host.service]]\nport = 1\ntransport = 'tpc'\n",
            '9: host[0].service[0].transport: "tpc" is not known here; expected one of "tcp", "udp"; did you mean '
            '"tcp"?',
        ),
    ],
)
def test_a_mistake_in_a_host(write: Write, text: str, expected: str) -> None:
    assert in_host(write, text) == [expected]


@pytest.mark.parametrize("ports", ["0", "65536", "22;80", "80-22", "a", "1_0", "-", ",", "٢٢", "1--2"])
def test_ports_that_are_none(write: Write, ports: str) -> None:
    [mistake] = in_host(write, f"names = ['a.example']\nports = '{ports}'\n")
    assert "is not a list of ports" in mistake


@pytest.mark.parametrize(
    ("id", "guess"),
    [
        ("Bộ Ví Dụ", ', for example "bo-vi-du"'),
        ("Đường Sắt", ', for example "duong-sat"'),
        ("WEB 01", ', for example "web-01"'),
        ("a/b", ', for example "a-b"'),
        ("-a", ', for example "a"'),
        ("中", ""),
        ("", ""),
    ],
)
def test_an_id_that_is_none(write: Write, id: str, guess: str) -> None:
    [mistake] = mistakes(write(a=f'[agency]\nid = "{id}"\nnames = {{ en = "A" }}\n'))
    assert mistake == (
        f"a.toml:2: agency.id: \"{id}\" is not an id; use up to 100 lower-case ASCII letters, digits, '-', '.' "
        f"and '_'{guess}"
    )


def test_an_id_may_have_100_characters_and_no_more(write: Write) -> None:
    write(a=f'[agency]\nid = "{"a" * 100}"\nnames = {{ en = "A" }}\n')
    assert load_inventory(write()).agencies
    write(a=f'[agency]\nid = "{"a" * 101}"\nnames = {{ en = "A" }}\n')
    assert "is not an id" in mistakes(write())[0]


@pytest.mark.parametrize(
    ("agency", "expected"),
    [
        ('id = "a"\n', "a.toml:1: agency.names: is missing; it must be given"),
        (
            'id = "a"\nnames = { }\n',
            "a.toml:3: agency.names: a table does not fit here; expected at least 1 of them",
        ),
        (
            'id = "a"\nnames = { Tiếng = "A" }\n'.replace("Tiếng", '"Tiếng"'),
            'a.toml:3: agency.names."Tiếng": "Tiếng" is not a language; write it as "vi" or "en"',
        ),
        (
            'id = "a"\nnames = { en = "" }\n',
            'a.toml:3: agency.names.en: "" does not fit here; expected at least 1 characters',
        ),
        (
            'id = "a"\nnames = { en = "A" }\n[[agency.contact]]\nname = "B"\nemail = "b"\n',
            'a.toml:6: agency.contact[0].email: "b" is not a mail address',
        ),
    ],
)
def test_a_mistake_in_an_agency(write: Write, agency: str, expected: str) -> None:
    assert mistakes(write(a=f"[agency]\n{agency}")) == [expected]


# --- Mistakes in several files ----------------------------------------------------------------------------


def agency(id: str, parent: str = "") -> str:
    above = f'parent = "{parent}"\n' if parent else ""
    return f'[agency]\nid = "{id}"\n{above}names = {{ en = "A" }}\n'


def test_an_id_of_a_host_is_unique_in_the_whole_inventory(write: Write, tmp_path: Path) -> None:
    one = '[[host]]\nid = "web"\naddresses = ["127.0.0.1"]\n'
    assert mistakes(write(a=agency("a") + one, b=agency("b") + one)) == [
        'b.toml:5: host[0].id: the id "web" stands in a.toml, line 5 already; an id is unique in the whole inventory'
    ]


def test_an_id_of_an_agency_is_unique(write: Write) -> None:
    assert mistakes(write(a=agency("a"), b=agency("a"))) == [
        'b.toml:2: agency.id: the id "a" stands in a.toml, line 2 already; an id is unique in the whole inventory'
    ]


def test_a_host_and_an_agency_may_share_an_id(write: Write) -> None:
    folder = write(a=agency("a") + '[[host]]\nid = "a"\naddresses = ["127.0.0.1"]\n')
    assert list(load_inventory(folder).hosts) == ["a"]


def test_a_parent_must_exist(write: Write) -> None:
    assert mistakes(write(a=agency("bo-a"), b=agency("b", parent="bo-aa"))) == [
        'b.toml:3: agency.parent: there is no agency "bo-aa"; did you mean "bo-a"?'
    ]


def test_a_parent_in_a_file_that_cant_be_read_is_not_called_missing(write: Write) -> None:
    [mistake] = mistakes(write(a="not toml", b=agency("b", parent="a")))
    assert mistake.startswith("a.toml:1: is not TOML")


def test_a_parent_in_a_file_with_mistakes_is_found(write: Write) -> None:
    [mistake] = mistakes(write(a=agency("a") + "x = 1\n", b=agency("b", parent="a")))
    assert mistake.startswith("a.toml:4: agency.x: unknown key")


@pytest.mark.parametrize(
    ("parents", "circles"),
    [
        ({"a": "a"}, ["a -> a"]),
        ({"a": "b", "b": "c", "c": "a"}, ["a -> b -> c -> a"]),
        ({"a": "b", "b": "c", "c": "b"}, ["b -> c -> b"]),
        ({"a": "b", "b": "a", "c": "d", "d": "c"}, ["a -> b -> a", "c -> d -> c"]),
        ({"a": "b", "b": ""}, []),
    ],
)
def test_parents_that_go_in_a_circle_are_told_once(
    write: Write, parents: dict[str, str], circles: list[str]
) -> None:
    folder = write(**{id: agency(id, parent) for id, parent in parents.items()})
    if not circles:
        assert load_inventory(folder).agencies
        return
    assert [mistake.partition("circle: ")[2] for mistake in mistakes(folder)] == circles


def test_every_mistake_of_every_file_is_found_at_once(write: Write) -> None:
    folder = write(
        a=agency("a", parent="x") + '[[host]]\nid = "h"\n[[host]]\nid = "B"\naddresses = ["1"]\n',
        b="[agency\n",
        c=agency("c") + '[[host]]\nid = "h"\nnames = ["a.example"]\n',
    )
    assert [mistake.split(": ")[:2] for mistake in mistakes(folder)] == [
        ["a.toml:5", "host[0]"],
        ["a.toml:8", "host[1].id"],
        ["a.toml:9", "host[1].addresses[0]"],
        ["b.toml:1", "is not TOML"],
        ["c.toml:5", "host[0].id"],
    ]


def test_a_folder_without_files_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"write one file for each agency, such as .*example\.toml"):
        load_inventory(tmp_path)


def test_a_port_is_not_declared_as_a_service_and_as_closed(write: Write) -> None:
    host = '[[host]]\nid = "h"\naddresses = ["127.0.0.1"]\nclosed = "80-90"\n'
    folder = write(a=agency("a") + host + "[[host.service]]\nport = 85\n")
    assert mistakes(folder) == [
        "a.toml:8: host[0].service[0]: tcp/85 is declared as a service, and in 'closed'; leave it out of one of them"
    ]


def test_a_udp_service_is_no_matter_of_closed_ports(write: Write) -> None:
    host = '[[host]]\nid = "h"\naddresses = ["127.0.0.1"]\nclosed = "53, 23"\n'
    folder = write(a=agency("a") + host + '[[host.service]]\nport = 53\ntransport = "udp"\n')
    assert load_inventory(folder).hosts["h"].closed == "23,53"


def test_a_host_that_declares_no_port_closed_is_written_as_before_it_could(write: Write) -> None:
    loaded = load_inventory(write(a=agency("a") + '[[host]]\nid = "h"\naddresses = ["127.0.0.1"]\n'))
    assert "closed" not in agency_document(loaded, "a")["hosts"][0]


# --- Documents --------------------------------------------------------------------------------------------

ids = st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True)
lines = st.text(st.characters(categories=("L", "N", "Zs")), max_size=8)
days = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1))


backups = st.builds(
    DeclaredBackup,
    name=lines,
    tool=lines,
    path=lines,
    on=lines,
    must_contain=st.lists(lines, max_size=2).map(tuple),
    recovery_point_hours=st.none() | st.integers(1, 100),
    minimum_bytes=st.none() | st.integers(1, 2**50),
    keep_days=st.none() | st.integers(1, 100),
    off_site=lines,
    immutable=st.none() | st.booleans(),
    restore_tests=st.lists(st.builds(RestoreTest, days, lines, lines), max_size=2).map(tuple),
)


@st.composite
def hosts(draw: st.DrawFn, id: str) -> Host:
    services = st.builds(
        ExpectedService,
        st.builds(
            Service,
            st.just(id),
            st.sampled_from(["tcp", "udp"]),
            st.integers(1, 65535),
            st.sampled_from(["", "a.example"]),
        ),
        st.sampled_from(TlsPolicy),
        lines,
    )
    return Host(
        id=id,
        addresses=tuple(draw(st.lists(st.ip_addresses().map(str), max_size=3))),
        names=tuple(draw(st.lists(ids, max_size=3))),
        role=draw(lines),
        zone=draw(lines),
        level=draw(st.none() | st.integers(1, 5)),
        criticality=draw(st.integers(1, 5)),
        credential=draw(lines),
        services=tuple(draw(st.lists(services, max_size=3))),
        ports=draw(st.sampled_from(["", "1-3"])),
        resolve=draw(st.booleans()),
        backups=tuple(draw(st.lists(backups, max_size=2))),
        canary=draw(st.none() | st.sampled_from(Canary)),
        closed=draw(st.sampled_from(["", "23,80-81"])),
    )


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    agency_ids = draw(st.lists(ids, min_size=1, max_size=4, unique=True))
    host_ids = draw(st.lists(ids, max_size=5, unique=True))
    contacts = st.builds(Contact, lines, lines, lines)
    agencies = {
        id: Agency(
            id=id,
            names=draw(st.dictionaries(st.sampled_from(["vi", "en", "fr"]), lines, min_size=1)),
            tier=draw(lines),
            parent=draw(st.none() | st.sampled_from(agency_ids)),
            zone=draw(lines),
            contacts=tuple(draw(st.lists(contacts, max_size=2))),
        )
        for id in sorted(agency_ids)
    }
    memberships = []
    for host_id in sorted(host_ids):
        moved = draw(st.none() | days)
        of = draw(st.sampled_from(agency_ids))
        memberships.append(Membership(host_id, of, None, moved))
        if moved is not None:
            memberships.append(Membership(host_id, draw(st.sampled_from(agency_ids)), moved, None))
    return Inventory(agencies, {id: draw(hosts(id)) for id in sorted(host_ids)}, tuple(memberships))


@given(inventories())
@settings(deadline=None)
def test_an_inventory_survives_its_documents(inventory: Inventory) -> None:
    documents = {id: agency_document(inventory, id) for id in inventory.agencies}
    stored = json.loads(json.dumps(documents, sort_keys=True))
    assert inventory_from_documents(stored) == inventory
    assert inventory_from_documents(reversed(stored.values())) == inventory


@given(inventories())
@settings(deadline=None)
def test_all_documents_at_once_are_those_of_each(inventory: Inventory) -> None:
    assert agency_documents(inventory) == {id: agency_document(inventory, id) for id in inventory.agencies}


def test_a_document_ends_in_the_same_inventory_as_the_file(write: Write) -> None:
    loaded = load_inventory(write(a=agency("a") + '[[host]]\nid = "h"\naddresses = ["127.0.0.1"]\n'))
    again = inventory_from_documents(json.loads(json.dumps(agency_documents(loaded))))
    assert (again, inventory_hash(again)) == (loaded, inventory_hash(loaded))


def test_the_order_of_files_and_hosts_does_not_change_the_hash(write: Write, tmp_path: Path) -> None:
    one = '[[host]]\nid = "x"\naddresses = ["127.0.0.1"]\n'
    two = '[[host]]\nid = "y"\naddresses = ["127.0.0.2"]\n'
    first = load_inventory(write(one__a=agency("a") + one + two, one__b=agency("b")).joinpath("one"))
    second = load_inventory(write(two__z=agency("a") + two + one, two__y=agency("b")).joinpath("two"))
    assert inventory_hash(first) == inventory_hash(second)


CHANGES: list[Callable[[Host], Host]] = [
    lambda host: replace(host, criticality=2),
    lambda host: replace(host, resolve=False),
    lambda host: replace(host, services=()),
    lambda host: replace(host, addresses=("127.0.0.2",)),
    lambda host: replace(host, backups=(DeclaredBackup(tool="restic"),)),
    lambda host: replace(
        host,
        backups=(DeclaredBackup(tool="restic", restore_tests=(RestoreTest(date(2026, 1, 1), "B", "C"),)),),
    ),
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_hash_follows_every_change(change: Callable[[Host], Host]) -> None:
    declared = Host(
        "h", ("127.0.0.1",), ("a.example",), services=(ExpectedService(Service("h", "tcp", 443)),)
    )
    before = Inventory({"a": Agency("a", {"en": "A"})}, {"h": declared}, (Membership("h", "a"),))
    after = replace(before, hosts={"h": change(declared)})
    assert inventory_hash(after) != inventory_hash(before)


def test_a_host_without_backups_is_written_as_before_they_could_be_declared() -> None:
    plain = Inventory({"a": Agency("a", {"en": "A"})}, {"h": Host("h")}, (Membership("h", "a"),))
    [document] = agency_document(plain, "a")["hosts"]
    assert "backups" not in document


def test_a_change_in_one_agency_leaves_the_documents_of_others_alone() -> None:
    agencies = {id: Agency(id, {"en": id}) for id in "ab"}
    both = {id: Host(id, ("127.0.0.1",)) for id in ("x", "y")}
    members = (Membership("x", "a"), Membership("y", "b"))
    before = Inventory(agencies, both, members)
    after = replace(before, hosts={**both, "y": replace(both["y"], role="portal")})
    assert agency_document(after, "a") == agency_document(before, "a")
    assert agency_document(after, "b") != agency_document(before, "b")


@pytest.mark.parametrize(("declared", "refused"), [(200, False), (201, True)])
def test_a_host_is_asked_for_backups_in_so_many_places(write: Write, declared: int, refused: bool) -> None:
    tables = "".join(f"[[host.backup]]\npath = '/backup/{n}.gz'\n" for n in range(declared))
    text = f"addresses = ['127.0.0.1']\n{tables}"
    if refused:
        with pytest.raises(ConfigurationError, match="more than 200 paths of backups"):
            host(write, text)
    else:
        assert len(host(write, text).backups) == 200
