"""Matching: what a host lacks by the advisories of its distribution, and what it does not."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.facts import Package, PackageFacts
from secscan.feeds.match import ReleaseIndex, compare, source_of
from secscan.feeds.model import Advisory, Affected, IndexedPackage, RatedFlaw
from secscan.model import Severity
from secscan.reference import Comparison, Flaw, MissingUpdate


def package(
    name: str = "openssl",
    version: str = "3.0.11-1",
    *,
    source: str = "",
    source_version: str = "",
    architecture: str = "amd64",
    module: str = "",
) -> Package:
    return Package(
        name=name,
        version=version,
        architecture=architecture,
        source=source or name,
        source_version=source_version or version,
        module=module,
    )


def advisory(
    *affected: Affected,
    id: str = "DSA-1",
    cve: str = "CVE-2026-1",
    severity: Severity | None = Severity.HIGH,
    published: date | None = date(2026, 5, 1),
    named: bool = True,
    by_distributor: bool = True,
) -> Advisory:
    return Advisory(id, (RatedFlaw(cve, severity, by_distributor),), affected, published, named)


def matched(
    packages: Sequence[Package],
    advisories: Sequence[Advisory] = (),
    *,
    offered: Sequence[IndexedPackage] = (),
    scheme: str = "dpkg",
    kernel: str = "",
) -> Comparison:
    facts = PackageFacts(manager=scheme, packages=tuple(packages))
    return compare(facts, kernel, ReleaseIndex(scheme, advisories, offered))


def steps(found: Comparison) -> list[tuple[str, str, str]]:
    return [(u.package, u.installed, u.fixed) for u in found.missing]


OPENSSL = Affected("openssl", "3.0.15-1", source=True)

# --- One package ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "missing"),
    [
        ("3.0.14-1", True),
        ("3.0.15-1~deb12u1", True),
        ("3.0.15-1", False),
        ("3.0.15-1+b1", False),
        ("1:0.9-1", False),
    ],
)
def test_a_package_is_held_against_its_fix(installed: str, missing: bool) -> None:
    assert bool(matched([package(version=installed)], [advisory(OPENSSL)]).missing) is missing


def test_all_that_is_told_of_it() -> None:
    libraries = [package(n, "3.0.11-1", source="openssl") for n in ("libssl3", "openssl")]
    first = advisory(
        Affected("openssl", "3.0.14-1", source=True), id="DSA-1", cve="CVE-2026-1", published=date(2026, 4, 1)
    )
    second = advisory(OPENSSL, id="DSA-2", cve="CVE-2026-2", severity=None)
    assert matched(libraries, [second, first]).missing == (
        MissingUpdate(
            package="openssl",
            binaries=("libssl3", "openssl"),
            installed="3.0.11-1",
            fixed="3.0.15-1",
            flaws=(
                Flaw("CVE-2026-1", Severity.HIGH, date(2026, 4, 1)),
                Flaw("CVE-2026-2", None, date(2026, 5, 1)),
            ),
            advisories=("DSA-1", "DSA-2"),
            published=date(2026, 4, 1),
        ),
    )


def test_only_the_advisories_that_are_not_mended_count() -> None:
    old = advisory(Affected("openssl", "3.0.10-1", source=True), id="DSA-1")
    new = advisory(OPENSSL, id="DSA-2")
    assert matched([package()], [old, new]).missing[0].advisories == ("DSA-2",)


def test_records_of_single_flaws_are_no_advisories() -> None:
    assert (
        matched([package()], [advisory(OPENSSL, id="DEBIAN-CVE-2026-1", named=False)]).missing[0].advisories
        == ()
    )


def test_a_source_package_is_not_a_binary_one_of_the_same_name() -> None:
    other = package("openssl", "1.0", source="openssl-wrapper", source_version="3.1")
    assert matched([other], [advisory(OPENSSL)]).missing == ()


def test_the_distributor_rates_before_cvss_does() -> None:
    by_cvss = advisory(OPENSSL, severity=Severity.CRITICAL, by_distributor=False)
    own = advisory(OPENSSL, id="DSA-2", severity=Severity.LOW)
    assert matched([package()], [by_cvss, own]).missing[0].flaws == (
        Flaw("CVE-2026-1", Severity.LOW, date(2026, 5, 1)),
    )


@pytest.mark.parametrize(("installed", "missing"), [("3.0.0-1", True), ("2.9-1", False)])
def test_a_flaw_that_came_in_later_is_not_in_older_versions(installed: str, missing: bool) -> None:
    late = Affected("openssl", "3.0.15-1", source=True, introduced="3.0.0-1")
    assert bool(matched([package(version=installed)], [advisory(late)]).missing) is missing


def test_a_flaw_without_a_fix_stands_apart_from_the_update() -> None:
    unfixed = advisory(Affected("openssl", "", source=True), id="CVE-2026-9", cve="CVE-2026-9")
    found = matched([package()], [advisory(OPENSSL), unfixed]).missing
    assert [(u.fixed, [f.id for f in u.flaws]) for u in found] == [
        ("3.0.15-1", ["CVE-2026-1"]),
        ("", ["CVE-2026-9"]),
    ]


def test_a_flaw_that_one_record_calls_mended_is_not_without_a_fix() -> None:
    unfixed = advisory(Affected("openssl", "", source=True), id="CVE-2026-1", named=False)
    assert [u.fixed for u in matched([package()], [advisory(OPENSSL), unfixed]).missing] == ["3.0.15-1"]


@pytest.mark.parametrize("version", ["", "-", "not a version", "1" * 400])
def test_a_version_that_can_not_be_read_is_undecided(version: str) -> None:
    found = matched([package(version=version, source_version="x y")], [advisory(OPENSSL)])
    assert (found.missing, found.undecided) == ((), ("openssl",))


def test_a_version_that_nobody_asks_about_may_be_anything() -> None:
    assert matched([package("homemade", "not a version")], [advisory(OPENSSL)]).undecided == ()


def test_a_fix_whose_version_can_not_be_read_is_counted_and_left_out() -> None:
    index = ReleaseIndex("dpkg", [advisory(Affected("openssl", "x y", source=True))])
    assert (index.unreadable, index.lacks(package())) == (1, ())


# --- dpkg -------------------------------------------------------------------------------------------------


def offered(
    name: str, version: str, *, architecture: str = "amd64", source_version: str = ""
) -> IndexedPackage:
    return IndexedPackage(name, version, architecture, "openssl", source_version or version)


def test_what_the_security_suite_has_newer_is_missing() -> None:
    found = matched([package("libssl3", source="openssl")], offered=[offered("libssl3", "3.0.15-1")])
    assert steps(found) == [("openssl", "3.0.11-1", "3.0.15-1")]


def test_the_newest_of_several_in_the_suite_counts() -> None:
    newest = [offered("libssl3", v) for v in ("3.0.15-1", "3.0.15-2", "3.0.14-9")]
    assert steps(matched([package("libssl3", source="openssl")], offered=newest))[0][2] == "3.0.15-2"


def test_an_index_of_another_architecture_says_nothing() -> None:
    assert (
        matched([package("libssl3")], offered=[offered("libssl3", "9", architecture="arm64")]).missing == ()
    )


def test_an_index_of_all_architectures_says_something_of_each() -> None:
    everywhere = [offered("openssl", "9", architecture="all")]
    assert matched([package()], offered=everywhere).missing != ()


def test_a_package_that_was_only_built_anew_is_missing_by_its_own_version() -> None:
    again = [offered("openssl", "3.0.11-1+b2", source_version="3.0.11-1")]
    assert steps(matched([package()], offered=again)) == [("openssl", "3.0.11-1", "3.0.11-1+b2")]


def test_a_signed_kernel_is_of_the_source_that_advisories_name() -> None:
    signed = package(
        "linux-image-6.1.0-18-amd64", "6.1.76-1", source="linux-signed-amd64", source_version="6.1.76+1"
    )
    assert source_of(signed, "dpkg") == ("linux", "6.1.76-1")
    hwe = package("linux-image-6.5.0-15-generic", "6.5.0-15.15~22.04.1", source="linux-signed-hwe-6.5")
    assert source_of(hwe, "dpkg") == ("linux-hwe-6.5", "6.5.0-15.15~22.04.1")


# --- rpm --------------------------------------------------------------------------------------------------


def test_the_release_part_and_the_epoch_count() -> None:
    fix = advisory(Affected("openssl-libs", "1:3.0.7-25.el9_3"))
    for installed, missing in (
        ("1:3.0.7-24.el9", True),
        ("1:3.0.7-25.el9_3", False),
        ("1:3.0.7-27.el9", False),
    ):
        found = matched([package("openssl-libs", installed, source="openssl")], [fix], scheme="rpm")
        assert bool(found.missing) is missing, installed


def test_a_source_without_an_epoch_has_that_of_its_package() -> None:
    bind = package("bind-libs", "32:9.16.23-11.el9", source="bind", source_version="9.16.23-11.el9")
    assert source_of(bind, "rpm") == ("bind", "32:9.16.23-11.el9")
    fix = advisory(Affected("bind", "32:9.16.23-10.el9", source=True))
    assert matched([bind], [fix], scheme="rpm").missing == ()


NODE = "1:18.19.0-1.module+el8.9.0+1+abc"


@pytest.mark.parametrize(
    ("installed", "advised", "missing"),
    [
        ("nodejs:18", ("nodejs:18",), True),
        ("nodejs:18:8090020240101000000:abc", ("nodejs:18",), True),
        ("nodejs:18", ("nodejs:20",), False),
        ("nodejs:18", ("php:8.0", "nodejs:18"), True),
        ("nodejs:18", (), False),
    ],
)
def test_a_package_of_a_module_is_held_against_its_stream_alone(
    installed: str, advised: tuple[str, ...], missing: bool
) -> None:
    fix = advisory(Affected("nodejs", "1:20.11.0-1.module+el8.9.0+2+abc", modules=advised))
    known = advisory(Affected("npm", "1:10-1.module+el8", modules=("nodejs:18",)), id="RLSA-2")
    found = matched([package("nodejs", NODE, module=installed)], [fix, known], scheme="rpm")
    assert bool(found.missing) is missing
    assert found.undecided == ()


def test_a_package_of_no_module_is_not_held_against_one() -> None:
    fix = advisory(Affected("nodejs", "1:20.11.0-1.module+el8.9.0+2+abc", modules=("nodejs:20",)))
    assert matched([package("nodejs", "1:16.0-1.el9")], [fix], scheme="rpm").missing == ()


def test_a_package_whose_stream_the_host_did_not_tell_is_undecided() -> None:
    fix = advisory(Affected("nodejs", "1:20.11.0-1.module+el8.9.0+2+abc", modules=("nodejs:20",)))
    found = matched([package("nodejs", NODE)], [fix], scheme="rpm")
    assert (found.missing, found.undecided) == ((), ("nodejs",))


@pytest.mark.parametrize(
    ("version", "label"),
    [
        ("1:3.0.7-1.el9", "x:y"),
        ("1:3.0.7-1.el9", "nodejs:18"),  # no build of a module, whatever its label
        ("1:3.0.7-1.module+el9", "x:y"),  # a stream that no advisory knows
        ("1:3.0.7-1.module+el9", ""),
    ],
)
def test_no_label_takes_a_package_out_of_the_comparison(version: str, label: str) -> None:
    fixes = [
        advisory(Affected("openssl", "1:3.0.7-25.el9")),
        advisory(Affected("nodejs", "1:20-1.module+el9", modules=("nodejs:18",)), id="RLSA-2"),
    ]
    found = matched([package("openssl", version, module=label)], fixes, scheme="rpm")
    assert (found.missing, found.undecided) == ((), ("openssl",))


def test_a_second_version_hides_no_package_but_a_kernel() -> None:
    both = [package("openssl", f"1:{version}-1.el9") for version in ("3.0.7", "9")]
    found = matched(both, [advisory(Affected("openssl", "1:3.0.7-25.el9"))], scheme="rpm")
    assert steps(found) == [("openssl", "1:3.0.7-1.el9", "1:3.0.7-25.el9")]


def test_a_package_that_names_another_source_than_its_distributions_index_is_undecided() -> None:
    index = ReleaseIndex("dpkg", [advisory(OPENSSL)], sources={"openssl": {"openssl"}, "a": {"a", "b"}})
    facts = PackageFacts(
        manager="dpkg",
        packages=(package(source="nothing"), package("a", source="b"), package("homemade", source="c")),
    )
    found = compare(facts, "", index)
    assert (found.missing, found.undecided) == ((), ("openssl",))


# --- Kernels ----------------------------------------------------------------------------------------------


def debian_kernel(abi: int, version: str, flavour: str = "amd64") -> Package:
    return package(
        f"linux-image-6.1.0-{abi}-{flavour}",
        version,
        source="linux-signed-amd64",
        source_version=version.replace("-", "+"),
    )


OLD, NEW = debian_kernel(18, "6.1.76-1"), debian_kernel(25, "6.1.106-3")
KERNEL_FIX = advisory(Affected("linux", "6.1.106-3", source=True))


def test_an_old_kernel_that_neither_runs_nor_is_the_newest_lacks_nothing() -> None:
    assert matched([OLD, NEW], [KERNEL_FIX], kernel="6.1.0-25-amd64").missing == ()


def test_a_mended_kernel_that_does_not_run_yet_awaits_the_reboot() -> None:
    (update,) = matched([OLD, NEW], [KERNEL_FIX], kernel="6.1.0-18-amd64").missing
    assert (update.package, update.installed, update.fixed, update.awaits_reboot) == (
        "linux",
        "6.1.76-1",
        "6.1.106-3",
        True,
    )
    assert update.binaries == ("linux-image-6.1.0-18-amd64",)


def test_the_only_kernel_is_held_against_its_fix() -> None:
    (update,) = matched([OLD], [KERNEL_FIX], kernel="6.1.0-18-amd64").missing
    assert not update.awaits_reboot


def test_what_no_installed_kernel_mends_awaits_no_reboot() -> None:
    fix = advisory(Affected("linux", "6.1.120-1", source=True))
    assert [u.awaits_reboot for u in matched([OLD, NEW], [fix], kernel="6.1.0-18-amd64").missing] == [False]


def test_kernels_of_another_flavour_stand_for_themselves() -> None:
    found = matched([OLD, debian_kernel(25, "6.1.106-3", "rt-amd64")], [KERNEL_FIX], kernel="6.1.0-18-amd64")
    assert [(u.binaries, u.awaits_reboot) for u in found.missing] == [
        (("linux-image-6.1.0-18-amd64",), False)
    ]


def rpm_kernel(version: str, name: str = "kernel-core") -> Package:
    return package(name, version, source="kernel", architecture="x86_64")


def test_of_several_rpm_kernels_the_newest_and_the_running_count() -> None:
    old, new = rpm_kernel("5.14.0-362.8.1.el9_3"), rpm_kernel("5.14.0-427.13.1.el9_4")
    fix = advisory(Affected("kernel-core", "5.14.0-427.13.1.el9_4"))
    assert matched([old, new], [fix], scheme="rpm", kernel="5.14.0-427.13.1.el9_4.x86_64").missing == ()
    (update,) = matched([old, new], [fix], scheme="rpm", kernel="5.14.0-362.8.1.el9_3.x86_64").missing
    assert (update.package, update.installed, update.awaits_reboot) == (
        "kernel",
        "5.14.0-362.8.1.el9_3",
        True,
    )


def test_a_kernel_of_suse_is_known_by_its_release() -> None:
    old = rpm_kernel("5.14.21-150500.55.39.1", "kernel-default")
    new = rpm_kernel("5.14.21-150500.55.65.1", "kernel-default")
    fix = advisory(Affected("kernel-default", "5.14.21-150500.55.65.1"))
    (update,) = matched([old, new], [fix], scheme="rpm", kernel="5.14.21-150500.55.39-default").missing
    assert update.awaits_reboot


def test_alpine_runs_on_with_a_kernel_that_is_replaced() -> None:
    lts = package("linux-lts", "6.6.32-r0")
    fix = advisory(Affected("linux-lts", "6.6.31-r0", source=True))
    (update,) = matched([lts], [fix], scheme="apk", kernel="6.6.30-0-lts").missing
    assert (update.installed, update.fixed, update.awaits_reboot) == ("6.6.30-r0", "6.6.32-r0", True)


# --- Of all -----------------------------------------------------------------------------------------------

VERSIONS = st.sampled_from(["1.0-1", "1.0-2", "1.1-1", "1:0.1-1", "2.0-1~rc1", "2.0-1", "x y"])


@given(
    st.lists(st.tuples(st.sampled_from("abc"), VERSIONS), max_size=8),
    st.lists(st.tuples(st.sampled_from("abc"), VERSIONS), max_size=8),
    st.randoms(),
)
def test_the_order_of_packages_and_advisories_never_matters(
    installed: list[tuple[str, str]], fixes: list[tuple[str, str]], random: "object"
) -> None:
    packages = [package(name, version) for name, version in installed]
    advisories = [
        advisory(Affected(n, v, source=True), id=f"DSA-{i}", cve=f"CVE-2026-{i}")
        for i, (n, v) in enumerate(fixes)
    ]
    first = matched(packages, advisories)
    random.shuffle(packages)  # type: ignore[attr-defined]
    random.shuffle(advisories)  # type: ignore[attr-defined]
    assert matched(packages, advisories) == first


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.text(max_size=60),
    st.sampled_from(["dpkg", "rpm", "apk"]),
)
def test_whatever_a_host_says_is_compared_or_undecided(
    name: str, version: str, kernel: str, scheme: str
) -> None:
    odd = package(name, version)
    found = matched(
        [odd, odd], [advisory(Affected(name, "2.0-1", source=True))], scheme=scheme, kernel=kernel
    )
    assert set(found.undecided) <= {name}
