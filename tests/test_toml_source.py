"""TOML sources: the line of everything, and words for every mistake."""

import os
import tomllib
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from secscan.toml_source import (
    MAX_BYTES,
    ConfigurationError,
    MisfitError,
    Mistake,
    Source,
    key_path,
    parse,
    read_text,
    read_toml,
    shown_value,
)

HERE = Path("inventory/a.toml")


def line(text: str, *loc: str | int) -> int | None:
    return read_text(text, HERE).line_of(loc)


# --- Lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "loc", "expected"),
    [
        ("a = 1\nb = 2\n", ("b",), 2),
        ("# one\n\n  a = 1", ("a",), 3),
        ("[t]\n\na = 1\n", ("t",), 1),
        ("[t]\n\na = 1\n", ("t", "a"), 3),
        ("[t.u]\na = 1\n", ("t", "u", "a"), 2),
        ("[t.u]\na = 1\n", ("t",), 1),
        ("[ t . 'u' ]\na = 1\n", ("t", "u", "a"), 2),
        ("[[h]]\nid = 1\n[[h]]\nid = 2\n", ("h", 1, "id"), 4),
        ("[[h]]\nid = 1\n[[h]]\nid = 2\n", ("h", 1), 3),
        ("[[h]]\nid = 1\n[[h]]\nid = 2\n", ("h",), 1),
        ("[[h]]\n[[h.s]]\np = 1\n[[h.s]]\np = 2\n[[h]]\n[[h.s]]\np = 3\n", ("h", 0, "s", 1, "p"), 5),
        ("[[h]]\n[[h.s]]\np = 1\n[[h.s]]\np = 2\n[[h]]\n[[h.s]]\np = 3\n", ("h", 1, "s", 0, "p"), 8),
        ("[[h]]\n[h.t]\np = 1\n[[h]]\n[h.t]\np = 2\n", ("h", 1, "t", "p"), 6),
        ("a.b.c = 1\na.b.d = 2\n", ("a", "b", "d"), 2),
        ("a.b.c = 1\na.b.d = 2\n", ("a", "b"), 1),
        ('"a.b" = 1\n"" = 2\n', ("",), 2),
        ('"a.b".c = 1\n', ("a.b", "c"), 1),
        ("\n\"\\u0061\" = 1\n'b' = 2", ("a",), 2),
        ("a = [\n  1,\n  2,\n]\nb = 3\n", ("a", 1), 3),
        ("a = [\n  1,\n  2,\n]\nb = 3\n", ("b",), 5),
        ("a = [ # ] not yet\n  [1], [\n 2.5 ]]\nb = 3\n", ("a", 1, 0), 3),
        ("a = { b = 1, c.d = [\n1,\n{ e = 2 }] }\nf = 1\n", ("a", "c", "d", 1, "e"), 3),
        ("a = { b = 1, c.d = [\n1,\n{ e = 2 }] }\nf = 1\n", ("f",), 4),
        ("a = [{}, [], {}]\n\nb = 1\n", ("b",), 3),
        ('a = """\n[x]\ny = 1\n"""\nb = 1\n', ("b",), 5),
        ("a = '''\n\\''''\nb = 1\n", ("b",), 3),
        ('a = """ \\""" "" \n"""""\nb = 1\n', ("b",), 3),
        ('a = ["""x"""", "b",\n1]', ("a", 2), 2),
        ('a = """"""\nb = ""\n\nc = \'\'\nd = 1\n', ("d",), 5),
        ('a = "\\" # ="\nb = "\\\\"\nc = 1', ("c",), 3),
        ("a = 1979-05-27 07:32:00.25\nb = -1_0.5e-3\nc = 1", ("c",), 3),
        ("a = 1\r\n[t]\r\nb = '''\r\n'''\r\nc = 2\r\n", ("t", "c"), 5),
    ],
)
def test_line_of_a_key(text: str, loc: tuple[str | int, ...], expected: int) -> None:
    assert line(text, *loc) == expected


def test_line_of_a_missing_key_is_that_of_its_table() -> None:
    assert line("a = 1\n[[h]]\nb = 1\n", "h", 0, "missing", 4) == 2


def test_line_of_a_missing_top_level_key_is_unknown() -> None:
    assert line("a = 1\n", "b") is None


