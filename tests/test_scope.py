"""The scope: what is read from scope.toml, and what is judged by it."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.model import Reason
from secscan.scope import (
    AddressSet,
    Contacts,
    NameSet,
    Rates,
    Scope,
    ScopeExpiredError,
    Window,
    canonical_address,
    canonical_name,
    canonical_network,
    canonical_pattern,
    judge_address,
    judge_name,
    load_scope,
    require_current,
    scope_document,
    scope_from_document,
    scope_of_addresses,
)
from secscan.toml_source import ConfigurationError

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)  # a Monday
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


def scope(**fields: object) -> Scope:
    defaults: dict[str, object] = {
        "owner": "Centre",
        "expires": date(2027, 12, 31),
        "networks": ("127.20.0.0/16",),
    }
    return Scope(**{**defaults, **fields})  # type: ignore[arg-type]  # the fields are the test's own


def reason(scope: Scope, address: str, name: str = "", at: datetime = NOON) -> Reason | None:
    refusal = judge_address(scope, address, name=name, at=at)
    return refusal.reason if refusal else None


# --- Addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("127.20.0.1", "127.20.0.1"),
        ("2001:0DB8:0:0:1::1", "2001:db8::1:0:0:1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::FFFF:0a00:0001", "10.0.0.1"),
        ("::ffff:10.0.0.1%eth0", "10.0.0.1"),
        ("64:ff9b::10.0.0.1", "10.0.0.1"),
        ("64:ff9b:1::10.0.0.1", "10.0.0.1"),
        ("64:ff9b:1:fffe::10.0.0.1", "10.0.0.1"),
        ("64:ff9b:2::10.0.0.1", "64:ff9b:2::a00:1"),
        ("64:ff9b::1:0:0", "64:ff9b::1:0:0"),
        ("::1", "::1"),
        ("::10.0.0.1", "::a00:1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("FE80::1%2", "fe80::1%2"),
        ("2001:db8::1%eth0", "2001:db8::1"),
    ],
)
def test_an_address_has_one_spelling(text: str, canonical: str) -> None:
    assert canonical_address(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0",
        "10.0.0.1/32",
        "010.0.0.1",
        " 10.0.0.1",
        "1",
        "a.example",
        "fe80::1%",
        "fe80::1%a b",
        "fe80::1%é",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        canonical_address(text)


@given(st.ip_addresses())
def test_spelling_an_address_twice_changes_nothing(address: IPv4Address | IPv6Address) -> None:
    canonical = canonical_address(str(address))
    assert canonical_address(canonical) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("FD00::/8", "fd00::/8"),
        ("fd00::1/128", "fd00::1"),
    ],
)
def test_a_network_has_one_spelling(text: str, canonical: str) -> None:
    assert canonical_network(text) == canonical


# --- Names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Cong.Vi-Du.Example", "cong.vi-du.example"),
        ("cong.example.", "cong.example"),
        ("cổng.vi-dụ.example", "xn--cng-qmz.xn--vi-d-y05a.example"),
        ("CỔNG.example", "xn--cng-qmz.example"),
        ("xn--cng-qmz.example", "xn--cng-qmz.example"),
        ("dc_01.local", "dc_01.local"),
        ("r3---sn.example", "r3---sn.example"),
        ("localhost", "localhost"),
        ("a。example", "a.example"),
        ("1.2.3.example", "1.2.3.example"),
    ],
)
def test_a_name_has_one_spelling(text: str, canonical: str) -> None:
    assert canonical_name(text) == canonical


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (".", "empty"),
        ("a..example", "a part between two dots is empty"),
        ("-a.example", "character"),
        ("a b.example", "character"),
        ("a\x00.example", "character"),
        ("*.example", "can't be looked up"),
        ("https://a.example", "without a scheme"),
        ("a.example:443", "without a scheme, port"),
        ("127.0.0.1", "ends in a number"),
        ("127.1", "ends in a number"),
        ("0x7f.0x1", "ends in a number"),
        ("2130706433", "ends in a number"),
        ("１２７.１", "ends in a number"),
        ("xn--a.example", "not a DNS name"),
        ("a\u202eb.example", "not a DNS name"),
        ("a" * 64 + ".example", "63 are the most"),
        (".".join(["a" * 49] * 5) + ".example", "253 are the most"),
    ],
)
def test_what_is_no_name_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        canonical_name(text)


def test_the_longest_name_is_allowed() -> None:
    name = ".".join(["a" * 61] * 4) + ".ample"
    assert len(name) == 253
    assert canonical_name(name) == name


@given(st.text(max_size=20))
def test_a_canonical_name_stays_what_it_is(text: str) -> None:
    try:
        canonical = canonical_name(text)
    except ValueError:
        return
    assert canonical.isascii()
    assert canonical_name(canonical) == canonical


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("a.example", True),
        ("b.a.example", True),
        ("example", False),
        ("aexample", False),
        ("a.example.org", False),
        ("exact.vn", True),
        ("x.exact.vn", False),
    ],
)
def test_a_wildcard_holds_every_depth_but_not_itself(name: str, inside: bool) -> None:
    assert (name in NameSet(["*.example", "exact.vn"])) is inside


def test_a_pattern_is_spelled_like_a_name() -> None:
    assert canonical_pattern("*.CỔNG.example.") == "*.xn--cng-qmz.example"


@pytest.mark.parametrize("text", ["*", "*.", "a.*.example", "*a.example", "*.*.example"])
def test_a_wildcard_stands_alone_at_the_front(text: str) -> None:
    with pytest.raises(ValueError):
        canonical_pattern(text)


# --- Judging addresses ------------------------------------------------------------------------------------


def v4_networks(prefix: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    # A few bits of address space, so that what is drawn meets.
    return st.builds(
        lambda number, length: str(ip_network((0x7F14_0000 + number, length), strict=False)),
        st.integers(0, 7) | st.integers(0, 0xFFFF),
        prefix,
    )


def v6_networks(prefix: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda number, length: str(ip_network(((0xFD << 120) + number, length), strict=False)),
        st.integers(0, 7) | st.integers(0, 0xFFFF),
        prefix,
    )


networks = st.lists(
    v4_networks(st.integers(14, 32)) | v6_networks(st.integers(110, 128)), max_size=12, unique=True
)
offsets = st.integers(-1, 8) | st.integers(-300, 0x1_0100)
addresses = st.builds(lambda n: str(IPv4Address(0x7F14_0000 + n)), offsets) | st.builds(
    lambda n: str(IPv6Address((0xFD << 120) + n)), offsets
)
DISGUISES: list[Callable[[str], str]] = [
    lambda plain: plain,
    lambda plain: f"::ffff:{plain}",
    lambda plain: f"::FFFF:{int(IPv4Address(plain)) >> 16:x}:{int(IPv4Address(plain)) & 0xFFFF:04x}",
    lambda plain: f"64:ff9b::{plain}",
    lambda plain: f"64:ff9b:1::{plain}",
    lambda plain: f"64:ff9b:1:abcd::{plain}",
    lambda plain: str(IPv6Address(int(IPv6Network("64:ff9b:1::/48")[0]) + int(IPv4Address(plain)))),
]


@given(networks, networks, addresses, st.sampled_from(DISGUISES))
def test_an_address_is_permitted_iff_it_is_in_a_network_and_in_no_exclusion(
    allowed: list[str], excluded: list[str], address: str, disguise: Callable[[str], str]
) -> None:
    plain = ip_address(address)
    expected = any(plain in ip_network(n) for n in allowed) and not any(
        plain in ip_network(n) for n in excluded
    )
    shown = disguise(address) if plain.version == 4 else address
    judged = judge_address(scope(networks=tuple(allowed), exclude_networks=tuple(excluded)), shown, at=NOON)
    assert (judged is None) is expected


@given(st.lists(st.ip_addresses(v=4), max_size=5), st.ip_addresses(v=6))
def test_networks_of_one_family_hold_nothing_of_the_other(
    plain: list[IPv4Address], other: IPv6Address
) -> None:
    assert str(other) not in AddressSet(str(address) for address in plain)


def test_the_gap_between_two_addresses_is_outside() -> None:
    members = AddressSet(["10.0.0.1", "10.0.0.3"])
    assert [f"10.0.0.{i}" in members for i in range(5)] == [False, True, False, True, False]


def test_thousands_of_networks_are_searched_by_bisection() -> None:
    members = AddressSet(f"10.{i >> 8}.{i & 255}.0/25" for i in range(20_000))
    assert [a in members for a in ("10.78.31.127", "10.78.31.128", "10.0.0.0", "10.78.32.0")] == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.20.0.0", None),
        ("127.20.255.255", None),
        ("127.19.255.255", Reason.OUT_OF_SCOPE),
        ("127.21.0.0", Reason.OUT_OF_SCOPE),
        ("fe80::1%eth0", None),
        ("fe81::1%eth0", Reason.OUT_OF_SCOPE),
        ("not an address\x1b", Reason.OUT_OF_SCOPE),
        ("", Reason.OUT_OF_SCOPE),
    ],
)
def test_addresses_at_the_edges(address: str, expected: Reason | None) -> None:
    assert reason(scope(networks=("127.20.0.0/16", "fe80::/16")), address) is expected


def test_a_refusal_says_what_a_disguise_stands_for() -> None:
    refusal = judge_address(scope(), "64:ff9b::10.0.0.1", at=NOON)
    assert refusal is not None
    assert refusal.detail == '"64:ff9b::10.0.0.1", which stands for 10.0.0.1, is in no network of the scope'


# --- Judging names ----------------------------------------------------------------------------------------


def test_a_name_in_the_scope_does_not_widen_its_networks() -> None:
    assert reason(scope(names=("a.example",)), "127.99.0.1", "a.example") is Reason.OUT_OF_SCOPE


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", None),
        ("a.example", None),
        ("A.Example.", None),
        ("a.other", Reason.OUT_OF_SCOPE),
        ("x.secret.example", Reason.OUT_OF_SCOPE),
        ("not a name", Reason.OUT_OF_SCOPE),
    ],
)
def test_a_name_narrows_what_its_address_allows(name: str, expected: Reason | None) -> None:
    judged = scope(names=("*.example",), exclude_names=("*.secret.example",))
    assert reason(judged, "127.20.0.1", name) is expected


def test_without_names_any_name_will_do() -> None:
    assert judge_name(scope(), "anything.example") is None


def test_an_excluded_name_is_refused_without_a_list_of_names() -> None:
    refusal = judge_name(scope(exclude_names=("a.example",)), "a.example")
    assert refusal is not None
    assert refusal.detail == "the name a.example is excluded by the scope"


# --- Expiry and windows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2027, 12, 31, 23, 59, 59, tzinfo=HANOI), None),
        (datetime(2028, 1, 1, 0, 0, 0, tzinfo=HANOI), Reason.OUT_OF_SCOPE),
        (datetime(2027, 12, 31, 16, 59, 59, tzinfo=UTC), None),
        (datetime(2027, 12, 31, 17, 0, 0, tzinfo=UTC), Reason.OUT_OF_SCOPE),
    ],
)
def test_a_scope_expires_when_its_last_day_ends_in_its_own_zone(
    at: datetime, expected: Reason | None
) -> None:
    assert reason(scope(zone="Asia/Ho_Chi_Minh"), "127.20.0.1", at=at) is expected


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        judge_address(scope(), "127.20.0.1", at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


NIGHT = Window(("mon", "fri"), time(22), time(5), "Asia/Ho_Chi_Minh")
DAY = Window(("mon",), time(9), time(17, 30), "Asia/Ho_Chi_Minh")
WHOLE = Window(("mon",), time(0), time(0), "Asia/Ho_Chi_Minh")


@pytest.mark.parametrize(
    ("window", "at", "inside"),
    [
        (DAY, "2026-06-01T08:59:59.999999", False),
        (DAY, "2026-06-01T09:00:00", True),
        (DAY, "2026-06-01T17:29:59.999999", True),
        (DAY, "2026-06-01T17:30:00", False),
        (DAY, "2026-06-02T12:00:00", False),
        (NIGHT, "2026-06-01T21:59:59.999999", False),
        (NIGHT, "2026-06-01T22:00:00", True),
        (NIGHT, "2026-06-01T23:59:59.999999", True),
        (NIGHT, "2026-06-02T00:00:00", True),
        (NIGHT, "2026-06-02T04:59:59.999999", True),
        (NIGHT, "2026-06-02T05:00:00", False),
        (NIGHT, "2026-06-01T04:00:00", False),  # Sunday's night is not in the window
        (NIGHT, "2026-06-02T22:00:00", False),
        (NIGHT, "2026-06-06T04:00:00", True),  # Friday's night ends on Saturday
        (WHOLE, "2026-05-31T23:59:59.999999", False),
        (WHOLE, "2026-06-01T00:00:00", True),
        (WHOLE, "2026-06-01T23:59:59.999999", True),
        (WHOLE, "2026-06-02T00:00:00", False),
    ],
)
def test_a_window_at_its_edges(window: Window, at: str, inside: bool) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=HANOI).astimezone(UTC)
    assert window.covers(instant) is inside
    expected = None if inside else Reason.OUT_OF_WINDOW
    assert reason(scope(windows=(window,)), "127.20.0.1", at=instant) is expected


def test_one_window_of_several_is_enough() -> None:
    at = datetime(2026, 6, 1, 23, tzinfo=HANOI)
    assert reason(scope(windows=(DAY, NIGHT)), "127.20.0.1", at=at) is None


def test_an_address_outside_the_scope_is_no_matter_of_hours() -> None:
    at = datetime(2026, 6, 7, 12, tzinfo=HANOI)
    assert reason(scope(windows=(DAY,)), "127.99.0.1", at=at) is Reason.OUT_OF_SCOPE


# --- scope.toml -------------------------------------------------------------------------------------------

FULL = """
owner = "Trung tâm An toàn thông tin"
expires = 2027-12-31
zone = "Asia/Ho_Chi_Minh"
networks = ["127.20.0.0/16", "FD00::/8", "127.20.0.0/16"]
names = ["*.Example", "cổng.vn"]
exclude = ["127.20.9.9", "*.secret.example", "fd00:1::/32"]

