"""What all tests of the SSH collector share."""

from pathlib import Path

import paramiko
import pytest

from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.collection.ssh.world import ADDRESS, World, needs_sshd
from tests.lab.ssh import make_key


@pytest.fixture(scope="session")
def host_key() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def gate() -> Gate:
    return Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))


@pytest.fixture
def world(tmp_path: Path, gate: Gate) -> World:
    return World(tmp_path, gate)


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_sshd()
    return make_key(tmp_path_factory.mktemp("keys") / "id")
