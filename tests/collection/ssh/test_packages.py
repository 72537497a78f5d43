"""Whose packages a host's are, and what shows that it takes part in extended support."""

from typing import Any

import pytest

from secscan.collection.ssh.reply import facts_of
from secscan.collection.ssh.system import Clock
from secscan.facts import Gap, PackageFacts
from secscan.model import Reason
from tests.collection.ssh.composed import ALPINE, ARCH, ROCKY, SLES, UBUNTU, composed

#: The host's own, and more of another manager's than it has itself.
MANY_RPMS = "\n".join(
    f"fake{n}\t(none)\t1\t1\tnoarch\tfake{n}-1-1.src.rpm\t1760000000\t(none)" for n in range(20)
)
MANY_DEBS = "\n".join(f"ii \tfake{n}\t1\tamd64\tfake{n}\t1" for n in range(20))


def facts(sections: dict[str, str], kind: str) -> Any:
    return facts_of(composed(sections), Clock(1_779_999_999.0, 1_780_000_001.0))[kind]


@pytest.mark.parametrize(
    ("host", "added", "manager"),
    [
        (UBUNTU, {"rpm": MANY_RPMS}, "dpkg"),
        (ROCKY, {"dpkg": MANY_DEBS}, "rpm"),
        (SLES, {"dpkg": MANY_DEBS}, "rpm"),
        (ALPINE, {"dpkg": MANY_DEBS}, "apk"),
        (ARCH, {"dpkg": MANY_DEBS}, "pacman"),
        (UBUNTU, {"rpm": MANY_RPMS, "release": "ID=mint\nID_LIKE='ubuntu debian'"}, "dpkg"),
        (UBUNTU, {"rpm": MANY_RPMS, "release": 'ID_LIKE="rhel fedora"\nID="Debian"'}, "dpkg"),
        (ROCKY, {"dpkg": MANY_DEBS, "release": "REDHAT=CentOS release 6.10 (Final)"}, "rpm"),
        (UBUNTU, {"rpm": MANY_RPMS, "release": "ID=acmeos"}, "rpm"),
    ],
)
def test_of_two_managers_the_distributions_own_counts(
    host: dict[str, str], added: dict[str, str], manager: str
) -> None:
    found = facts(host | added, "packages")
    assert isinstance(found, PackageFacts)
    assert found.manager == manager


def test_another_manager_alone_is_a_contradiction() -> None:
    without = {name: text for name, text in UBUNTU.items() if name != "dpkg"} | {"rpm": MANY_RPMS}
    for kind in ("packages", "updates"):
        gap = facts(without, kind)
        assert isinstance(gap, Gap)
        assert gap.reason is Reason.CONTRADICTORY


@pytest.mark.parametrize(("own", "reason"), [("=126", Reason.UNREADABLE), ("", Reason.CONTRADICTORY)])
def test_where_its_own_list_is_not_read_no_other_stands_for_it(own: str, reason: Reason) -> None:
    gap = facts(UBUNTU | {"dpkg": own, "rpm": MANY_RPMS}, "packages")
    assert isinstance(gap, Gap)
    assert gap.reason is reason


ESM_LABEL = "\tx\tx\tx\tUbuntuESM\tUbuntuESM"


@pytest.mark.parametrize(
    ("address", "version", "support"),
    [
        ("https://esm.ubuntu.com/infra/ubuntu/", "1.0", "esm"),
        ("https://bearer:word@esm.ubuntu.com/infra/ubuntu/", "1.0", "esm"),
        ("file:///x", "1.0", ""),
        ("https://mirror.example.vn/esm.ubuntu.com/", "1.0", ""),
        ("https://mirror.example.vn/?https://esm.ubuntu.com/", "1.0", ""),
        ("https://mirror.example.vn/esm/", "1.0-1ubuntu1.27+esm3", "esm"),
    ],
)
def test_a_label_alone_is_no_extended_support(address: str, version: str, support: str) -> None:
    host = UBUNTU | {
        "apt-origins": address + ESM_LABEL,
        "dpkg": f"ii \tdpkg\t1.19\tamd64\tdpkg\t1.19\nii \topenssl\t{version}\tamd64\topenssl\t{version}",
    }
    assert facts(host, "system").release.support == support


def test_what_was_removed_is_no_extended_support() -> None:
    gone = "rc \topenssl\t1.0+esm3\tamd64\topenssl\t1.0+esm3\nii \tdpkg\t1.19\tamd64\tdpkg\t1.19"
    host = UBUNTU | {"apt-origins": "file:///x" + ESM_LABEL, "dpkg": gone}
    assert facts(host, "system").release.support == ""
