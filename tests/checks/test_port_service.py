"""The checks of services that were spoken to, on answers as they could have been."""

from datetime import UTC, datetime, timedelta

import pytest

from secscan.check import Check, Limits, Verdict
from secscan.checks import port_service
from secscan.facts import (
    Access,
    DnsOffer,
    Gap,
    NotSeen,
    Reading,
    ServiceFacts,
    SmbOffer,
    Spoken,
    ZoneTransfer,
)
from secscan.model import Earlier, Endpoint, Look, Observation, Outcome, Reason, Service

AT = datetime(2026, 3, 1, tzinfo=UTC)
SERVICE = Service("db1", "tcp", 6379)

STRANGERS = (
    (port_service.redis_open, Spoken.REDIS),
    (port_service.memcached_open, Spoken.MEMCACHED),
    (port_service.elasticsearch_open, Spoken.ELASTICSEARCH),
    (port_service.docker_open, Spoken.DOCKER),
    (port_service.vnc_open, Spoken.VNC),
)
EVERY = (
    *STRANGERS,
    (port_service.smb1, Spoken.SMB),
    (port_service.smb_signing, Spoken.SMB),
    (port_service.dns_recursion, Spoken.DNS),
    (port_service.zone_transfer, Spoken.DNS),
)


def judge(
    check: Check, facts: ServiceFacts, *earlier: ServiceFacts, limits: Limits | None = None
) -> list[Verdict]:
    seen = Observation(Endpoint(SERVICE, "127.0.0.1"), "services", "service", AT, facts)
    looks = tuple(Look(one, AT - timedelta(days=n + 1)) for n, one in enumerate(earlier))
    given = {"seen": seen, "before": Earlier(looks), "service": SERVICE}
    return list(check(**given, **({"limits": limits or check.limits()} if check.limits else {})))


def outcomes(verdicts: list[Verdict]) -> list[Outcome]:
    return [v.outcome for v in verdicts]


def spoke(protocol: Spoken, access: Reading[Access] = Access.OPEN) -> ServiceFacts:
    return ServiceFacts(protocol=protocol, how="probe", access=access)


def smb(version_1: Reading[bool] = False, signing: Reading[bool] = True) -> ServiceFacts:
    offer = SmbOffer(version_1=version_1, signing_required=signing, dialect="3.1.1")
    return ServiceFacts(protocol=Spoken.SMB, how="probe", smb=offer)


def dns(recursion: Reading[bool] = False, **zones: Reading[bool]) -> ServiceFacts:
    transfers = tuple(ZoneTransfer(zone=zone, allowed=allowed) for zone, allowed in zones.items())
    return ServiceFacts(
        protocol=Spoken.DNS, how="probe", dns=DnsOffer(recursion=recursion, transfers=transfers)
    )


@pytest.mark.parametrize(("check", "protocol"), STRANGERS)
class TestStrangers:
    @pytest.mark.parametrize(
        ("access", "outcome"),
        [
            (Access.OPEN, Outcome.FAIL),
            (Access.DENIED, Outcome.PASS),
            (Access.ANYBODY, Outcome.NOT_APPLICABLE),
        ],
    )
    def test_who_is_served_decides(
        self, check: Check, protocol: Spoken, access: Access, outcome: Outcome
    ) -> None:
        assert outcomes(judge(check, spoke(protocol, access))) == [outcome]

    def test_an_answer_that_was_not_understood_is_not_seen(self, check: Check, protocol: Spoken) -> None:
        with pytest.raises(NotSeen):
            judge(check, spoke(protocol, Gap(Reason.TIMED_OUT)))


@pytest.mark.parametrize(("check", "protocol"), EVERY)
class TestEvery:
    def test_another_service_is_none_of_its_business(self, check: Check, protocol: Spoken) -> None:
        assert outcomes(judge(check, ServiceFacts(how="probe"))) == [Outcome.NOT_APPLICABLE]

    def test_nor_is_one_that_nobody_knows(self, check: Check, protocol: Spoken) -> None:
        assert outcomes(judge(check, ServiceFacts())) == [Outcome.NOT_APPLICABLE]

    def test_one_that_gave_itself_away_once_is_unknown(self, check: Check, protocol: Spoken) -> None:
        assert outcomes(judge(check, ServiceFacts(), spoke(protocol))) == [Outcome.UNKNOWN]

    def test_unless_another_answers_there_now(self, check: Check, protocol: Spoken) -> None:
        assert outcomes(judge(check, ServiceFacts(how="probe"), spoke(protocol))) == [Outcome.NOT_APPLICABLE]

    def test_or_did_since(self, check: Check, protocol: Spoken) -> None:
        earlier = (ServiceFacts(how="banner"), spoke(protocol))
        assert outcomes(judge(check, ServiceFacts(), *earlier)) == [Outcome.NOT_APPLICABLE]


class TestSmb:
    @pytest.mark.parametrize(("offered", "outcome"), [(True, Outcome.FAIL), (False, Outcome.PASS)])
    def test_version_1(self, offered: bool, outcome: Outcome) -> None:
        assert outcomes(judge(port_service.smb1, smb(version_1=offered))) == [outcome]

    @pytest.mark.parametrize(("required", "outcome"), [(True, Outcome.PASS), (False, Outcome.FAIL)])
    def test_signing(self, required: bool, outcome: Outcome) -> None:
        assert outcomes(judge(port_service.smb_signing, smb(signing=required))) == [outcome]

    @pytest.mark.parametrize("check", [port_service.smb1, port_service.smb_signing])
    def test_what_it_did_not_say_is_not_seen(self, check: Check) -> None:
        with pytest.raises(NotSeen):
            judge(check, smb(Gap(), Gap()))


class TestDns:
    @pytest.mark.parametrize(("offered", "outcome"), [(True, Outcome.FAIL), (False, Outcome.PASS)])
    def test_recursion(self, offered: bool, outcome: Outcome) -> None:
        assert outcomes(judge(port_service.dns_recursion, dns(offered))) == [outcome]

    def test_recursion_where_the_host_is_there_for_it(self) -> None:
        limits = port_service.RecursionLimits(recursion=True)
        verdicts = judge(port_service.dns_recursion, dns(recursion=True), limits=limits)
        assert outcomes(verdicts) == [Outcome.NOT_APPLICABLE]

    def test_each_zone_is_an_object_of_its_own(self) -> None:
        verdicts = judge(port_service.zone_transfer, dns(a=True, b=False, c=Gap(Reason.TIMED_OUT)))
        assert [(v.object, v.outcome) for v in verdicts] == [
            ("a", Outcome.FAIL),
            ("b", Outcome.PASS),
            ("c", Outcome.UNKNOWN),
        ]

    def test_where_the_inventory_names_no_zone_there_is_none_to_judge(self) -> None:
        assert outcomes(judge(port_service.zone_transfer, dns())) == [Outcome.NOT_APPLICABLE]
