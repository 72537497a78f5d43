"""A lab of a few quick servers, for tests that scan many times: two agencies, three hosts, nothing hostile."""

from datetime import UTC, datetime

from tests.lab.authority import Authority
from tests.lab.fleet import LabAgency, LabHost, LabService, RunningFleet, start_fleet
from tests.lab.servers import PlainHttpServer, TlsServer
from tests.lab.servers.modern_ssh import ModernSshServer


def start_small_fleet() -> RunningFleet:
    authority = Authority(datetime.now(UTC))
    good = TlsServer((authority.good("a.example"),))
    expired = TlsServer((authority.expired("b.example"),))
    agencies = (
        LabAgency(
            id="one",
            tier="central",
            names={"vi": "Cơ quan Một", "en": "Agency One"},
            contact=("A", "a@one.example"),
            hosts=(
                LabHost(
                    "good-1",
                    "127.20.50.1",
                    "portal",
                    (
                        LabService("web", 8443, good, "web"),
                        LabService("ssh", 2222, ModernSshServer(), "ssh", tls="none"),
                    ),
                    names=("a.example",),
                ),
                LabHost(
                    "bad-1",
                    "127.20.50.2",
                    "mail",
                    (
                        LabService("web", 8443, expired, "web"),
                        LabService("hidden", 9443, good, "not declared", declared=False),
                    ),
                    names=("b.example",),
                ),
            ),
        ),
        LabAgency(
            id="two",
            tier="province",
            names={"vi": "Tỉnh Hai", "en": "Province Two"},
            contact=("B", "b@two.example"),
            hosts=(
                LabHost(
                    "plain-1",
                    "127.20.50.3",
                    "portal",
                    (LabService("web", 8443, PlainHttpServer(), "plain text where TLS must be"),),
                ),
            ),
        ),
    )
    return start_fleet(authority, agencies)
