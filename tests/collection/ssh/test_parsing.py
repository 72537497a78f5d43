"""Facts from replies of many systems (composed, not captured, but for Debian's in test_script.py)."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from secscan.collection.ssh.operation import parse_cron, parse_sockets
from secscan.collection.ssh.reading import UnparsedError, command
from secscan.collection.ssh.reply import facts_of
from secscan.collection.ssh.system import Clock, parse_release
from secscan.collection.ssh.updates import dpkg_changed
from secscan.facts import Facts, Gap, Kernel, Package, PendingUpdate, Release, Repository, Socket
from secscan.model import Reason
from tests.collection.ssh.composed import ALMA, ALPINE, AMAZON, APPLIANCE, ARCH, ROCKY, SLES, UBUNTU, composed

CORPUS = Path(os.environ.get("SECSCAN_CORPUS", Path(__file__).parents[4] / "shared/corpus")) / "os-release"


def facts(sections: dict[str, str], kind: str, **changes: str | None) -> Any:
    """Facts of a kind; ``changes`` replace sections (``rpm_held`` for rpm-held), None takes one out."""
    changed = sections | {name.replace("_", "-"): text for name, text in changes.items() if text is not None}
    for name, text in changes.items():
        if text is None:
            changed.pop(name.replace("_", "-"), None)
    return facts_of(composed(changed), Clock(1_779_999_999.0, 1_780_000_001.0))[kind]


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def reason(reading: Any) -> Reason | None:
    return reading.reason if isinstance(reading, Gap) else None


# --- Packages ---------------------------------------------------------------------------------------------


def test_rpm_versions_have_their_epoch_and_sources_theirs() -> None:
    packages = {p.name: p for p in facts(ROCKY, "packages").packages}
    assert packages["openssl-libs"] == Package(
        name="openssl-libs",
        version="1:3.0.7-27.el9",
        architecture="x86_64",
        source="openssl",
        source_version="1:3.0.7-27.el9",
    )


def test_rpm_streams_are_kept_by_name_and_stream() -> None:
    assert {p.name: p.module for p in facts(ROCKY, "packages").packages}["nodejs"] == "nodejs:18"


def test_rpm_epoch_zero_is_none() -> None:
    assert {p.name: p.version for p in facts(ROCKY, "packages").packages}["zero"] == "1-1"


def test_rpm_keys_are_no_packages() -> None:
    assert "gpg-pubkey" not in {p.name for p in facts(ROCKY, "packages").packages}


def test_two_versions_of_one_rpm_are_both_there() -> None:
    assert len([p for p in facts(ROCKY, "packages").packages if p.name == "kernel-core"]) == 2


def test_dpkg_leaves_out_what_is_removed() -> None:
    names = {p.name for p in facts(UBUNTU, "packages").packages}
    assert "openssl" in names
    assert not names & {"old", "never"}


def test_apk_knows_sources() -> None:
    assert {p.name: p.source for p in facts(ALPINE, "packages").packages}["ssl_client"] == "busybox"


def test_pacman_is_read() -> None:
    assert [(p.name, p.version) for p in facts(ARCH, "packages").packages] == [
        ("bash", "5.2.032-2"),
        ("linux", "6.10.6.arch1-1"),
    ]


@pytest.mark.parametrize(
    ("sections", "held"),
    [
        (UBUNTU, ("nginx",)),
        (ROCKY, ("kernel*", "nodejs", "php")),
        (ALPINE, ("nginx", "openssl")),
        (ARCH, ("linux",)),
        (SLES, ("kernel-default",)),
    ],
    ids=["ubuntu", "rocky", "alpine", "arch", "sles"],
)
def test_held_packages_are_named(sections: dict[str, str], held: tuple[str, ...]) -> None:
    assert facts(sections, "packages").held == held


@pytest.mark.parametrize(
    ("sections", "foreign"),
    [(UBUNTU, ("agent",)), (ROCKY, ("agent",)), (ARCH, ()), (SLES, ("agent",))],
    ids=["ubuntu", "rocky", "arch", "sles"],
)
def test_foreign_packages_are_named(sections: dict[str, str], foreign: tuple[str, ...]) -> None:
    assert facts(sections, "packages").foreign == foreign


def test_an_old_apt_can_not_tell_foreign_packages() -> None:
    gap = facts(UBUNTU, "packages", apt_foreign="apt 1.8.2 (amd64)\nListing...").foreign
    assert reason(gap) is Reason.TOOL_MISSING


@pytest.mark.parametrize(
    ("sections", "name", "line"),
    [
        (UBUNTU, "dpkg", "ii \tbash\t5.2"),
        (UBUNTU, "dpkg", "ii \t\t1\tamd64\tx\t1"),
        (ROCKY, "rpm", "error: rpmdb is damaged"),
        (ROCKY, "rpm", "a\t(none)\t1\t1\tx\tnonsense\t1\t(none)"),
        (ALPINE, "apk", "P:a\nV:1"),
        (ALPINE, "apk", "nonsense"),
        (ARCH, "pacman", "bash\t%VERSION% 1"),
    ],
)
def test_one_line_that_is_not_understood_leaves_packages_unknown(
    sections: dict[str, str], name: str, line: str
) -> None:
    gap = facts(sections, "packages", **{name: sections[name] + "\n\n" + line})
    assert reason(gap) is Reason.UNPARSED
    assert name in gap.detail


def test_an_empty_database_is_contradictory() -> None:
    assert reason(facts(UBUNTU, "packages", dpkg="")) is Reason.CONTRADICTORY


def test_no_manager_is_said_to_be_missing() -> None:
    assert reason(facts(UBUNTU, "packages", dpkg=None)) is Reason.TOOL_MISSING


def test_without_packages_nothing_is_said_of_updates() -> None:
    assert isinstance(facts(UBUNTU, "updates", dpkg="?"), Gap)


# --- Updates ----------------------------------------------------------------------------------------------


def test_apt_pending_updates_with_their_origin() -> None:
    assert facts(UBUNTU, "updates").pending == (
        PendingUpdate(
            name="openssl",
            architecture="amd64",
            installed="3.0.2-0ubuntu1.12",
            candidate="3.0.2-0ubuntu1.15",
            origin="Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security",
            security=True,
        ),
        PendingUpdate(
            name="tzdata",
            architecture="all",
            installed="2023c",
            candidate="2024a",
            origin="Ubuntu:22.04/jammy-updates",
            security=False,
        ),
    )


def test_dnf_pending_updates_over_broken_lines() -> None:
    pending = {p.name: (p.installed, p.candidate, p.security) for p in facts(ROCKY, "updates").pending}
    assert pending == {
        "openssl-libs": ("1:3.0.7-27.el9", "1:3.0.7-28.el9_4", True),
        "bash": ("5.1.8-9.el9", "5.1.8-10.el9", False),
        "a-very-long-name-that-makes-dnf-break-the-line-where-it-likes": ("", "2-1.el9", False),
    }


def test_zypper_pending_updates() -> None:
    [update] = facts(SLES, "updates").pending
    assert (update.name, update.candidate, reason(update.security)) == (
        "curl",
        "8.0.1-150400.5.44.1",
        Reason.NOT_COLLECTED,
    )


def test_apk_pending_updates() -> None:
    assert [(p.name, p.candidate, p.origin) for p in facts(ALPINE, "updates").pending] == [
        ("busybox", "1.36.1-r31", ""),
        ("ssl_client", "1.36.1-r31", "@edge"),
    ]


def test_pacman_pending_updates() -> None:
    assert [(p.name, p.candidate) for p in facts(ARCH, "updates").pending] == [
        ("bash", "5.2.037-1"),
        ("linux", "6.11.arch1-1"),
    ]


def test_an_apk_without_an_index_can_not_tell_what_is_new() -> None:
    assert reason(facts(ALPINE, "updates", apk_metadata="").pending) is Reason.UNREADABLE


@pytest.mark.parametrize(("status", "expected"), [("=0", None), ("=100", None), ("=1", Reason.UNREADABLE)])
def test_dnf_says_by_its_status_whether_it_could_tell(status: str, expected: Reason | None) -> None:
    assert reason(facts(ROCKY, "updates", rpm_pending=status).pending) is expected


def test_dnf_is_not_asked_by_ordinary_accounts() -> None:
    assert reason(facts(ROCKY, "updates", rpm_pending="=126").pending) is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("sections", "name"), [(UBUNTU, "apt-pending"), (ALPINE, "apk-pending"), (ARCH, "pacman-pending")]
)
def test_pending_updates_that_are_not_understood_are_a_gap(sections: dict[str, str], name: str) -> None:
    text = sections[name] + "\nInst nonsense"
    assert reason(facts(sections, "updates", **{name.replace("-", "_"): text}).pending) is Reason.UNPARSED


def test_repositories_are_without_passwords() -> None:
    assert facts(UBUNTU, "updates").repositories == (
        Repository(address="http://archive.example/ubuntu/", suite="jammy", security=False),
        Repository(address="http://archive.example/ubuntu/", suite="jammy-security", security=True),
        Repository(address="https://esm.ubuntu.com/apps/ubuntu/", suite="jammy-apps-security", security=True),
    )


@pytest.mark.parametrize(
    ("sections", "addresses"),
    [
        (ROCKY, {"https://mirrors.example/", "https://repo.example/i"}),
        (ALPINE, {"https://dl.example/alpine/v3.20/main", "https://dl.example/alpine/edge/main"}),
        (ARCH, {"https://x.example/$repo"}),
    ],
    ids=["rocky", "alpine", "arch"],
)
def test_enabled_repositories_are_named(sections: dict[str, str], addresses: set[str]) -> None:
    assert {r.address for r in facts(sections, "updates").repositories} == addresses


def test_a_file_of_repositories_that_can_not_be_read_leaves_them_unknown() -> None:
    text = ROCKY["rpm-origins"] + "\n?unread"
    assert reason(facts(ROCKY, "updates", rpm_origins=text).repositories) is Reason.UNPARSED


@pytest.mark.parametrize(
    ("sections", "instant"),
    [(UBUNTU, 1779999000), (ROCKY, 1769980000), (ALPINE, 1779000000), (ARCH, 1779000000)],
    ids=["ubuntu", "rocky", "alpine", "arch"],
)
def test_metadata_is_as_old_as_the_oldest_in_use(sections: dict[str, str], instant: int) -> None:
    assert facts(sections, "updates").metadata_at == at(instant)


@pytest.mark.parametrize(
    ("sections", "instant"),
    [(UBUNTU, 1775000000), (ROCKY, 1760000500), (ALPINE, 1778000000), (ARCH, 1771000000)],
    ids=["ubuntu", "rocky", "alpine", "arch"],
)
def test_the_last_change_is_known(sections: dict[str, str], instant: int) -> None:
    assert facts(sections, "updates").changed_at == at(instant)


@pytest.mark.parametrize(
    ("changes", "automatic"),
    [
        ({}, True),
        ({"apt_settings": UBUNTU["apt-settings"].replace('Lists "1"', 'Lists "0"')}, False),
        ({"apt_settings": UBUNTU["apt-settings"].replace('Upgrade "1"', 'Upgrade "0"')}, False),
        ({"apt_settings": UBUNTU["apt-settings"].replace('Upgrade "1"', 'Upgrade "always"')}, True),
        ({"apt_settings": UBUNTU["apt-settings"] + '\nAPT::Periodic::Enable "0";'}, False),
        ({"apt_settings": UBUNTU["apt-settings"].replace("-security", "-updates")}, False),
        ({"apt_settings": ""}, False),
        ({"automatic": "unit apt-daily-upgrade.timer disabled"}, False),
        ({"automatic": "unit apt-daily-upgrade.timer masked"}, False),
        ({"automatic": ""}, True),
        ({"dpkg": UBUNTU["dpkg"].replace("unattended-upgrades", "other")}, False),
    ],
)
def test_unattended_upgrades_need_both_halves_the_program_and_its_timer(
    changes: dict[str, str], automatic: bool
) -> None:
    assert facts(UBUNTU, "updates", **changes).automatic is automatic


@pytest.mark.parametrize(
    ("text", "automatic"),
    [
        ("file f\napply_updates = yes\nunit dnf-automatic.timer enabled", True),
        ("file f\napply_updates = no\nunit dnf-automatic.timer enabled", False),
        ("file f\napply_updates = yes\nunit dnf-automatic.timer disabled", False),
        ("file f\napply_updates = no\nunit dnf-automatic-install.timer enabled", True),
        ("unit transactional-update.timer enabled", True),
        ("", Reason.UNREADABLE),
    ],
)
def test_dnf_automatic_needs_its_setting_and_its_timer(text: str, automatic: bool | Reason) -> None:
    found = facts(ROCKY, "updates", automatic=text).automatic
    assert (reason(found) or found) == automatic


@pytest.mark.parametrize(
    ("cron", "automatic"),
    [
        ("file /etc/crontabs/root\nline 0 2 * * * apk -U upgrade", True),
        ("file /etc/crontabs/root\nline 0 2 * * * true", False),
        ("unread /etc/crontabs", Reason.UNREADABLE),
    ],
)
def test_alpine_updates_itself_by_cron_or_not_at_all(cron: str, automatic: bool | Reason) -> None:
    found = facts(ALPINE, "updates", cron=cron).automatic
    assert (reason(found) or found) == automatic


# --- System -----------------------------------------------------------------------------------------------


def test_releases_are_read_as_the_host_names_them() -> None:
    assert facts(UBUNTU, "system").release == Release(
        id="ubuntu",
        version="22.04",
        codename="jammy",
        name="Ubuntu 22.04.4 LTS",
        like=("debian",),
        support="esm",
    )


def test_extended_support_is_known_by_its_repositories() -> None:
    assert facts(SLES, "system").release.support == "ltss"


def test_systems_before_os_release_are_known() -> None:
    assert parse_release("REDHAT=CentOS release 6.10 (Final)") == Release(
        id="centos", version="6.10", name="CentOS release 6.10 (Final)"
    )


@pytest.mark.parametrize(
    ("text", "id", "version"),
    [
        ("ID='a'\nVERSION_ID=\"1\"", "a", "1"),
        ('ID=a\nVERSION_ID="\\$1"', "a", "$1"),
        ("# c\n\n  ID=a  \nnonsense\nVERSION_ID=", "a", ""),
        ("ID=$(id)\nVERSION_ID=`id`", "$(id)", "`id`"),
        ("ID=" + "x" * 999, "x" * 199 + "…", ""),
    ],
)
def test_os_release_is_text_and_nothing_is_run(text: str, id: str, version: str) -> None:
    found = parse_release(text)
    assert (found.id, found.version) == (id, version)


@pytest.mark.parametrize("text", ["", "NAME=x", "ID=", "garbage"])
def test_a_release_without_a_name_is_not_understood(text: str) -> None:
    with pytest.raises(UnparsedError):
        parse_release(text)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of os-release files is not there")
def test_every_os_release_of_the_corpus_that_names_a_system_is_read() -> None:
    texts = [p.read_text(errors="replace") for p in CORPUS.rglob("*") if p.is_file()]
    named = [text for text in texts if "\nID=" in f"\n{text}"]
    assert len(named) > 50
    assert all(parse_release(text).id for text in named)


@pytest.mark.parametrize(
    ("sections", "releases"),
    [
        (UBUNTU, ["5.15.0-100-generic", "5.15.0-112-generic"]),
        (ROCKY, ["0-rescue-5c2f", "5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.16.1.el9_4.x86_64"]),
        (ALPINE, ["6.6.49-0-lts"]),
        (ARCH, ["6.10.5-arch1-1", "6.10.6-arch1-1"]),
    ],
    ids=["ubuntu", "rocky", "alpine", "arch"],
)
def test_kernels_are_named_as_uname_would(sections: dict[str, str], releases: list[str]) -> None:
    assert [kernel.release for kernel in facts(sections, "system").kernels] == releases


def test_a_kernel_has_its_package() -> None:
    assert facts(UBUNTU, "system").kernels[1] == Kernel(
        release="5.15.0-112-generic", package="linux-image-5.15.0-112-generic", version="5.15.0-112.122"
    )


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("wanted /run/reboot-required", True),
        ("kept /usr/share/update-notifier/notify-reboot-required", False),
        ("zypper 102", True),
        ("zypper 0", False),
        ("", Reason.NOT_COLLECTED),
    ],
)
def test_a_reboot_is_required_where_the_host_says_so(text: str, required: bool | Reason) -> None:
    found = facts(UBUNTU, "system", reboot=text).reboot_required
    assert (reason(found) or found) == required


def test_packages_that_want_a_reboot_are_named() -> None:
    assert facts(UBUNTU, "system").reboot_packages == ("linux-base", "linux-image-5.15.0-112-generic")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("NTPSynchronized=yes", True),
        ("NTPSynchronized=no", False),
        ("NTPSynchronized=no\nLeap status     : Normal", True),
        ("Leap status     : Not synchronised", False),
        ("synchronised yes", True),
        ("ntpstat 0", True),
        ("ntpstat 1", False),
        ("", Reason.NOT_COLLECTED),
    ],
)
def test_the_clock_is_kept_where_anything_says_so(text: str, kept: bool | Reason) -> None:
    found = facts(UBUNTU, "system", clock=f"btime 1\n{text}").clock_synchronised
    assert (reason(found) or found) == kept


@pytest.mark.parametrize(
    ("theirs", "offset"), [(0, 0), (2, 0), (3, 5), (-3, 0), (-4, -5), (300, 300), (-301, -300), (3600, 3600)]
)
def test_the_clock_is_compared_in_steps_of_five_seconds(theirs: int, offset: int) -> None:
    reply = composed(UBUNTU, at=1_780_000_000 + theirs)
    system: Any = facts_of(reply, Clock(1_779_999_999.0, 1_780_000_001.0))["system"]
    assert system.clock_offset == offset


def test_a_system_that_is_not_linux_is_said_not_to_be_read() -> None:
    assert reason(facts(UBUNTU, "system", uname="FreeBSD\n14.0\namd64")) is Reason.NOT_COLLECTED


@pytest.mark.parametrize(
    ("sections", "changes", "expected"),
    [
        (ALMA, {}, ("glibc",)),
        (ALMA, {"clock": "btime 1771000000"}, ()),
        (ALMA, {"clock": "btime 1770999999"}, ("glibc",)),
        (AMAZON, {}, ()),
        (ALMA, {"clock": ""}, Reason.UNPARSED),
        (ALMA, {"rpm": ALMA["rpm"] + "\nnonsense"}, Reason.UNPARSED),
        (APPLIANCE, {}, Reason.NOT_COLLECTED),
    ],
    ids=["updated", "at the boot", "a second after", "before", "no clock", "not understood", "no rpm"],
)
def test_red_hats_like_needs_a_reboot_where_its_core_was_updated_since_the_last(
    sections: dict[str, str], changes: dict[str, str], expected: tuple[str, ...] | Reason
) -> None:
    system = facts(sections, "system", **changes)
    if isinstance(expected, Reason):
        assert reason(system.reboot_required) is expected
    else:
        assert (system.reboot_required, system.reboot_packages) == (bool(expected), expected)


# --- Whole systems ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "id", "version", "like"),
    [
        (UBUNTU, "ubuntu", "22.04", ("debian",)),
        (ROCKY, "rocky", "9.4", ("rhel", "centos", "fedora")),
        (ALMA, "almalinux", "9.5", ("rhel", "centos", "fedora")),
        (SLES, "sles", "15.5", ()),
        (AMAZON, "amzn", "2023", ("fedora",)),
        (ALPINE, "alpine", "3.20.3", ()),
        (ARCH, "arch", "", ()),
        (APPLIANCE, "buildroot", "2024.02.3", ()),
    ],
    ids=["ubuntu", "rocky", "alma", "sles", "amazon", "alpine", "arch", "appliance"],
)
def test_every_system_is_known_by_its_name(
    sections: dict[str, str], id: str, version: str, like: tuple[str, ...]
) -> None:
    release = facts(sections, "system").release
    assert (release.id, release.version, release.like) == (id, version, like)


def test_an_ordinary_account_on_alma_is_told_of_each_reading_it_could_not_make() -> None:
    system, packages, updates = (facts(ALMA, kind) for kind in ("system", "packages", "updates"))
    unread = (
        system.kernels,
        system.outdated_programs,
        packages.foreign,
        updates.pending,
        updates.metadata_at,
    )
    assert {reason(reading) for reading in unread} == {Reason.UNREADABLE}
    assert reason(updates.repositories) is Reason.UNPARSED
    assert (updates.automatic, system.clock_synchronised) == (False, False)


def test_root_on_amazon_sees_that_nothing_is_amiss() -> None:
    updates, sockets = facts(AMAZON, "updates"), facts(AMAZON, "sockets")
    assert (updates.pending, updates.automatic, facts(AMAZON, "packages").foreign) == ((), True, ())
    assert (sockets.firewall, [s.program for s in sockets.sockets]) == (False, ["sshd"])
    assert [k.package for k in facts(AMAZON, "system").kernels] == ["kernel"]


def test_an_appliance_has_packages_that_nobody_can_tell_and_the_rest_is_read() -> None:
    assert reason(facts(APPLIANCE, "packages")) is Reason.TOOL_MISSING
    assert reason(facts(APPLIANCE, "updates")) is Reason.TOOL_MISSING
    assert [s.port for s in facts(APPLIANCE, "sockets").sockets] == [22]
    assert [m.size for m in facts(APPLIANCE, "mounts").mounts if m.path == "/"] == [20480 * 1024]
    schedule = facts(APPLIANCE, "schedule")
    assert (schedule.timers, [entry.user for entry in schedule.cron]) == ((), ["root"])


# --- Operation --------------------------------------------------------------------------------------------


def test_sockets_are_read() -> None:
    assert facts(UBUNTU, "sockets").sockets == (
        Socket(transport="tcp", address="0.0.0.0", port=22, program="sshd"),
        Socket(transport="tcp", address="::", port=22),
        Socket(transport="tcp", address="::", port=80),
        Socket(transport="udp", address="127.0.0.53", port=53),
    )


@pytest.mark.parametrize(
    ("line", "address", "port"),
    [
        ("tcp   0: 0100007F:0016 00000000:0000 0A 0 0 0 0 0", "127.0.0.1", 22),
        ("udp  12: 00000000:0035 00000000:0000 07 0 0", "0.0.0.0", 53),
        ("tcp6   1: 00000000000000000000000001000000:1F90 0:0000 0A x", "::1", 8080),
    ],
)
def test_sockets_of_the_kernel_are_read_where_there_is_no_ss(line: str, address: str, port: int) -> None:
    [socket] = parse_sockets(line)
    assert (socket.address, socket.port) == (address, port)


@pytest.mark.parametrize(
    "line",
    ["tcp LISTEN 0 1 x:22 *:*", "tcp LISTEN 0 1 0.0.0.0:99999 *:*", "nonsense", "tcp ESTAB 0 0 1.1.1.1:1 x"],
)
def test_a_socket_that_is_not_understood_is_said_to_be(line: str) -> None:
    with pytest.raises(UnparsedError):
        parse_sockets(line)


@pytest.mark.parametrize(
    ("text", "firewall"),
    [
        ("ENABLED=yes\nunit ufw active", True),
        ("ENABLED=yes\nunit ufw inactive", Reason.UNREADABLE),
        ("ENABLED=no", Reason.UNREADABLE),
        ("unit firewalld active", True),
        ("unit ufw active", Reason.UNREADABLE),
        ("nft hooks 2", True),
        ("nft hooks 0\niptables rules 0", False),
        ("iptables rules 3", True),
        ("", Reason.UNREADABLE),
    ],
)
def test_there_is_no_firewall_only_where_root_saw_none(text: str, firewall: bool | Reason) -> None:
    found = facts(UBUNTU, "sockets", firewall=text).firewall
    assert (reason(found) or found) == firewall


def test_mounts_are_read_without_passwords_and_pseudo_file_systems() -> None:
    mounts = facts(UBUNTU, "mounts").mounts
    assert [(m.path, m.size) for m in mounts] == [("/", 102400), ("/mnt/my nas", 2048000)]
    assert mounts[1].options == ("rw", "username=u")


def test_timers_say_what_became_of_their_units() -> None:
    backup, never = facts(UBUNTU, "schedule").timers
    assert (backup.enabled, backup.result, backup.exit_status) == (True, "exit-code", 2)
    assert backup.ended_at == datetime(2026, 5, 27, 2, 10, tzinfo=UTC)
    assert (never.enabled, never.triggered_at, never.ended_at, never.exit_status) == (False, None, None, None)


def test_a_host_without_systemd_has_no_timers() -> None:
    assert facts(UBUNTU, "schedule", timers="=3").timers == ()


def test_cron_entries_are_read_with_what_was_not() -> None:
    schedule = facts(UBUNTU, "schedule")
    assert {(e.file, e.schedule, e.user) for e in schedule.cron} == {
        ("/etc/crontab", "17 *\t* * *", "root"),
        ("/etc/crontab", "@daily", "backup"),
        ("/etc/anacrontab", "7", "root"),
        ("/etc/cron.daily/logrotate", "@daily", "root"),
        ("/var/spool/cron/crontabs/bob", "*/5 * * * *", "bob"),
        ("", "0 1 * * *", ""),
    }
    assert schedule.cron_unread == (
        "/etc/crontab: not understood: 'garbage'",
        "/var/spool/cron/crontabs/alice",
    )


def test_no_secret_of_a_host_is_kept() -> None:
    kept = str([seen for seen in facts_of(composed(UBUNTU), None).values() if isinstance(seen, Facts)])
    assert "hunter2" not in kept
    assert "-psecret" not in kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("restic --password-file /etc/p backup", "restic --password-file /etc/p backup"),
        ("PGPASSWORD=x pg_dump", "PGPASSWORD=*** pg_dump"),
        ("mysqldump -uroot -pabc db", "mysqldump -uroot -p*** db"),
        ("curl -u a:b http://x", "curl -u *** http://x"),
        ("rsync https://u:p@h/x", "rsync https://***@h/x"),
        ("curl -H 'Authorization: Bearer abc'", "curl -H ***"),
        ("borg create /srv", "borg create /srv"),
        ("ls -p dir", "ls -p dir"),
    ],
)
def test_what_looks_like_a_secret_in_a_command_is_not_kept(text: str, kept: str) -> None:
    assert command(text) == kept


def test_a_flood_of_cron_entries_is_not_kept() -> None:
    with pytest.raises(UnparsedError):
        parse_cron("file /etc/crontab\n" + "".join(f"line {i} * * * * root x{i}\n" for i in range(6000)))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("1775000000 /var/lib/dpkg/status", 1775000000),
        ("1775000000 /var/lib/dpkg/status\n1770000000 /var/lib/dpkg/info/curl.list", 1770000000),
    ],
)
def test_a_hold_is_no_change_of_what_is_installed(lines: str, expected: int) -> None:
    """apt-mark writes dpkg's status as an installation does."""
    assert dpkg_changed(lines) == datetime.fromtimestamp(expected, UTC)


#: The rpm database of Rocky, put beside Debian's, which is smaller.
_DPKG = "ii \tbash\t5.2\tamd64\tbash\t5.2"


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ("ID=debian", "dpkg"),
        ("ID=mine\nID_LIKE='ubuntu debian'", "dpkg"),
        ('ID=rocky\nID_LIKE="rhel centos fedora"', "rpm"),
        ("ID=mine", "rpm"),
    ],
)
def test_the_distribution_says_which_package_manager_counts(os_release: str, expected: str) -> None:
    assert facts(ROCKY, "packages", release=os_release, dpkg=_DPKG).manager == expected


def test_packages_of_another_distributions_manager_are_no_answer() -> None:
    assert facts(ROCKY, "packages", release="ID=debian").reason is Reason.CONTRADICTORY