[rates]
connections_per_second = 2000
per_host = 1000

[[window]]
days = ["tue", "mon"]
from = 22:00:00
to = 05:00:00

[[window]]
days = ["sat"]
zone = "UTC"

[contact]
resolvers = ["127.0.0.53", "[fd00::53]:53"]
mail = ["mail.example:587"]
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "scope.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_full_scope_is_read(written: Callable[[str], Path]) -> None:
    assert load_scope(written(FULL)) == Scope(
        owner="Trung tâm An toàn thông tin",
        expires=date(2027, 12, 31),
        zone="Asia/Ho_Chi_Minh",
        networks=("127.20.0.0/16", "fd00::/8"),
        names=("*.example", "xn--cng-qmz.vn"),
        exclude_networks=("127.20.9.9", "fd00:1::/32"),
        exclude_names=("*.secret.example",),
        rates=Rates(2000, 1000),
        windows=(
            Window(("mon", "tue"), time(22), time(5), "Asia/Ho_Chi_Minh"),
            Window(("sat",), time(0), time(0), "UTC"),
        ),
        contact=Contacts(resolvers=("127.0.0.53", "[fd00::53]:53"), mail=("mail.example:587",)),
    )


def test_a_scope_survives_its_document(written: Callable[[str], Path]) -> None:
    loaded = load_scope(written(FULL))
    assert scope_from_document(json.loads(json.dumps(scope_document(loaded)))) == loaded


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'networks = ["127.20.0.1/16"]',
            '4: networks[0]: "127.20.0.1/16" has bits set behind its prefix; write "127.20.0.0/16", or '
            '"127.20.0.1" for one address',
        ),
        (
            'networks = ["::ffff:10.0.0.0/104"]',
            '4: networks[0]: "::ffff:a00:0/104" stands for IPv4 addresses; write "10.0.0.0/8"',
        ),
        (
            'networks = ["64:ff9b::/96"]',
            '4: networks[0]: "64:ff9b::/96" stands for IPv4 addresses; list the IPv4 networks themselves',
        ),
        (
            'networks = ["64:ff9b:1::/48"]',
            '4: networks[0]: "64:ff9b:1::/48" stands for IPv4 addresses; list the IPv4 networks themselves',
        ),
        (
            'networks = ["0.0.0.0/0"]',
            '4: networks[0]: "0.0.0.0/0" is every address there is, which is no scope; list the networks you own',
        ),
        (
            'networks = ["224.0.0.0/8"]',
            '4: networks[0]: "224.0.0.0/8" holds no address that a host can have; list the networks you own',
        ),
        (
            'networks = ["a.example"]',
            '4: networks[0]: "a.example" is not a network or address; names belong in the key "names"',
        ),
        (
            'networks = ["10.0.0.0/33"]',
            '4: networks[0]: "10.0.0.0/33" is not a network or address; write it as "192.0.2.0/24", "192.0.2.7" or '
            '"2001:db8::/32"',
        ),
        ("networks = []", "4: networks: an array of 0 does not fit here; expected at least 1 of them"),
        (
            'networks = ["10.0.0.0/8"]\nexclude = ["10.0.0.1/8"]',
            '5: exclude[0]: "10.0.0.1/8" has bits set behind its prefix; write "10.0.0.0/8", or "10.0.0.1" for one '
            "address",
        ),
        (
            'networks = ["10.0.0.0/8"]\nzone = "Asia/Ho_Chi_Min"',
            '5: zone: "Asia/Ho_Chi_Min" is not a time zone; expected a name such as "Asia/Ho_Chi_Minh"; did you mean '
            '"Asia/Ho_Chi_Minh"?',
        ),
        (
            'networks = ["10.0.0.0/8"]\n[[window]]\ndays = ["mon", "tu"]',
            '6: window[0].days[1]: "tu" is not known here; expected one of "mon", "tue", "wed", "thu", "fri", "sat", '
            '"sun"; did you mean "tue"?',
        ),
        (
            'networks = ["10.0.0.0/8"]\n[[window]]\nfrom = 22:00:00\nto = 22:00:00',
            "7: window[0].to: the window ends when it starts; leave out 'from' and 'to' for the whole day",
        ),
        (
            'networks = ["10.0.0.0/8"]\n[rates]\nper_host = 0',
            "6: rates.per_host: 0 does not fit here; expected 1 or more",
        ),
        (
            'networks = ["10.0.0.0/8"]\n[contact]\nmail = ["mail.example:99999"]',
            '6: contact.mail[0]: "mail.example:99999" is not a name or address with or without a port, such as '
            '"mail.example:587"',
        ),
    ],
)
def test_a_mistake_in_a_scope(written: Callable[[str], Path], line: str, expected: str) -> None:
    path = written(f'\nowner = "x"\nexpires = 2027-12-31\n{line}\n')
    with pytest.raises(ConfigurationError) as caught:
        load_scope(path)
    assert str(caught.value) == f"{path}:{expected}"