class Writer:
    """Writes a document and keeps, independently of the scanner, where each thing was put."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}
        self.names = 0

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def put(self, loc: tuple[str | int, ...]) -> None:
        self.lines.setdefault(loc, self.line)

    def name(self) -> str:
        """A name not used before: bare, accented, or full of TOML's own marks."""
        self.names += 1
        kind = self.draw(st.sampled_from(["k{}", "{}-x", "Bộ {}", "a.b{}", "q\"'{}", "[{}] = #", "\\{}"]))
        return kind.format(self.names)

    def key(self, names: list[str]) -> str:
        parts = []
        for name in names:
            if name.isascii() and name.replace("-", "").isalnum():
                parts.append(name)
            elif "'" not in name and self.draw(st.booleans()):
                parts.append(f"'{name}'")
            else:
                escaped = name.replace("\\", "\\\\").replace('"', '\\"')
                parts.append(f'"{escaped}"')
        return self.draw(st.sampled_from([".", " . "])).join(parts)

    def blank(self) -> None:
        self.text += self.draw(st.sampled_from(["", "", "\n", "# [x] \"\"\" ''' = {\n", "\n\n  # end\n"]))

    def scalar(self) -> None:
        self.text += self.draw(
            st.sampled_from(
                [
                    "1",
                    "-1.5e3",
                    "true",
                    "2026-01-01",
                    "1979-05-27 07:32:00.5Z",
                    "22:00:00",
                    '"[a] = # \\" {"',
                    "'\\'",
                    '"""\n[x]\nb = """',
                    '"""a""\\""" ]\n"""""',
                    '"""a""""',
                    "'''it''s\n\\'''",
                    "''''''",
                    '""',
                ]
            )
        )

    def value(self, loc: tuple[str | int, ...], depth: int) -> None:
        kind = self.draw(st.sampled_from(["scalar", "array", "inline"])) if depth else "scalar"
        if kind == "scalar":
            self.scalar()
        elif kind == "array":
            self.text += "["
            for i in range(self.draw(st.integers(0, 3))):
                self.text += self.draw(st.sampled_from(["", " ", "\n", " # ]\n\t"]))
                self.put((*loc, i))
                self.value((*loc, i), depth - 1)
                self.text += self.draw(st.sampled_from([",", " ,", "\n,"]))
            self.text += self.draw(st.sampled_from(["]", "\n]", " # [\n ]"]))
        else:
            self.text += "{"
            for i in range(self.draw(st.integers(0, 3))):
                self.text += ", " if i else " "
                self.pair(loc, depth - 1)
            self.text += " }"

    def pair(self, table: tuple[str | int, ...], depth: int) -> None:
        names = [self.name() for _ in range(self.draw(st.integers(1, 3)))]
        loc = table
        for name in names:
            loc = (*loc, name)
            self.put(loc)
        self.text += self.key(names) + self.draw(st.sampled_from(["=", " = "]))
        self.value(loc, depth)

    def pairs(self, table: tuple[str | int, ...]) -> None:
        for _ in range(self.draw(st.integers(0, 3))):
            self.blank()
            self.text += self.draw(st.sampled_from(["", "  "]))
            self.pair(table, 2)
            self.text += self.draw(st.sampled_from(["\n", " # why\n"]))

    def tables(self, above: tuple[str | int, ...], depth: int) -> None:
        for _ in range(self.draw(st.integers(0, 2))):
            name = self.name()
            several = self.draw(st.booleans())
            for i in range(self.draw(st.integers(1, 3)) if several else 1):
                self.blank()
                loc = (*above, name)
                self.put(loc)
                header = self.key([part for part in loc if isinstance(part, str)])
                if several:
                    loc = (*loc, i)
                    self.put(loc)
                self.text += f"[[{header}]]\n" if several else f"[ {header} ] # t\n"
                self.pairs(loc)
                if depth:
                    self.tables(loc, depth - 1)


@st.composite
def documents(draw: st.DrawFn) -> Writer:
    writer = Writer(draw)
    writer.pairs(())
    writer.tables((), 2)
    return writer


