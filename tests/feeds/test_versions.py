"""Versions, held against those who make the rules: dpkg and rpm themselves, and apk's documentation."""

import contextlib
import random
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.feeds.versions import MOST_CHARACTERS, SCHEMES, VersionError, is_older, read_version

PAIRS = 10_000


def order(scheme: str, one: str, other: str) -> int:
    return -1 if is_older(scheme, one, other) else int(is_older(scheme, other, one))


# --- Against dpkg -----------------------------------------------------------------------------------------


def debian_version(random: random.Random) -> str:
    """As deb-version(7) allows, full of what is easily got wrong."""
    epoch = f"{random.randint(0, 2)}:" if random.random() < 0.3 else ""
    middle = "".join(random.choice("0012ab~.+-AZ") for _ in range(random.randint(0, 6)))
    revision = "-" + "".join(random.choice("012ab~.+") for _ in range(random.randint(1, 5)))
    return f"{epoch}{random.randint(0, 12)}{middle.rstrip('-')}{revision if random.random() < 0.6 else ''}"


def alike(version: str, random: random.Random) -> str:
    """Another version that differs in one place: the pairs that tell right from nearly right."""
    place = random.randrange(1, len(version)) if len(version) > 1 else 0
    edit = random.choice(("", "0", "1", "~", "a", "."))
    changed = version[:place] + edit + version[place + (random.random() < 0.5) :]
    return changed.rstrip("-:") or version


def pairs(make: "object", seed: int) -> Iterator[tuple[str, str]]:
    chance = random.Random(seed)
    while True:
        one = make(chance)  # type: ignore[operator]
        yield one, (alike(one, chance) if chance.random() < 0.6 else make(chance))  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_10_000_pairs_compare_as_dpkg_compares_them() -> None:
    dpkg = shutil.which("dpkg")
    if dpkg is None:
        pytest.skip("no dpkg here")
    compared = 0
    for one, other in pairs(debian_version, 1):
        answers = []
        for relation in ("lt", "gt"):
            run = subprocess.run(
                [dpkg, "--compare-versions", one, relation, other], capture_output=True, check=False
            )
            if run.stderr:  # dpkg does not take it for a version.
                break
            answers.append(run.returncode == 0)
        else:
            assert order("dpkg", one, other) == answers[1] - answers[0], (one, other)
            compared += 1
            if compared == PAIRS:
                return


@pytest.mark.parametrize(
    "version", ["", "1-", "1:", "a b", "1\n", "ế", "1" * (MOST_CHARACTERS + 1), "-1", "x:1"]
)
def test_what_dpkg_refuses_is_no_version(version: str) -> None:
    with pytest.raises(VersionError):
        read_version("dpkg", version)


# --- Against rpm ------------------------------------------------------------------------------------------


def rpm_version(random: random.Random) -> str:
    return "".join(random.choice("0012ab~^.+_AZ") for _ in range(random.randint(1, 8)))


def evr(random: random.Random) -> str:
    epoch = f"{random.randint(0, 2)}:" if random.random() < 0.3 else ""
    return f"{epoch}{rpm_version(random)}-{rpm_version(random)}"


def rpm_says(
    tmp_path_factory: pytest.TempPathFactory, expression: str, asked: list[tuple[str, str]]
) -> list[int]:
    """rpm's own answers, thousands in one process."""
    rpm = shutil.which("rpm")
    if rpm is None:
        pytest.skip("no rpm here")
    file = tmp_path_factory.mktemp("rpm") / "pairs"
    file.write_text("".join(f"{one} {other}\n" for one, other in asked))
    script = (
        f'for l in io.lines("{file}") do local a, b = l:match("(%S+) (%S+)") print(({expression}) .. " ") end'
    )
    run = subprocess.run(
        [rpm, "--eval", "%{lua: " + script + "}"], capture_output=True, text=True, check=True
    )
    return [int(word) for word in run.stdout.split()]


def test_10_000_pairs_compare_as_rpmvercmp_compares_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    generator = pairs(rpm_version, 2)
    asked = [next(generator) for _ in range(PAIRS)]
    answers = rpm_says(tmp_path_factory, "rpm.vercmp(a, b)", asked)
    assert len(answers) == PAIRS
    wrong = [pair for pair, said in zip(asked, answers, strict=True) if order("rpm", *pair) != said]
    assert wrong == []


def test_10_000_pairs_with_epoch_and_release_compare_as_rpm_compares_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    generator = pairs(evr, 3)
    asked: list[tuple[str, str]] = []
    while len(asked) < PAIRS:
        one, other = next(generator)
        # rpm.ver() takes none that lacks a part, and a hyphen within a part is another release.
        if all(re.fullmatch(r"(?:\d+:)?[^:-]+-[^:-]+", version) for version in (one, other)):
            asked.append((one, other))
    expression = "rpm.ver(a) < rpm.ver(b) and -1 or (rpm.ver(a) == rpm.ver(b) and 0 or 1)"
    answers = rpm_says(tmp_path_factory, expression, asked)
    wrong = [pair for pair, said in zip(asked, answers, strict=True) if order("rpm", *pair) != said]
    assert wrong == []


# --- Against apk's documentation ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.2-r0", "1.2-r1"),
        ("1.2_alpha", "1.2_beta"),
        ("1.2_beta", "1.2_pre"),
        ("1.2_pre", "1.2_rc1"),
        ("1.2_rc1-r0", "1.2-r0"),
        ("1.2_rc1", "1.2_rc2"),
        ("1.2", "1.2_git20200101"),
        ("1.2_git20200101-r0", "1.2_p1-r0"),
        ("1.2-r9", "1.2_p1-r0"),
        ("1.2", "1.2a"),
        ("1.2a", "1.2b"),
        ("1.2b", "1.2.1"),
        ("2.9", "2.10"),
        ("0.12", "0.12.0"),
        ("1.01", "1.1"),
        ("1.001", "1.01"),
        ("1.2_rc1", "1.2.1"),
        ("3.0.2-r0", "3.0.10-r0"),
        ("9.0-r5", "9.0_p1-r0"),
    ],
)
def test_apk(older: str, newer: str) -> None:
    assert order("apk", older, newer) == -1
    assert order("apk", newer, older) == 1


@pytest.mark.parametrize("version", ["1.2.", "r1", "1.2-1", "1.2_foo", "1..2", "latest"])
def test_what_apk_refuses_is_no_version(version: str) -> None:
    with pytest.raises(VersionError):
        read_version("apk", version)


# --- Of every scheme ----------------------------------------------------------------------------------------

WORDS = st.text(alphabet="0123456789.-_+~^:abrcpe", min_size=1, max_size=12)


@given(scheme=st.sampled_from(SCHEMES), one=WORDS, other=WORDS, third=WORDS)
def test_what_can_be_compared_has_one_order(scheme: str, one: str, other: str, third: str) -> None:
    try:
        versions = [read_version(scheme, text) for text in (one, other, third)]
    except VersionError:
        return
    a, b, c = versions
    assert not a < a
    assert not (a < b and b < a)
    if a < b and b < c:
        assert a < c


@given(scheme=st.sampled_from(SCHEMES), text=st.text(max_size=40))
def test_any_text_is_a_version_or_an_error_of_ours(scheme: str, text: str) -> None:
    with contextlib.suppress(VersionError):
        assert not is_older(scheme, text, text)


def test_a_scheme_that_nobody_knows_compares_nothing() -> None:
    with pytest.raises(VersionError, match="no rules"):
        read_version("portage", "1")
