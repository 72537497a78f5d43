"""What an ordinary account sees over SSH, held against what the host's own tools say when run by hand."""

import shlex

import pytest

from secscan.collection.ssh import SshCollector
from secscan.facts import Gap, known
from secscan.model import Observation
from tests.truth.conftest import Seen


@pytest.fixture(params=["bullseye", "bookworm"])
def host(request: pytest.FixtureRequest) -> Seen:
    seen: Seen = request.getfixturevalue(request.param)
    return seen


def test_every_kind_is_seen(host: Seen) -> None:
    assert {record.kind for record in host.records if isinstance(record, Observation)} == set(
        SshCollector.kinds
    )


def test_the_release_is_that_of_os_release(host: Seen) -> None:
    lines = host.root.run("cat", "/etc/os-release").splitlines()
    said = {line.partition("=")[0]: shlex.split(line.partition("=")[2])[0] for line in lines}
    release = known(host.system.release)
    assert (release.id, release.version, release.codename, release.name) == (
        said["ID"],
        said["VERSION_ID"],
        said["VERSION_CODENAME"],
        said["PRETTY_NAME"],
    )


def test_the_packages_are_those_that_dpkg_lists(host: Seen) -> None:
    fields = (
        "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
    )
    lines = [
        line.split("\t") for line in host.root.run("dpkg-query", "-W", "-f", fields).splitlines() if line
    ]
    installed = [tuple(fields) for status, *fields in lines if status == "installed"]
    ours = [(p.name, p.version, p.architecture, p.source, p.source_version) for p in host.packages.packages]
    assert len(ours) > 120
    assert sorted(ours) == sorted(installed)


def test_what_is_removed_but_for_its_settings_is_not_installed(bullseye: Seen) -> None:
    """dpkg still knows it."""
    assert bullseye.root.run("dpkg-query", "-W", "-f", "${db:Status-Status}", "cron") == "config-files"
    assert "cron" not in {package.name for package in bullseye.packages.packages}


def test_a_source_of_another_name_and_version_is_told(bullseye: Seen) -> None:
    (foreign,) = (p for p in bullseye.packages.packages if p.name == "lab-foreign")
    assert (foreign.version, foreign.source, foreign.source_version) == (
        "1:2.0-1+b3",
        "lab-source",
        "2.0-1",
    )


def test_held_packages_are_those_that_apt_mark_shows(host: Seen) -> None:
    assert list(known(host.packages.held)) == host.root.run("apt-mark", "showhold").split()


def test_one_package_is_held_on_the_frozen_system(bullseye: Seen) -> None:
    assert bullseye.packages.held == ("sudo",)


def test_only_what_came_from_a_file_is_foreign_on_the_frozen_system(bullseye: Seen) -> None:
    assert bullseye.packages.foreign == ("lab-foreign",)


def test_pending_updates_are_those_that_apt_simulates(host: Seen) -> None:
    """By root and by hand. What would be installed newly, as a kernel is, is no update of anything."""
    lines = host.root.run("apt-get", "-qq", "--simulate", "dist-upgrade").splitlines()
    theirs = set()
    for line in lines:
        before, _, after = line.partition(" (")
        words = before.split()
        if words[0] == "Inst" and len(words) > 2:
            theirs.add((words[1], words[2].strip("[]"), after.split()[0], " Debian-Security:" in after))
    ours = {(p.name, p.installed, p.candidate, p.security) for p in known(host.updates.pending)}
    assert ours == theirs


def test_the_frozen_system_has_updates_pending_and_the_current_one_none(
    bullseye: Seen, bookworm: Seen
) -> None:
    assert len(known(bullseye.updates.pending)) > 40
    assert known(bookworm.updates.pending) == ()


def test_the_repositories_are_those_of_sources_list(host: Seen) -> None:
    lines = [line.split() for line in host.root.run("cat", "/etc/apt/sources.list").splitlines()]
    theirs = {
        (address.rstrip("/"), suite, suite.endswith("-security")) for _deb, address, suite, _main in lines
    }
    ours = {(r.address.rstrip("/"), r.suite, r.security) for r in known(host.updates.repositories)}
    assert ours == theirs


def test_the_instants_are_those_of_apts_and_dpkgs_files(host: Seen) -> None:
    lists = int(host.root.run("stat", "-c", "%Y", "/var/lib/apt/lists"))
    installed = host.root.run("sh", "-c", "stat -c %Y /var/lib/dpkg/info/*.list").split()
    assert known(host.updates.metadata_at).timestamp() == lists
    assert known(host.updates.changed_at).timestamp() == max(map(int, installed))


def test_the_installed_kernels_are_those_in_boot(host: Seen) -> None:
    images = host.root.run("sh", "-c", "cd /boot && ls -d vmlinuz-*").split()
    theirs = {image.removeprefix("vmlinuz-") for image in images}
    ours = {kernel.release for kernel in known(host.system.kernels)}
    assert ours == theirs
    assert all(kernel.package for kernel in known(host.system.kernels))


def test_the_labs_own_socket_is_among_those_that_listen(host: Seen) -> None:
    """The network is that of the tests, where servers of others may listen too."""
    (seen,) = (r for r in host.records if r.kind == "sockets")
    assert isinstance(seen, Observation)
    listening = {(socket.transport, socket.address, socket.port) for socket in known(seen.facts.sockets)}
    address, _, port = seen.volatile["address"].rpartition(":")
    assert ("tcp", address, int(port)) in listening


def test_what_an_ordinary_account_may_not_read_is_a_gap(host: Seen) -> None:
    assert isinstance(host.system.outdated_programs, Gap)
