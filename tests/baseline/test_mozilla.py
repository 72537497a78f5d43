"""Mozilla's guidelines as profiles: the lists are those that Mozilla publishes, as sslyze brings them along."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest

from secscan.baseline import Baseline, load_baseline
from secscan.baseline.rules import Rule
from secscan.registry import find_checks

CONFIGURATIONS = ("modern", "intermediate", "old")

#: The guideline's names of curves that IANA calls otherwise (RFC 8422, appendix A).
CURVES = {"prime256v1": "secp256r1", "X25519": "x25519"}

HYBRIDS = {"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"}


@pytest.fixture(scope="module")
def guideline() -> Mapping[str, Any]:
    text = files("sslyze.mozilla_tls_profile").joinpath("5.7.json").read_text("utf-8")
    configurations: Mapping[str, Any] = json.loads(text)["configurations"]
    return configurations


def profile(configuration: str) -> Baseline:
    return load_baseline(f"mozilla-{configuration}", find_checks())


def rule(baseline: Baseline, id: str) -> Rule:
    [found] = [rule for rule in baseline.rules if rule.check.id == id]
    return found


def limit(baseline: Baseline, id: str, name: str) -> Any:
    return getattr(rule(baseline, id).limits, name)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_suites_are_the_guidelines(configuration: str, guideline: Mapping[str, Any]) -> None:
    theirs = guideline[configuration]
    expected = {*theirs["ciphersuites"], *theirs["ciphers"]["iana"]}
    assert limit(profile(configuration), "tls.allowed-suites", "allowed") == expected


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_groups_are_the_guidelines_and_the_hybrids_of_them(
    configuration: str, guideline: Mapping[str, Any]
) -> None:
    expected = {CURVES.get(curve, curve) for curve in guideline[configuration]["tls_curves"]} | HYBRIDS
    assert limit(profile(configuration), "tls.allowed-groups", "allowed") == expected


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_sizes_are_the_guidelines(configuration: str, guideline: Mapping[str, Any]) -> None:
    baseline, theirs = profile(configuration), guideline[configuration]
    if theirs["dh_param_size"]:
        assert limit(baseline, "tls.dh-size", "bits") == theirs["dh_param_size"]
    if theirs["rsa_key_size"]:
        assert limit(baseline, "certificate.key-strength", "rsa_bits") == theirs["rsa_key_size"]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_version_that_the_guideline_has_is_held_against_nobody(
    configuration: str, guideline: Mapping[str, Any]
) -> None:
    rules = {rule.check.id for rule in profile(configuration).rules}
    for version, id in (("TLSv1", "tls.tls10"), ("TLSv1.1", "tls.tls11")):
        assert (id in rules) is (version not in guideline[configuration]["tls_versions"])


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_who_goes_by_a_list_has_everything_asked(configuration: str) -> None:
    assert profile(configuration).lists_tls


def test_who_goes_by_none_has_not() -> None:
    assert not load_baseline("network", find_checks()).lists_tls
