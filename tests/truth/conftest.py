"""Each host of the patch lab, looked at once over SSH, and the feeds that its own package lists are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from secscan.collection.ssh import Credential, SshCollector
from secscan.facts import Facts, PackageFacts, SystemFacts, UpdateFacts
from secscan.feeds.importing import Imported, import_files
from secscan.feeds.references import load_references
from secscan.model import Host, HostTarget, Observation, Record
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.lab.ssh import make_key
from tests.truth.lab import ACCOUNT, LabHost, Root, missing

ADDRESS = "127.0.0.1"
FactsT = TypeVar("FactsT", bound=Facts)


@dataclass(frozen=True)
class Seen:
    """One host: its root file system, and the records of one look at it."""

    root: Root
    host: Host
    records: tuple[Record, ...]

    def observation(self, kind: type[FactsT]) -> Observation[FactsT]:
        (record,) = (record for record in self.records if record.kind == kind.kind)
        assert isinstance(record, Observation), record
        return record

    def facts(self, kind: type[FactsT]) -> FactsT:
        return self.observation(kind).facts

    @property
    def system(self) -> SystemFacts:
        return self.facts(SystemFacts)

    @property
    def packages(self) -> PackageFacts:
        return self.facts(PackageFacts)

    @property
    def updates(self) -> UpdateFacts:
        return self.facts(UpdateFacts)


@pytest.fixture(scope="session")
def needs_lab() -> None:
    why = missing()
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def bullseye(needs_lab: None, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """As released: its security suite is known to it, and nothing of it installed."""
    return _look("bullseye", tmp_path_factory.mktemp("bullseye"))


@pytest.fixture(scope="session")
def bookworm(needs_lab: None, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Current."""
    return _look("bookworm", tmp_path_factory.mktemp("bookworm"))


def _look(suite: str, folder: Path) -> Seen:
    root = Root(suite)
    key = make_key(folder / "id")
    credential = Credential("lab", ACCOUNT, key_file=key)
    with LabHost(root, key.with_suffix(".pub").read_text(), ADDRESS) as running:
        (folder / "known_hosts").write_text(running.known_hosts)
        host = Host(suite, (ADDRESS,), credential="lab")
        collector = SshCollector(
            {host.id: host},
            {},
            {"lab": Credential("lab", ACCOUNT, port=running.port, key_file=credential.key_file)},
            folder / "known_hosts",
        )
        gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
        return Seen(root, host, tuple(collector.collect([HostTarget(host.id)], gate)))


@pytest.fixture(scope="session")
def indexes(bullseye: Seen, bookworm: Seen, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """feeds.db, of the package lists that both hosts have and nothing else."""
    db = tmp_path_factory.mktemp("feeds") / "feeds.db"
    results = tuple(import_files(db, [bullseye.root.indexes, bookworm.root.indexes], datetime.now(UTC)))
    assert all(isinstance(result, Imported) for result in results), results
    return db


@pytest.fixture(scope="session")
def references(indexes: Path) -> Mapping[type, Any]:
    """What checks are given of them."""
    return load_references(indexes)
