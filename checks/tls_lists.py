"""What TLS offers, held against a list of the baseline's: for those who go by a guideline to the letter.

The lists are in profiles, with their source; where a profile has none, nothing is held against these rules.
"""

from collections.abc import Iterator

from pydantic import Field, field_validator

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed
from secscan.checks._tls_offers import accepted_suites, listed
from secscan.facts import EVERY_GROUP, Gap, SuiteClass, TlsFacts, TlsVersion, known
from secscan.facts.suites import Trait, traits
from secscan.model import Observation, Reason, Severity


class SuiteListLimits(Limits):
    allowed: frozenset[str] = Field(
        default=frozenset(), description="Cipher suites that may be accepted, by their IANA names; none: any."
    )

    @field_validator("allowed")
    @classmethod
    def _known(cls, allowed: frozenset[str]) -> frozenset[str]:
        for name in sorted(allowed):
            if Trait.UNKNOWN in traits(name):
                raise ValueError(f"{name!r} is the IANA name of no cipher suite that secscan knows")
        return allowed


class GroupListLimits(Limits):
    allowed: frozenset[str] = Field(
        default=frozenset(),
        description="Groups that may be accepted for key exchange, by their IANA names; none: any.",
    )


@check("tls.allowed-suites", severity=Severity.MEDIUM)
def allowed_suites(seen: Observation[TlsFacts], limits: SuiteListLimits) -> Iterator[Verdict]:
    """Every cipher suite that is accepted is on the baseline's list.

    Why: A guideline that names what may be offered leaves nobody to wonder about the rest: what is new or rare may be
    fine, and nobody has looked at it. What is known to be weak has rules of its own.

    Fix: Set the list that the guideline gives for your server (Mozilla's: ssl-config.mozilla.org), and nothing besides.
    """
    if not limits.allowed:
        yield not_applicable("The baseline has no list of suites.")
        return
    accepted = accepted_suites(seen.facts, TlsVersion)
    others = [name for name in accepted.names if name not in limits.allowed]
    if others:
        yield failed("Suites that are not on the list are accepted: {suites}.", suites=listed(others))
    else:
        accepted.settle(SuiteClass.EVERY)
        yield passed("All {count} suites accepted are on the list.", count=len(accepted.names))


@check("tls.allowed-groups", severity=Severity.LOW)
def allowed_groups(seen: Observation[TlsFacts], limits: GroupListLimits) -> Iterator[Verdict]:
    """Every group that is accepted for key exchange is on the baseline's list.

    Why: A guideline that names what may be offered leaves nobody to wonder about the rest. Curves that are too small
    have a rule of their own.

    Fix: Name the groups (nginx: ssl_ecdh_curve X25519:prime256v1:secp384r1; Apache: SSLOpenSSLConfCmd Groups
    X25519:P-256:P-384).
    """
    if not limits.allowed:
        yield not_applicable("The baseline has no list of groups.")
        return
    accepted = known(seen.facts.groups)
    others = [name for name in accepted if name not in limits.allowed]
    if others:
        yield failed("Groups that are not on the list are accepted: {groups}.", groups=listed(others))
    elif seen.facts.groups_below != EVERY_GROUP:
        known(Gap(Reason.NOT_COLLECTED, "not every group was asked about"))
    else:
        yield passed("All groups accepted are on the list: {groups}.", groups=listed(accepted))
