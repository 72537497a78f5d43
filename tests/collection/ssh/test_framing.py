"""Frames: what is in one is read to the byte, and nothing outside one is read at all."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secscan.collection.ssh.framing import Reply, read_reply
from secscan.collection.ssh.reply import KINDS, facts_of
from secscan.facts import Facts, Gap
from secscan.model import Reason
from tests.lab.ssh import reply

NONCE = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
GOOD = {
    "release": "ID=debian\nVERSION_ID=12",
    "uname": "Linux\n6.1.0-1-amd64\nx86_64",
    "mounts": "/dev/a / ext4 rw 0 0",
}


def read(data: bytes) -> Reply:
    found = read_reply(data, NONCE)
    assert isinstance(found, Reply)
    return found


def test_sections_are_read() -> None:
    found = read(reply(GOOD, NONCE, at=1700000000, user=7))
    assert (found.at, found.user, found.broken) == (1700000000, 7, None)
    assert {name: found.output(name) for name in GOOD} == GOOD


@pytest.mark.parametrize(
    "before", [b"", b"Welcome to web1!\n", b"\r\n" * 1000, b"\xff\x00\xfe" * 99, b"no newline"]
)
def test_what_start_up_scripts_print_before_plays_no_part(before: bytes) -> None:
    assert read(before + reply(GOOD, NONCE)).output("release") == GOOD["release"]


def test_what_is_printed_after_the_end_plays_no_part() -> None:
    more = reply({"extra": "x"}, NONCE)
    found = read(reply(GOOD, NONCE) + b"logout\n" + more)
    assert set(found.sections) == set(GOOD)
    assert found.broken is None


def test_a_frame_of_another_nonce_before_ours_is_not_read() -> None:
    found = read(reply({"release": "ID=evil"}, OTHER) + reply(GOOD, NONCE))
    assert found.output("release") == GOOD["release"]


def test_frames_inside_a_section_are_its_text_even_with_the_right_nonce() -> None:
    inside = reply({"release": "ID=evil", "evil": "x"}, NONCE).decode()
    found = read(reply({"cron": inside + "\n=0", **GOOD}, NONCE))
    assert found.output("cron") == inside
    assert found.output("release") == GOOD["release"]
    assert "evil" not in found.sections


def test_reading_stops_where_something_is_printed_between_frames() -> None:
    data = reply(GOOD, NONCE).replace(f"\n{NONCE} uname".encode(), f"\nnoise\n{NONCE} uname".encode())
    found = read(data)
    assert "release" not in found.sections  # what follows it is not as it must be: it may have been cut into
    assert isinstance(found.section("uname"), Gap)
    assert found.broken is not None
    assert found.broken.reason is Reason.MALFORMED


def test_a_section_given_twice_ends_the_reading() -> None:
    twice = reply({"release": "ID=a"}, NONCE).removesuffix(f"\n{NONCE} end\n".encode())
    second = reply({"release": "ID=b"}, NONCE).partition(b"\n" + NONCE.encode() + b" release")
    found = read(twice + b"\n" + NONCE.encode() + b" release" + second[2])
    assert found.output("release") == "ID=a"
    assert found.broken is not None


@pytest.mark.parametrize("length", ["-1", "01", "9999999999", "1e3", "٣", "", " 5"])
def test_a_length_that_is_none_ends_the_reading(length: str) -> None:
    data = f"\n{NONCE} begin 1 1700000000 0\n\n{NONCE} release {length}\nID=a\n=0\n{NONCE} end\n".encode()
    assert read(data).sections == {}


def test_a_length_past_the_end_gives_no_section() -> None:
    data = f"\n{NONCE} begin 1 1700000000 0\n\n{NONCE} release 999999\nID=a\n=0".encode()
    found = read(data)
    assert found.sections == {}
    assert found.broken is not None
    assert "broke off" in found.broken.detail


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("=cut", Reason.UNREADABLE),
        ("=late", Reason.TIMED_OUT),
        ("=124", Reason.TIMED_OUT),
        ("=137", Reason.TIMED_OUT),
        ("=127", Reason.TOOL_MISSING),
        ("=126", Reason.UNREADABLE),
        ("=1", Reason.UNREADABLE),
    ],
)
def test_a_command_that_did_not_end_well_is_a_gap(ending: str, reason: Reason) -> None:
    found = read(reply({"dpkg": f"some\n{ending}"}, NONCE)).output("dpkg")
    assert isinstance(found, Gap)
    assert found.reason is reason
    assert "dpkg" in found.detail


def test_a_reading_the_host_has_no_tool_for_is_not_collected() -> None:
    found = read(reply({}, NONCE)).output("dpkg")
    assert isinstance(found, Gap)
    assert found.reason is Reason.NOT_COLLECTED


def test_no_reply_at_all_is_a_gap() -> None:
    assert isinstance(read_reply(b"This account is currently not available.\n", NONCE), Gap)


@pytest.mark.parametrize("nonce", ["", "abc", "g" * 32, "a" * 15, "a" * 65, "A" * 32])
def test_a_nonce_that_could_be_guessed_is_refused(nonce: str) -> None:
    with pytest.raises(ValueError, match="16 to 64"):
        read_reply(b"", nonce)


# --- Properties -------------------------------------------------------------------------------------------

_NAMES = st.sampled_from(
    [
        *(
            "release",
            "uname",
            "clock",
            "kernels",
            "reboot",
            "dpkg",
            "rpm",
            "rpm-origins",
            "rpm-metadata",
            "rpm-held",
        ),
        *("rpm-pending", "rpm-security", "rpm-foreign", "apk", "apk-pending", "apk-origins", "apk-metadata"),
        *(
            "apk-world",
            "pacman",
            "pacman-pending",
            "pacman-foreign",
            "pacman-origins",
            "mounts",
            "sizes",
            "sockets",
        ),
        *("firewall", "timers", "services", "cron", "automatic", "changed", "programs", "apt-origins"),
        *("apt-metadata", "apt-settings", "apt-pending", "apt-foreign"),
    ]
)
_SHAPED = st.sampled_from(
    [
        *(
            "ii \tbash\t5.2\tamd64\tbash\t5.2\n",
            "Linux\n6.1\nx86_64",
            "Inst a [1] (2 D:1/s [amd64])\n",
            "btime 1\n",
        ),
        *(
            "file /etc/crontab\nline * * * * * root x\n",
            "tcp LISTEN 0 1 0.0.0.0:22 0.0.0.0:*\n",
            "[a]\nbaseurl=b\n",
        ),
        *(
            "P:a\nV:1\nA:x\n\n",
            "a\t(none)\t1\t2\tx\ta-1-2.src.rpm\t5\t(none)\n",
            "1700000000 /var/lib/apt/lists\n",
        ),
        *(
            "Id=a.timer\nUnit=a.service\nLastTriggerUSec=n/a\n",
            "a.x 1 r\n",
            "tcp 0: 00000000:0016 0:0 0A\n",
            "=",
            "\t",
        ),
    ]
)
_TEXT = st.lists(st.one_of(_SHAPED, st.text(max_size=40)), max_size=6).map("".join)
_SECTIONS = st.dictionaries(
    _NAMES,
    st.tuples(_TEXT, st.sampled_from(["", "\n=0", "\n=1", "\n=126", "\n=late", "\n=cut"])),
    max_size=12,
)


#: The first text of a run waits for Hypothesis' table of characters.
patient = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@patient
@given(st.binary(max_size=2000))
def test_any_bytes_are_read_without_a_mistake(data: bytes) -> None:
    for candidate in (data, f"\n{NONCE} begin 1 1 1\n\n{NONCE} ".encode() + data):
        found = read_reply(candidate, NONCE)
        assert isinstance(found, Gap | Reply)


@patient
@given(_SECTIONS)
def test_any_sections_give_facts_or_gaps_of_every_kind(sections: dict[str, tuple[str, str]]) -> None:
    found = read(reply({name: text + ending for name, (text, ending) in sections.items()}, NONCE))
    facts = facts_of(found, None)
    assert tuple(facts) == KINDS
    assert all(isinstance(seen, Facts | Gap) for seen in facts.values())


@patient
@given(_SECTIONS, st.integers(min_value=0))
def test_a_reply_cut_anywhere_gives_a_part_of_what_the_whole_one_gives(
    sections: dict[str, tuple[str, str]], cut: int
) -> None:
    whole = reply({name: text + ending for name, (text, ending) in sections.items()}, NONCE)
    part = whole[: cut % len(whole)]
    found = read_reply(part, NONCE)
    if isinstance(found, Reply):
        assert found.sections.items() <= read(whole).sections.items()
        assert found.broken is not None


@patient
@given(_SECTIONS, st.binary(max_size=60), st.integers(min_value=0))
def test_bytes_put_in_anywhere_never_make_a_section_that_was_not_there(
    sections: dict[str, tuple[str, str]], noise: bytes, where: int
) -> None:
    whole = reply({name: text + ending for name, (text, ending) in sections.items()}, NONCE)
    at = where % (len(whole) + 1)
    found = read_reply(whole[:at] + noise + whole[at:], NONCE)
    if isinstance(found, Reply) and NONCE.encode() not in noise:
        assert found.sections.keys() <= sections.keys()


@patient
@given(_TEXT)
def test_text_that_does_not_know_the_nonce_is_never_read_as_a_frame(text: str) -> None:
    imitation = reply({"release": "ID=evil"}, OTHER).decode() + text
    found = read(reply({"cron": imitation + "\n=0", "uname": "Linux\nk\nm"}, NONCE))
    assert set(found.sections) == {"cron", "uname"}
