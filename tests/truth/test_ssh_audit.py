"""What secscan says of the lab's SSH servers, against ssh-audit: docs/ssh-truth.md has every difference, and why."""

import pytest

from tests.lab.ssh_configurations import Configuration, configurations
from tests.truth.ssh_audit import PAGE, REASONS, differences, page, unexplained

pytestmark = [pytest.mark.slow]

#: One of each software: all of them are looked at by `python -m tools.ssh_truth --check`.
SOME = (
    "openssh-default",
    "openssh-certificate",
    "dropbear-keys-only",
    "asyncssh-as-of-old",
    "paramiko-default",
)


@pytest.mark.parametrize(
    "configuration", [one for one in configurations() if one.name in SOME], ids=lambda one: one.name
)
def test_every_difference_is_explained(configuration: Configuration) -> None:
    assert unexplained(differences(configuration)) == []


def test_the_page_has_every_reason() -> None:
    text = PAGE.read_text("utf-8")
    assert [reason for reason in REASONS if reason.why not in text] == []


def test_the_page_names_every_server() -> None:
    text = PAGE.read_text("utf-8")
    assert [one.name for one in configurations() if f"- {one.name}\n" not in text] == []
    assert (
        page({one.name: () for one in configurations()}).partition("| What |")[0]
        == text.partition("| What |")[0]
    )
