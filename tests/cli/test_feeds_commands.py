"""secscan feeds: files come in whole or not at all, are told by their dates, and cross the air gap signed."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Secscan, as_json
from tests.cli.inside import write_inside
from tests.feeds import conftest as feeds_conftest
from tests.feeds.making import kev, osv_record, stanza, suite, write_json

corpus = feeds_conftest.corpus


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return write_inside(tmp_path / "w", "", "", profile="baseline")


def days_ago(days: int) -> str:
    """Just under so many days ago, as CISA writes it."""
    return (datetime.now(UTC) - timedelta(days=days, minutes=-5)).strftime("%Y-%m-%dT%H:%M:%S.0000Z")


def told(secscan: Secscan, place: Path, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = as_json(
        secscan("feeds", "status", "-C", place, "--format", "json", *arguments)
    )
    return found


# --- import -----------------------------------------------------------------------------------------------


def test_what_came_in_is_told_file_by_file(place: Path, tmp_path: Path, secscan: Secscan) -> None:
    files = [kev(tmp_path / "k", "CVE-2026-0001"), write_json(tmp_path / "a", osv_record())]
    done = secscan("feeds", "import", *files, "-C", place)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/k: kev of 2026-05-01: entries: 1 new, 0 changed, 0 gone" in done.stderr
    assert f"{tmp_path}/a: osv almalinux 9" in done.stderr
    assert done.stdout == "imported: 2\n"


def test_what_apt_keeps_comes_in_as_a_folder(place: Path, tmp_path: Path, secscan: Secscan) -> None:
    suite(tmp_path / "lists", stanza("openssl", "3.0.15-1"), packing="lz4")
    assert secscan("feeds", "import", tmp_path / "lists", "-C", place).returncode == 0
    (feed,) = told(secscan, place)
    assert (feed["kind"], feed["ecosystem"], feed["release"], feed["entries"]) == (
        "packages",
        "debian",
        "12",
        1,
    )


def test_a_damaged_file_is_named_and_the_others_come_in(
    place: Path, tmp_path: Path, secscan: Secscan
) -> None:
    (tmp_path / "bad").write_text('{"catalogVersion": "1", "dateRel')
    done = secscan("feeds", "import", tmp_path / "bad", kev(tmp_path / "k", "CVE-2026-0001"), "-C", place)
    assert done.returncode == 2
    assert f"{tmp_path}/bad: " in done.stderr
    assert done.stdout == "imported: 1, not read: 1\n"
    assert len(told(secscan, place)) == 1


def test_older_and_known_files_change_nothing(place: Path, tmp_path: Path, secscan: Secscan) -> None:
    newer = kev(tmp_path / "new", "CVE-2026-0001")
    older = kev(tmp_path / "old", "CVE-2026-0002", released="2026-04-01T00:00:00.0000Z")
    secscan("feeds", "import", newer, "-C", place)
    before = told(secscan, place)
    done = secscan("feeds", "import", newer, older, "-C", place)
    assert done.returncode == 0
    assert "is here already" in done.stderr
    assert "is older than what is here" in done.stderr
    assert told(secscan, place) == before


def test_a_file_that_lost_most_of_its_entries_needs_a_word(
    place: Path, tmp_path: Path, secscan: Secscan
) -> None:
    whole = kev(tmp_path / "a", *(f"CVE-2026-{n:04}" for n in range(50)))
    cut = kev(tmp_path / "b", "CVE-2026-0001", released="2026-05-02T00:00:00Z")
    secscan("feeds", "import", whole, "-C", place)
    done = secscan("feeds", "import", cut, "-C", place)
    assert done.returncode == 2
    assert "has 1 entries of kev, and 50 are here" in done.stderr
    assert "--shrink" in done.stderr
    assert secscan("feeds", "import", cut, "--shrink", "-C", place).returncode == 0


def test_a_folder_with_nothing_of_use_is_a_mistake(place: Path, tmp_path: Path, secscan: Secscan) -> None:
    (tmp_path / "empty").mkdir()
    done = secscan("feeds", "import", tmp_path / "empty", "-C", place)
    assert done.returncode == 2
    assert str(tmp_path / "empty") in done.stderr


def test_real_feeds_come_in(corpus: Path, place: Path, secscan: Secscan) -> None:
    files = [corpus / name for name in ("kev.json", "endoflife/debian.json", "debian.csv")]
    if missing := [str(file) for file in files if not file.exists()]:
        pytest.skip(f"the corpus lacks {', '.join(missing)}")
    done = secscan("feeds", "import", *files, "-C", place)
    assert done.returncode == 0, done.stderr
    entries = {feed["kind"]: feed["entries"] for feed in told(secscan, place)}
    assert set(entries) == {"kev", "endoflife", "distro-info"}
    assert isinstance(entries["kev"], int)
    assert entries["kev"] > 1000


def test_without_a_workspace_they_go_where_audits_look(tmp_path: Path, secscan: Secscan) -> None:
    (tmp_path / "nowhere").mkdir()
    arguments = {"cwd": tmp_path / "nowhere", "XDG_DATA_HOME": str(tmp_path / "data")}
    done = secscan("feeds", "import", kev(tmp_path / "k", "CVE-2026-0001"), **arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "secscan" / "feeds.db").is_file()
    (feed,) = as_json(secscan("feeds", "status", "--format", "json", **arguments))
    assert (feed["kind"], feed["most_days"]) == ("kev", 14)


# --- status -----------------------------------------------------------------------------------------------


def test_without_feeds_it_says_how_to_get_some(place: Path, secscan: Secscan) -> None:
    done = secscan("feeds", "status", "-C", place)
    assert done.returncode == 0
    assert "secscan feeds import FILE" in done.stderr
    assert told(secscan, place) == []


@pytest.mark.parametrize(("days", "stale"), [(13, False), (14, False), (15, True)])
def test_a_feed_is_too_old_where_the_profile_says_so(
    place: Path, tmp_path: Path, days: int, stale: bool, secscan: Secscan
) -> None:
    secscan("feeds", "import", kev(tmp_path / "k", "CVE-2026-0001", released=days_ago(days)), "-C", place)
    (feed,) = told(secscan, place)
    assert (feed["stale"], feed["most_days"]) == (stale, 14)
    table = secscan("feeds", "status", "-C", place).stdout
    assert ("too old" in table) is stale
    assert "kev" in table


def test_a_profile_without_such_rules_calls_nothing_too_old(
    place: Path, tmp_path: Path, secscan: Secscan
) -> None:
    secscan("feeds", "import", kev(tmp_path / "k", "CVE-2026-0001", released=days_ago(1000)), "-C", place)
    (feed,) = told(secscan, place, "--profile", "network")
    assert (feed["stale"], feed["most_days"]) == (False, None)


def test_a_database_of_something_else_is_named(place: Path, secscan: Secscan) -> None:
    (place / "feeds.db").write_bytes(b"not a database, but long enough to be taken for one" * 20)
    done = secscan("feeds", "status", "-C", place)
    assert done.returncode == 2
    assert "feeds.db" in done.stderr
    assert "Traceback" not in done.stderr


# --- Over the air gap -------------------------------------------------------------------------------------


@pytest.fixture
def bundle(place: Path, tmp_path: Path, secscan: Secscan) -> Path:
    """A signed bundle of two feeds; ``key`` and ``key.pub`` lie beside it."""
    files = [kev(tmp_path / "k", "CVE-2026-0001"), write_json(tmp_path / "a", osv_record())]
    secscan("feeds", "import", *files, "-C", place)
    made = secscan("feeds", "key", tmp_path / "key")
    assert made.returncode == 0, made.stderr
    done = secscan("feeds", "bundle", tmp_path / "out", "--key", tmp_path / "key", "-C", place)
    assert done.returncode == 0, done.stderr
    fingerprint = made.stdout.split()[-1].rstrip(".")
    assert f"2 feeds, the oldest of 2026-05-01, signed by the key {fingerprint}." in done.stdout
    return tmp_path / "out"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return write_inside(tmp_path / "there", "", "", profile="baseline")


def test_a_bundle_brings_everything_and_its_dates(
    bundle: Path, place: Path, there: Path, tmp_path: Path, secscan: Secscan
) -> None:
    done = secscan("feeds", "import", bundle, "--key", tmp_path / "key.pub", "-C", there)
    assert done.returncode == 0, done.stderr
    shown = [
        [(feed["kind"], feed["as_of"], feed["entries"]) for feed in told(secscan, folder)]
        for folder in (place, there)
    ]
    assert len(shown[0]) == 2
    assert shown[0] == shown[1]


def test_a_bundle_of_nobody_who_is_trusted_is_refused(
    bundle: Path, there: Path, tmp_path: Path, secscan: Secscan
) -> None:
    secscan("feeds", "key", tmp_path / "other")
    for arguments in ((), ("--key", tmp_path / "other.pub")):
        done = secscan("feeds", "import", bundle, *arguments, "-C", there)
        assert done.returncode == 2
        assert f"{bundle}: " in done.stderr
    assert told(secscan, there) == []


def test_a_bundle_with_another_byte_is_refused(
    bundle: Path, there: Path, tmp_path: Path, secscan: Secscan
) -> None:
    content = bytearray(bundle.read_bytes())
    content[-20] ^= 1
    bundle.write_bytes(content)
    done = secscan("feeds", "import", bundle, "--key", tmp_path / "key.pub", "-C", there)
    assert done.returncode == 2
    assert "copy it again" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("bundle", "out2", "--key", "key.pub"),
        ("bundle", "out2", "--key", "gone"),
        ("import", "out", "--key", "key"),
        ("key", "key"),
    ],
)
def test_the_wrong_key_is_named(
    bundle: Path, place: Path, tmp_path: Path, arguments: tuple[str, ...], secscan: Secscan
) -> None:
    secret = (tmp_path / "key").read_text()
    more = () if arguments[0] == "key" else ("-C", place)
    done = secscan("feeds", *arguments, *more, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{arguments[-1]}: " in done.stderr
    assert (tmp_path / "key").read_text() == secret
    assert secret.splitlines()[1] not in done.stdout + done.stderr


def test_there_is_no_bundle_of_nothing(there: Path, tmp_path: Path, secscan: Secscan) -> None:
    secscan("feeds", "key", tmp_path / "key")
    done = secscan("feeds", "bundle", tmp_path / "out", "--key", tmp_path / "key", "-C", there)
    assert done.returncode == 2
    assert "nothing was imported yet" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_private_key_is_for_its_owner_alone(tmp_path: Path, secscan: Secscan) -> None:
    secscan("feeds", "key", tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert "PUBLIC KEY" in (tmp_path / "key.pub").read_text()