def test_every_mistake_of_a_scope_is_found(written: Callable[[str], Path]) -> None:
    path = written('expires = "soon"\nnetwork = []\nnames = ["127.0.0.1"]\n')
    with pytest.raises(ConfigurationError) as caught:
        load_scope(path)
    assert [mistake.key for mistake in caught.value.mistakes] == [
        "owner",
        "networks",
        "expires",
        "network",
        "names[0]",
    ]


def test_an_expired_scope_is_refused_before_a_scan_with_file_and_line(written: Callable[[str], Path]) -> None:
    path = written(FULL)
    loaded = load_scope(path)
    last = datetime(2027, 12, 31, 23, 59, 59, tzinfo=HANOI)
    require_current(loaded, last, path=path)
    with pytest.raises(ScopeExpiredError) as caught:
        require_current(loaded, last + timedelta(seconds=1), path=path)
    assert str(caught.value).startswith(f"{path}:3: expires: the scope expired at the end of 2027-12-31")


# --- For audit --------------------------------------------------------------------------------------------


def test_a_scope_of_addresses_holds_exactly_them() -> None:
    judged = scope_of_addresses(["127.0.0.1", "::ffff:127.0.0.2", "fe80::1%eth0"])
    shown = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "fe80::1%eth0", "::1"]
    assert [reason(judged, address) for address in shown] == [
        None,
        None,
        Reason.OUT_OF_SCOPE,
        None,
        Reason.OUT_OF_SCOPE,
    ]


def test_a_scope_of_addresses_holds_only_the_names_given() -> None:
    judged = scope_of_addresses(["127.0.0.1"], ["A.example"])
    assert judge_name(judged, "a.example") is None
    assert judge_name(judged, "b.example") is not None


def test_a_scope_of_addresses_survives_its_document() -> None:
    made = scope_of_addresses(["127.0.0.1"], ["a.example"])
    assert scope_from_document(json.loads(json.dumps(scope_document(made)))) == made
