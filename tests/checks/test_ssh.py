"""The SSH checks, by table: at the limit and either side, not applicable, unknown."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from secscan.check import Check, Limits, Verdict
from secscan.checks import ssh as servers
from secscan.checks import ssh_algorithms as algorithms
from secscan.facts import (
    AccessFacts,
    Gap,
    GroupOffer,
    HostKey,
    NotSeen,
    Release,
    ShownKey,
    SshAlgorithms,
    SshFacts,
)
from secscan.model import (
    Earlier,
    Endpoint,
    Host,
    HostTarget,
    Look,
    Observation,
    Outcome,
    Reason,
    Service,
    Severity,
)
from secscan.reference import EndOfLife, KeyHolders, Lifetime, SharedHostKeys

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOST = Host("h")
PASS, FAIL, UNKNOWN, NOT_APPLICABLE = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE
UNREAD = Gap(Reason.TIMED_OUT, "by hand")
STRICT = "kex-strict-s-v00@openssh.com"

SOUND = SshAlgorithms(
    key_exchange=("sntrup761x25519-sha512", "curve25519-sha256", STRICT),
    host_key=("rsa-sha2-512", "ssh-ed25519"),
    ciphers_to_server=("chacha20-poly1305@openssh.com", "aes256-ctr"),
    ciphers_to_client=("chacha20-poly1305@openssh.com", "aes256-ctr"),
    macs_to_server=("hmac-sha2-256-etm@openssh.com",),
    macs_to_client=("hmac-sha2-256-etm@openssh.com",),
    compression_to_server=("none",),
    compression_to_client=("none",),
)


def key(
    type: str = "ssh-ed25519", bits: int = 256, fingerprint: str = "SHA256:A", proven: bool = True
) -> ShownKey:
    return ShownKey(type=type, bits=bits, fingerprint=fingerprint, proven=proven)


def group(given: int | Gap, preferred: int = 1024) -> GroupOffer:
    return GroupOffer(least=1024, preferred=preferred, most=8192, given=given)


def server(lists: dict[str, tuple[str, ...]] | None = None, **changes: Any) -> SshFacts:
    facts = SshFacts(
        protocol="2.0",
        software="OpenSSH_9.2p1",
        algorithms=msgspec.structs.replace(SOUND, **(lists or {})),
        host_keys=(key(),),
        groups=(),
        methods=("publickey",),
        open_to_all=False,
    )
    return msgspec.structs.replace(facts, **changes)


def offers(**lists: tuple[str, ...]) -> SshFacts:
    """A sound server that names these as well."""
    return server({name: getattr(SOUND, name) + more for name, more in lists.items()})


class Dates(EndOfLife):
    def as_of(self, release: Release) -> datetime | None:
        return NOW

    def lifetime(self, release: Release) -> Lifetime | None:
        ends = {"11": date(2026, 8, 31), "12": date(2028, 6, 30), "13": NOW.date()}.get(release.version)
        return Lifetime(f"Debian {release.version}", ends) if ends else None


def judge(check: Check, facts: Any, **given: Any) -> list[Verdict]:
    """What the check says; ``limits`` sets some, ``before`` and ``shared`` are the rest of the world."""
    target = Endpoint(Service("h", "tcp", 22), "127.0.0.1")
    arguments: dict[str, Any] = {
        name: Observation(target, "lab", "ssh", NOW, facts) for name in check.observes
    }
    for name in check.compares:
        arguments[name] = Earlier(tuple(given.get("before", ())))
    for name, wanted in check.asks.items():
        if issubclass(wanted, Limits):
            arguments[name] = wanted(**given.get("limits", {}))
        else:
            arguments[name] = {
                datetime: NOW,
                Host: HOST,
                EndOfLife: Dates(),
                SharedHostKeys: given.get("shared", SharedHostKeys()),
            }[wanted]
    try:
        return list(check(**arguments))
    except NotSeen as e:
        return [Verdict(UNKNOWN, e, reason=e.gap.reason)]  # type: ignore[arg-type]  # only the outcome counts


def outcome(check: Check, facts: Any, **given: Any) -> Outcome:
    [said] = judge(check, facts, **given)
    return said.outcome


# --- Algorithms -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "facts", "expected"),
    [
        (algorithms.key_exchange, server(), PASS),
        (algorithms.key_exchange, offers(key_exchange=("diffie-hellman-group1-sha1",)), FAIL),
        (algorithms.key_exchange, offers(key_exchange=("rsa1024-sha1",)), FAIL),
        (algorithms.key_exchange, offers(key_exchange=("gss-group1-sha1-toWM5Slw5Ew8Mqkay+al2g==",)), FAIL),
        (algorithms.key_exchange, offers(key_exchange=("diffie-hellman-group14-sha1",)), PASS),
        (algorithms.key_exchange, offers(key_exchange=("diffie-hellman-group16-sha512",)), PASS),
        (algorithms.sha1, server(), PASS),
        (algorithms.sha1, offers(key_exchange=("diffie-hellman-group14-sha1",)), FAIL),
        (algorithms.sha1, offers(key_exchange=("diffie-hellman-group14-sha256",)), PASS),
        (algorithms.sha1, offers(key_exchange=("diffie-hellman-group-exchange-sha1",)), FAIL),
        (algorithms.sha1, offers(key_exchange=("diffie-hellman-group-exchange-sha256",)), PASS),
        (algorithms.sha1, offers(key_exchange=("diffie-hellman-group1-sha1",)), PASS),
        (algorithms.sha1, offers(host_key=("ssh-rsa",)), FAIL),
        (algorithms.sha1, offers(host_key=("rsa-sha2-256",)), PASS),
        (algorithms.sha1, offers(macs_to_client=("hmac-sha1",)), PASS),
        (algorithms.host_key_algorithms, server(), PASS),
        (algorithms.host_key_algorithms, offers(host_key=("ssh-dss",)), FAIL),
        (algorithms.host_key_algorithms, offers(host_key=("ssh-dss-cert-v01@openssh.com",)), FAIL),
        (algorithms.host_key_algorithms, offers(host_key=("ecdsa-sha2-nistp256",)), PASS),
        (algorithms.cbc, server(), PASS),
        (algorithms.cbc, offers(ciphers_to_client=("aes128-cbc",)), FAIL),
        (algorithms.cbc, offers(ciphers_to_server=("rijndael-cbc@lysator.liu.se",)), FAIL),
        (algorithms.cbc, offers(ciphers_to_server=("aes128-gcm@openssh.com",)), PASS),
        (algorithms.macs, server(), PASS),
        (algorithms.macs, offers(macs_to_server=("hmac-md5",)), FAIL),
        (algorithms.macs, offers(macs_to_client=("hmac-sha1-96-etm@openssh.com",)), FAIL),
        (algorithms.macs, offers(macs_to_client=("none",)), FAIL),
        (algorithms.macs, offers(macs_to_client=("hmac-sha1",)), PASS),
        (algorithms.macs, offers(macs_to_client=("umac-64@openssh.com",)), PASS),
        (algorithms.post_quantum, server(), PASS),
        (algorithms.post_quantum, server({"key_exchange": ("mlkem768x25519-sha256",)}), PASS),
        (algorithms.post_quantum, server({"key_exchange": ("curve25519-sha256",)}), FAIL),
    ],
)
def test_what_is_offered(check: Check, facts: SshFacts, expected: Outcome) -> None:
    assert outcome(check, facts) is expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((), {"broken": PASS, "small-blocks": PASS}),
        (("arcfour",), {"broken": FAIL, "small-blocks": PASS}),
        (("arcfour256",), {"broken": FAIL, "small-blocks": PASS}),
        (("none",), {"broken": FAIL, "small-blocks": PASS}),
        (("3des-cbc",), {"broken": PASS, "small-blocks": FAIL}),
        (("des-cbc", "cast128-ctr"), {"broken": FAIL, "small-blocks": FAIL}),
        (("aes128-cbc",), {"broken": PASS, "small-blocks": PASS}),
    ],
)
def test_ciphers_fail_by_how_bad_they_are(more: tuple[str, ...], expected: dict[str, Outcome]) -> None:
    said = judge(algorithms.ciphers, offers(ciphers_to_client=more))
    assert {verdict.object: verdict.outcome for verdict in said} == expected
    assert {v.severity for v in said if v.object == "small-blocks" and v.outcome is FAIL} <= {Severity.MEDIUM}


NOT_STRICT: dict[str, tuple[str, ...]] = {"key_exchange": ("curve25519-sha256",)}
CTR: dict[str, tuple[str, ...]] = {"ciphers_to_server": ("aes128-ctr",), "ciphers_to_client": ("aes128-ctr",)}
NO_ETM: dict[str, tuple[str, ...]] = {
    "macs_to_server": ("hmac-sha2-256",),
    "macs_to_client": ("hmac-sha2-256",),
}


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        pytest.param({}, PASS, id="strict"),
        pytest.param(NOT_STRICT, FAIL, id="chacha20"),
        pytest.param(NOT_STRICT | CTR, PASS, id="counter mode"),
        pytest.param(NOT_STRICT | CTR | {"ciphers_to_client": ("aes128-cbc",)}, FAIL, id="CBC, then MAC"),
        pytest.param(
            NOT_STRICT | CTR | NO_ETM | {"ciphers_to_client": ("aes128-cbc",)}, PASS, id="CBC, and MAC"
        ),
        pytest.param(
            NOT_STRICT
            | CTR
            | NO_ETM
            | {"ciphers_to_client": ("aes128-cbc",), "macs_to_server": ("hmac-sha1-etm@openssh.com",)},
            PASS,
            id="CBC in one direction, then MAC in the other",
        ),
    ],
)
def test_terrapin(lists: dict[str, tuple[str, ...]], expected: Outcome) -> None:
    assert outcome(algorithms.terrapin, server(lists)) is expected


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((), NOT_APPLICABLE),
        ((group(2048), group(3072)), PASS),
        ((group(2047), group(3072)), FAIL),
        ((group(0), group(3072)), PASS),
        ((group(0), group(0)), PASS),
        ((group(UNREAD), group(3072)), UNKNOWN),
        ((group(UNREAD), group(1024)), FAIL),
        (UNREAD, UNKNOWN),
    ],
)
def test_groups(groups: Any, expected: Outcome) -> None:
    assert outcome(algorithms.group_size, server(groups=groups)) is expected


ON_ALGORITHMS = [value for value in vars(algorithms).values() if isinstance(value, Check)]


@pytest.mark.parametrize("check", [c for c in ON_ALGORITHMS if c.id != "ssh.group-size"], ids=lambda c: c.id)
def test_lists_that_were_not_seen_are_unknown(check: Check) -> None:
    [said] = judge(check, server(algorithms=UNREAD))
    assert (said.outcome, said.reason) == (UNKNOWN, Reason.TIMED_OUT)


def test_a_server_that_names_hundreds_fills_no_page() -> None:
    many = tuple(f"arcfour-{n}-{'x' * 200}" for n in range(200))
    [said, _] = judge(algorithms.ciphers, offers(ciphers_to_client=many))
    assert len(str(said.evidence)) < 1500


# --- Who it is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((key("ssh-rsa", 2048),), PASS),
        ((key("ssh-rsa", 2047),), FAIL),
        ((key("ssh-rsa-cert-v01@openssh.com", 1024),), FAIL),
        ((key(),), NOT_APPLICABLE),
        ((key("ssh-dss", 1024),), NOT_APPLICABLE),
        (UNREAD, UNKNOWN),
    ],
)
def test_the_size_of_rsa_keys(keys: Any, expected: Outcome) -> None:
    assert outcome(servers.host_key_size, server(host_keys=keys)) is expected


@pytest.mark.parametrize(
    ("reason", "expected"), [(Reason.TIMED_OUT, UNKNOWN), (Reason.REFUSED, NOT_APPLICABLE)]
)
def test_an_rsa_key_that_was_not_shown(reason: Reason, expected: Outcome) -> None:
    facts = server(unseen_keys={"rsa-sha2-512": Gap(reason, "by hand")})
    assert outcome(servers.host_key_size, facts) is expected


def shared(**agency_of: str) -> SharedHostKeys:
    return SharedHostKeys({"SHA256:A": KeyHolders(agency_of)})


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (SharedHostKeys(), PASS),
        (shared(h="a", other="a"), FAIL),
        (shared(h="a", foreign="b"), FAIL),
        (SharedHostKeys({"SHA256:B": KeyHolders({"x": "a", "y": "a"})}), PASS),
    ],
)
def test_shared_host_keys(others: SharedHostKeys, expected: Outcome) -> None:
    assert outcome(servers.shared_host_key, server(), shared=others) is expected


def test_hosts_of_other_agencies_are_counted_and_not_named() -> None:
    [said] = judge(servers.shared_host_key, server(), shared=shared(h="a", mine="a", theirs="b", thirds="c"))
    assert "mine" in str(said.evidence)
    assert "theirs" not in str(said.evidence)
    assert said.evidence.values["foreign"] == 2


def test_a_key_that_was_not_proven_accuses_nobody() -> None:
    facts = server(host_keys=(key(proven=False),))
    assert outcome(servers.shared_host_key, facts, shared=shared(h="a", other="a")) is UNKNOWN


def was(days: int, **changes: Any) -> Look[SshFacts]:
    return Look(server(**changes), NOW - timedelta(days=days))


OLD = (key(fingerprint="SHA256:OLD"),)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], PASS),
        ([was(1, software="older")], PASS),
        ([was(30, host_keys=OLD)], FAIL),
        ([was(31, host_keys=OLD)], PASS),
        ([was(1, host_keys=UNREAD)], PASS),
        ([was(1, software="older"), was(2, host_keys=OLD)], FAIL),
        ([was(1, host_keys=(key("ssh-rsa", 2048, "SHA256:OLD"),))], PASS),
    ],
)
def test_host_keys_that_changed(before: list[Look[SshFacts]], expected: Outcome) -> None:
    assert outcome(servers.host_key_changed, server(), before=before) is expected


def test_a_change_is_told_of_the_type_that_changed() -> None:
    now = (key(), key("ssh-rsa", 2048, "SHA256:R"))
    before = (key(fingerprint="SHA256:OLD"), key("ssh-rsa", 2048, "SHA256:R"))
    said = judge(servers.host_key_changed, server(host_keys=now), before=[was(1, host_keys=before)])
    assert {v.object: v.outcome for v in said} == {"ssh-ed25519": FAIL, "ssh-rsa": PASS}


@pytest.mark.parametrize(
    ("protocol", "expected"), [("2.0", PASS), ("1.99", FAIL), ("1.5", FAIL), ("x" * 200, FAIL)]
)
def test_protocol_1(protocol: str, expected: Outcome) -> None:
    assert outcome(servers.protocol1, server(protocol=protocol)) is expected


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("", NOT_APPLICABLE),
        ("FreeBSD-20240701", NOT_APPLICABLE),
        ("Debian-5", NOT_APPLICABLE),
        ("Ubuntu-3ubuntu13.5", NOT_APPLICABLE),
        ("Debian-2+deb12u10", PASS),
        ("Debian-1~deb13u1", PASS),
        ("Debian-5+deb11u3", FAIL),
        ("Debian-5+deb99u1", UNKNOWN),
    ],
)
def test_the_end_of_life_of_what_the_server_names(comment: str, expected: Outcome) -> None:
    assert outcome(servers.end_of_life, server(comment=comment)) is expected


# --- Whom it lets in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("granted", "expected"), [(False, PASS), (True, FAIL), (UNREAD, UNKNOWN)])
def test_a_server_that_lets_everybody_in(granted: Any, expected: Outcome) -> None:
    assert outcome(servers.open_login, server(open_to_all=granted)) is expected


@pytest.mark.parametrize(
    ("methods", "forbidden", "expected"),
    [
        (("publickey", "password"), (), PASS),
        (("publickey", "password"), ("password",), FAIL),
        (("publickey",), ("password",), PASS),
        (("keyboard-interactive",), ("password", "keyboard-interactive"), FAIL),
        ((), ("password",), PASS),
        (UNREAD, ("password",), UNKNOWN),
    ],
)
def test_ways_to_log_in(methods: Any, forbidden: tuple[str, ...], expected: Outcome) -> None:
    facts = server(methods=methods)
    assert outcome(servers.login_methods, facts, limits={"forbidden": forbidden}) is expected


def test_a_server_that_lets_everybody_in_does_so_by_any_way() -> None:
    assert outcome(servers.login_methods, server(methods=(), open_to_all=True)) is FAIL


@pytest.mark.parametrize(("shown", "expected"), [(HostKey.TRUSTED, PASS), (HostKey.CHANGED, FAIL)])
def test_the_key_that_was_trusted(shown: HostKey, expected: Outcome) -> None:
    seen = Observation(HostTarget("h"), "lab", "access", NOW, AccessFacts(host_key=shown, said="another"))
    [said] = servers.host_key(seen)
    assert said.outcome is expected
