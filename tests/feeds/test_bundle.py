"""Bundles: all feeds over the air gap in one file, and nothing of one that is not exactly what was signed."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secscan.feeds.bundle import (
    fingerprint,
    load_private_key,
    load_public_key,
    make_key,
    read_bundle,
    write_bundle,
)
from secscan.feeds.errors import FeedError
from secscan.feeds.importing import Imported, Outcome, Refused, import_bundle, import_files
from secscan.feeds.status import status
from secscan.feeds.storage import FeedStore, Import
from tests.feeds.conftest import AT, Take
from tests.feeds.making import DATED, kev, osv_record, stanza, suite, update, updateinfo, write_json

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)


@pytest.fixture
def bundle(take: Take, db: Path, tmp_path: Path) -> Path:
    take(kev(tmp_path / "k", "CVE-2026-0001"))
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1")))
    take(write_json(tmp_path / "a", osv_record()))
    take(updateinfo(tmp_path / "u", update()))
    return write_bundle(db, tmp_path / "feeds.bundle", KEY, AT).path


def receive(bundle: Path, there: Path, *keys: Ed25519PrivateKey) -> Imported | Refused:
    (result,) = import_files(there, [bundle], AT, [key.public_key() for key in keys])
    return result


def told(db: Path) -> list[tuple[object, ...]]:
    return [(s.feed, s.as_of, s.dated_by, s.entries) for s in status(db, AT)]


def test_a_bundle_carries_every_feed_and_its_date(bundle: Path, db: Path, tmp_path: Path) -> None:
    result = receive(bundle, tmp_path / "there.db", OTHER, KEY)
    assert isinstance(result, Imported)
    assert len(result.feeds) == 4
    assert told(tmp_path / "there.db") == told(db)


def test_a_bundle_of_a_bundle_has_the_same_entries(bundle: Path, tmp_path: Path) -> None:
    receive(bundle, tmp_path / "there.db", KEY)
    again = write_bundle(tmp_path / "there.db", tmp_path / "again", KEY, AT)
    assert again.sha256 == read_bundle(bundle, [KEY.public_key()]).sha256


def test_the_same_bundle_twice_changes_nothing(bundle: Path, tmp_path: Path) -> None:
    receive(bundle, tmp_path / "there.db", KEY)
    result = receive(bundle, tmp_path / "there.db", KEY)
    assert isinstance(result, Imported)
    assert result.outcome is Outcome.UNCHANGED


def test_feeds_that_are_newer_here_stay(bundle: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    newer = suite(tmp_path / "newer", stanza("openssl", "3.0.16-1"), dated=DATED + timedelta(days=1))
    list(import_files(there, [newer], AT))
    result = receive(bundle, there, KEY)
    assert isinstance(result, Imported)
    assert result.left_out == {"feeds that are newer here": 1}
    assert [s.as_of for s in status(there, AT) if s.feed.kind == "packages"] == [DATED + timedelta(days=1)]


@pytest.mark.parametrize("keys", [(), (OTHER,)])
def test_a_bundle_that_nobody_trusted_signed_is_refused(
    keys: tuple[Ed25519PrivateKey, ...], bundle: Path, tmp_path: Path
) -> None:
    result = receive(bundle, tmp_path / "there.db", *keys)
    assert isinstance(result, Refused)
    assert "trusted" in str(result.error)
    assert status(tmp_path / "there.db", AT) == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(place: float, change: int, bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    at = int(place * len(content))
    content[at] ^= change
    forged = tmp_path / "forged"
    forged.write_bytes(content)
    signature = bundle.read_bytes().split(b"\n", 3)[2]
    try:
        read_bundle(forged, [KEY.public_key()])
    except FeedError:
        return
    # Hex digits may be written in capitals: that is the same signature.
    assert bytes(content).split(b"\n", 3)[2].lower() == signature


@pytest.mark.parametrize("left", [0, 10, 500, -1])
def test_a_bundle_that_was_cut_short_is_refused(left: int, bundle: Path, tmp_path: Path) -> None:
    bundle.write_bytes(bundle.read_bytes()[:left])
    with pytest.raises(FeedError):
        read_bundle(bundle, [KEY.public_key()])


def test_a_bundle_that_changes_after_it_was_verified_is_not_taken(bundle: Path) -> None:
    verified = read_bundle(bundle, [KEY.public_key()])
    with bundle.open("ab") as file:
        file.write(b"\0" * 100)
    with pytest.raises(FeedError, match="was changed while it was read"):
        list(verified.entries())


def test_there_is_no_bundle_of_nothing(db: Path, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="nothing was imported yet"):
        write_bundle(db, tmp_path / "b", KEY, AT)
    assert list(tmp_path.iterdir()) == []


def test_keys_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    public = make_key(tmp_path / "key", tmp_path / "key.pub")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert fingerprint(load_public_key(tmp_path / "key.pub")) == fingerprint(public)
    assert fingerprint(load_private_key(tmp_path / "key").public_key()) == fingerprint(public)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    make_key(tmp_path / "key", tmp_path / "key.pub")
    with pytest.raises(FeedError, match="is there already"):
        make_key(tmp_path / "key", tmp_path / "key.pub")


def test_what_is_no_key_is_refused_in_words(tmp_path: Path) -> None:
    make_key(tmp_path / "key", tmp_path / "key.pub")
    for load, path in ((load_private_key, "key.pub"), (load_public_key, "key")):
        with pytest.raises(FeedError, match="holds no"):
            load(tmp_path / path)


def test_the_same_entries_of_a_later_date_are_known_until_then(take: Take, db: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    for day in (1, 20):
        take(kev(tmp_path / f"k{day}", "CVE-2026-0001", released=f"2026-05-{day:02}T00:00:00Z"))
        result = receive(write_bundle(db, tmp_path / f"b{day}", KEY, AT).path, there, KEY)
        assert isinstance(result, Imported)
        assert result.outcome is Outcome.IMPORTED
    assert [s.as_of for s in status(there, AT)] == [DATED + timedelta(days=19)]


def test_what_was_withdrawn_here_is_withdrawn_there(take: Take, db: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    take(write_json(tmp_path / "a", [osv_record("ALSA-2026:1"), osv_record("ALSA-2026:2")]))
    receive(write_bundle(db, tmp_path / "one", KEY, AT).path, there, KEY)
    withdrawn = osv_record("ALSA-2026:1", modified="2026-05-02T00:00:00Z", withdrawn="2026-05-02T00:00:00Z")
    take(write_json(tmp_path / "b", withdrawn))
    receive(write_bundle(db, tmp_path / "two", KEY, AT).path, there, KEY)
    assert [s.entries for s in status(there, AT)] == [1]


def test_what_was_withdrawn_never_comes_back_by_an_older_record(take: Take, db: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    take(write_json(tmp_path / "a", [osv_record("ALSA-2026:1"), osv_record("ALSA-2026:2")]))
    withdrawn = osv_record("ALSA-2026:1", modified="2026-05-02T00:00:00Z", withdrawn="2026-05-02T00:00:00Z")
    take(write_json(tmp_path / "b", withdrawn))
    receive(write_bundle(db, tmp_path / "one", KEY, AT).path, there, KEY)
    list(import_files(there, [tmp_path / "a"], AT))
    assert [s.entries for s in status(there, AT)] == [1]


def test_a_bundle_that_grows_old_while_it_waits_replaces_nothing(
    take: Take, db: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there.db"
    list(import_files(there, [kev(tmp_path / "k", "CVE-2026-0001", released="2026-04-01T00:00:00Z")], AT))
    take(kev(tmp_path / "l", "CVE-2026-0001", released="2026-05-01T00:00:00Z"))
    bundle = write_bundle(db, tmp_path / "b", KEY, AT)
    newer = kev(tmp_path / "n", "CVE-2026-0001", "CVE-2026-0002", released="2026-05-30T00:00:00Z")

    class Overtaken(FeedStore):
        """Another process finishes its import between our look at what is there and our own transaction."""

        @contextmanager
        def importing(self, file: str, sha256: str, at: datetime) -> Iterator[Import]:
            list(import_files(there, [newer], AT))
            with super().importing(file, sha256, at) as work:
                yield work

    with closing(sqlite3.connect(there, isolation_level=None)) as connection:
        result = import_bundle(Overtaken(connection, str(there)), bundle, AT)
    assert result.outcome is Outcome.OLDER
    assert [(s.as_of.day, s.entries) for s in status(there, AT)] == [(30, 2)]