def ways(value: Any, loc: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below: set[tuple[str | int, ...]] = {loc} if loc else set()
    for key, item in inner:
        below |= ways(item, (*loc, key))
    return below


@given(documents())
@settings(max_examples=300, deadline=None)
def test_every_key_and_element_has_the_line_it_was_written_on(written: Writer) -> None:
    source = read_text(written.text, HERE)
    found = {loc: source.line_of(loc) for loc in ways(tomllib.loads(written.text))}
    assert found == written.lines


@given(st.text(alphabet="ab=[]{},.\"'#\\ \n\t1-é", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        source = read_text(text, HERE)
    except ConfigurationError:
        return
    assert all(source.line_of(loc) for loc in ways(source.data))


# --- Reading ----------------------------------------------------------------------------------------------


def refusal(text: str) -> Mistake:
    with pytest.raises(ConfigurationError) as caught:
        read_text(text, HERE)
    (mistake,) = caught.value.mistakes
    return mistake


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.toml: there is no such file"):
        read_toml(tmp_path / "gone.toml")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        read_toml(tmp_path / "pipe.toml")


def test_a_file_that_is_not_utf8_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"a = 1\nb = 'B\xf4'\n")
    with pytest.raises(ConfigurationError, match=r"a\.toml:2: is not UTF-8 \(byte 0xf4\)"):
        read_toml(tmp_path / "a.toml")


def test_a_file_at_the_limit_is_read_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert read_toml(path).data == {}
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigurationError, match="larger than 4 MiB"):
        read_toml(path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert read_toml(tmp_path / "a.toml").data == {"a": 1}


def test_keys_and_values_are_composed() -> None:
    decomposed = unicodedata.normalize("NFD", "Bộ")
    source = read_text(f'"{decomposed}" = ["{decomposed}", "B\\u1ecd\\u0302"]\n', HERE)
    assert source.data == {"Bộ": ["Bộ", "Bộ"]}
    assert source.line_of(("Bộ", 1)) == 1


def test_two_keys_that_differ_in_encoding_alone_are_refused() -> None:
    mistake = refusal('"Bộ" = 1\n"B\\u006f\\u0323\\u0302" = 2\n')
    assert "written twice" in mistake.message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a = 1\nb = yes\n", 2, "is the text in quotes?"),
        ("a = 1\n\na = 2\n", 3, "this key stands here twice"),
        ("[t]\n[t]\n", 2, "this table stands here twice"),
        ("[t]\nb\n", 2, "write key = value"),
        ("a = 1 b = 2\n", 1, "write one key a line"),
        ("a = 1\nb = [1\n", 3, "at the end of the file"),
        ("a = " + "9" * 5000, None, "is not TOML"),
        ("a = " + "[" * 20000, None, "nested too deeply"),
    ],
)
def test_syntax_errors_say_where_and_what_to_do(text: str, line: int | None, words: str) -> None:
    mistake = refusal(text)
    assert mistake.line == line
    assert words in mistake.message


def test_deep_nesting_that_can_be_read_has_lines() -> None:
    depth = 100
    assert line("a = " + "[" * depth + "\n1" + "]" * depth, "a", *([0] * depth)) == 2


# --- Mistakes ---------------------------------------------------------------------------------------------


def no_seven(value: int) -> int:
    if value == 7:
        raise ValueError("seven is taken")
    return value


def no_twins(values: list[int]) -> list[int]:
    twins = [((i,), f"{v} is there twice") for i, v in enumerate(values) if v in values[:i]]
    if twins:
        raise MisfitError(*twins)
    return values


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Service(Strict):
    port: Annotated[int, Field(ge=1, le=65535), AfterValidator(no_seven)]
    tls: Literal["required", "none"] = "none"


class HostModel(Strict):
    id: str
    addresses: list[str] = []
    service: list[Service] = []
    since: Annotated[str | None, Field(alias="from")] = None
    labels: dict[str, Service] = {}


