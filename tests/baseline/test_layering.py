"""How layers go upon each other, whatever they say: the last goes first, key by key, and nobody else is touched."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.baseline import Baseline, load_baseline
from secscan.model import Host
from tests.baseline.house import CHECKS, HOUSE

#: What a layer can say, as the ways to values that no combination of makes wrong.
WAYS = {
    ("rules", "tls.days", "days"): st.integers(20, 90),
    ("rules", "tls.days", "early"): st.integers(0, 20),
    ("rules", "tls.plain", "severity"): st.sampled_from(["critical", "high", "medium", "low", "info"]),
    ("rules", "port.one", "enabled"): st.booleans(),
    ("rules", "port.one", "shared"): st.integers(0, 9),
    ("deadlines", "high"): st.integers(1, 90),
    ("domains", "ports", "weight"): st.integers(1, 9),
    ("tls_ports",): st.lists(st.integers(1, 65535), max_size=3, unique=True),
}
Said = dict[tuple[str, ...], Any]

layers = st.fixed_dictionaries({}, optional=WAYS)
KINDS = ("tiers", "levels", "roles", "hosts")
NAMES = {"tiers": "commune", "levels": "3", "roles": "mail", "hosts": "web-1"}
MEANT = Host("web-1", role="mail", level=3)


def toml(said: Said, at: str = "") -> str:
    """As one dotted key a line, at the top of a file or in a table."""
    lines = [f"{'.'.join(_key(part) for part in way)} = {_value(value)}" for way, value in said.items()]
    return "\n".join([f"[{at}]", *lines] if at else lines) + "\n"


def written(name: str, said: Said, parent: str, *tables: str) -> str:
    return f'name = "{name}"\ntitles.en = "{name}"\n{parent}\n{toml(said)}{"".join(tables)}'


def load(name: str, **profiles: str) -> Baseline:
    with tempfile.TemporaryDirectory() as folder:
        for file, text in {"house": HOUSE, **profiles}.items():
            (Path(folder) / f"{file}.toml").write_text(text, "utf-8")
        return load_baseline(name, CHECKS, folder=Path(folder))


def content(baseline: Baseline) -> tuple[object, ...]:
    return baseline.domains, baseline.rules, baseline.deadlines, baseline.tls_ports


def _key(part: str) -> str:
    return f'"{part}"' if "." in part else part


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
    return str(value)


@settings(max_examples=25, deadline=None)
@given(st.lists(layers, min_size=1, max_size=4))
def test_a_chain_of_profiles_says_what_one_with_all_their_words_says(said: list[Said]) -> None:
    names = [f"layer{n}" for n in range(len(said))]
    parents = ["house", *names]
    chain = {
        name: written(name, one, f'extends = "{parent}"')
        for name, one, parent in zip(names, said, parents, strict=False)
    }
    merged: Said = {}
    for one in said:
        merged |= one
    at_once = load("all", all=written("all", merged, 'extends = "house"'))
    assert load(names[-1], **chain).hash == at_once.hash


@settings(max_examples=25, deadline=None)
@given(st.lists(layers, min_size=1, max_size=4))
def test_profiles_applied_one_after_the_other_say_what_a_chain_of_them_says(said: list[Said]) -> None:
    names = [f"layer{n}" for n in range(len(said))]
    single = {name: written(name, one, 'upon = "house"') for name, one in zip(names, said, strict=True)}
    chained = {
        name: written(name, one, f'extends = "{parent}"' if parent else 'upon = "house"')
        for name, one, parent in zip(names, said, ["", *names], strict=False)
    }
    one_by_one = written("own", {}, 'extends = "house"', f"[roles.mail]\napply = {names}\n".replace("'", '"'))
    the_last = written("own", {}, 'extends = "house"', f'[roles.mail]\napply = ["{names[-1]}"]\n')
    assert load("own", **single, own=one_by_one).hash == load("own", **chained, own=the_last).hash


@settings(max_examples=30, deadline=None)
@given(layers, st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS, layers)), st.permutations(KINDS))
def test_a_host_is_held_to_what_a_chain_in_the_order_of_overlays_says(
    of_all: Said, of_some: dict[str, Said], order: list[str]
) -> None:
    tables = [toml(of_some[kind], f"{kind}.{NAMES[kind]}") for kind in order if kind in of_some]
    held = load("own", own=written("own", of_all, 'extends = "house"', *tables)).for_host(MEANT, "commune")
    merged = dict(of_all)
    for kind in KINDS:
        merged |= of_some.get(kind, {})
    assert content(held) == content(load("flat", flat=written("flat", merged, 'extends = "house"')))


@settings(max_examples=25, deadline=None)
@given(
    layers,
    st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS, layers)),
    st.sampled_from(
        [
            (Host("web-2"), ""),
            (Host("mail", role="commune", level=1), "3"),
            (Host("3", role="web-1", level=5), "mail"),
        ]
    ),
)
def test_what_is_said_of_some_changes_no_other_host(
    of_all: Said, of_some: dict[str, Said], other: tuple[Host, str]
) -> None:
    tables = [toml(said, f"{kind}.{NAMES[kind]}") for kind, said in of_some.items()]
    held = load("own", own=written("own", of_all, 'extends = "house"', *tables)).for_host(*other)
    assert content(held) == content(load("own", own=written("own", of_all, 'extends = "house"')))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), layers), max_size=4), st.randoms(use_true_random=False))
def test_equal_hashes_hold_a_host_to_the_same(said: list[tuple[str, Said]], chance: Any) -> None:
    tables = [toml(one, f"{kind}.{NAMES[kind]}") for kind, one in dict(said).items()]
    shuffled = list(tables)
    chance.shuffle(shuffled)
    first, second = (
        load("own", own=written("own", {}, 'extends = "house"', *some)) for some in (tables, shuffled)
    )
    assert first.hash == second.hash
    assert content(first.for_host(MEANT, "commune")) == content(second.for_host(MEANT, "commune"))


@settings(max_examples=30, deadline=None)
@given(*[st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS, layers))] * 2)
def test_baselines_that_hold_a_host_to_something_else_have_other_hashes(
    one: dict[str, Said], other: dict[str, Said]
) -> None:
    first, second = (
        load(
            "own",
            own=written(
                "own", {}, 'extends = "house"', *(toml(s, f"{k}.{NAMES[k]}") for k, s in some.items())
            ),
        )
        for some in (one, other)
    )
    chosen = [(kind, NAMES[kind]) for kind in KINDS]
    for n in range(1 << len(chosen)):
        some = [selector for i, selector in enumerate(chosen) if n >> i & 1]
        if content(first.for_some(*some)) != content(second.for_some(*some)):
            assert first.hash != second.hash
            return