class File(Strict):
    owner: str = ""
    host: list[HostModel] = []
    numbers: Annotated[list[int], AfterValidator(no_twins)] = []


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(read_text(text, HERE), File)
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[[host]]\nid = 'a'\nadresses = []\n",
            "inventory/a.toml:3: host[0].adresses: unknown key; did you mean 'addresses'?",
        ),
        (
            "[[host]]\nid = 'a'\n[[host.service]]\nPort = 1\nport = 2\n",
            "inventory/a.toml:4: host[0].service[0].Port: unknown key; did you mean 'port'?",
        ),
        (
            "[[host]]\nid = 'a'\nform = 'x'\n",
            "inventory/a.toml:3: host[0].form: unknown key; did you mean 'from'?",
        ),
        (
            "[[host]]\nid = 'a'\n[host.labels.x]\nport = 1\nprot = 2\n",
            "inventory/a.toml:5: host[0].labels.x.prot: unknown key; did you mean 'port'?",
        ),
        (
            "[[host]]\nid = 'a'\nowner = 'x'\n",
            "inventory/a.toml:3: host[0].owner: unknown key in this table; 'owner' belongs at the top of the file, "
            "above every table",
        ),
        (
            "[[host]]\nid = 'a'\nport = 1\n",
            "inventory/a.toml:3: host[0].port: unknown key here; 'port' belongs in the table 'host.service'",
        ),
        (
            "zzz = 1\n",
            "inventory/a.toml:1: zzz: unknown key; the keys known here are owner, host, numbers",
        ),
        ("[[host]]\n\naddresses = []\n", "inventory/a.toml:1: host[0].id: is missing; it must be given"),
        (
            "[[host]]\nid = 5\n",
            "inventory/a.toml:2: host[0].id: 5 does not fit here; expected a text in quotes",
        ),
        (
            "[[host]]\nid = 'a'\n[[host.service]]\nport = 65536\n",
            "inventory/a.toml:4: host[0].service[0].port: 65536 does not fit here; expected 65535 or less",
        ),
        (
            "[[host]]\nid = 'a'\n[[host.service]]\nport = true\n",
            "inventory/a.toml:4: host[0].service[0].port: true does not fit here; expected a whole number",
        ),
        (
            "[[host]]\nid = 'a'\n[[host.service]]\nport = 1\ntls = 'requird'\n",
            'inventory/a.toml:5: host[0].service[0].tls: "requird" is not known here; expected one of "required", '
            '"none"; did you mean "required"?',
        ),
        (
            "[[host]]\nid = 'a'\n[[host.service]]\nport = 7\n",
            "inventory/a.toml:4: host[0].service[0].port: seven is taken",
        ),
        ("numbers = [\n1,\n2,\n1]\n", "inventory/a.toml:4: numbers[2]: 1 is there twice"),
        (
            "host = { id = 'a' }\n",
            'inventory/a.toml:1: host: a table does not fit here; expected an array, such as ["..."]',
        ),
    ],
)
def test_a_mistake_in_words(text: str, expected: str) -> None:
    assert mistakes(text) == [expected]


def test_every_mistake_is_found_at_once_in_the_order_of_lines() -> None:
    text = "[[host]]\nid = 1\n[[host.service]]\nport = 0\n[[host]]\nid = 'b'\nx = 1\nowner = 2\n"
    assert [m.split(": ")[0] for m in mistakes(text)] == [f"inventory/a.toml:{n}" for n in (2, 4, 7, 8)]


def test_what_fits_is_returned() -> None:
    parsed = parse(read_text("[[host]]\nid = 'a'\nfrom = 'x'\n", HERE), File)
    assert parsed.host[0].since == "x"


def test_values_are_shown_bounded_and_without_terminal_control() -> None:
    assert shown_value("\x1b[31m\u202eBộ\x9b") == '"\\u001b[31m\\u202eBộ\\u009b"'
    assert len(shown_value("x" * 1000)) == 60


def test_a_key_that_is_not_bare_is_quoted() -> None:
    assert key_path(("names", "B ộ", 1, "a.b")) == 'names."B ộ"[1]."a.b"'


def test_files_below_the_current_folder_are_named_from_there() -> None:
    assert str(Mistake(Path.cwd() / "x" / "a.toml", 3, "k", "m")) == "x/a.toml:3: k: m"


def test_a_source_makes_mistakes_at_its_lines() -> None:
    source = read_text("a = 1\n[b]\nc = 2\n", HERE)
    assert source.mistake(("b", "c"), "m") == Mistake(HERE, 3, "b.c", "m")
    assert isinstance(source, Source)
