"""STARTTLS against the servers of the distribution: set up with TLS they offer it, and set up without they don't."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from secscan.collection.hello import SpeaksTls, greet
from secscan.collection.starttls import NAMES, NotOffered, Offered, Outcome, converse
from secscan.collection.sweep import Depth, SweepSettings, sweep
from secscan.facts import ChainFacts, TlsFacts
from secscan.model import Endpoint, Service
from secscan.scope import Gate, ProbeLog, scope_of_addresses, utc_now
from tests.lab.authority import Authority, Identity
from tests.lab.servers import MissingToolError, Running
from tests.lab.servers.daemons import (
    DOMAIN,
    Daemon,
    Dovecot,
    MariaDb,
    Postfix,
    PostgreSql,
    Prosody,
    Slapd,
    Vsftpd,
    Xrdp,
)

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

ADDRESS = "127.77.3.1"
IDENTITY = Authority(utc_now()).good(DOMAIN, key="rsa-2048")

DAEMONS: dict[str, Callable[[Identity | None], Daemon]] = {
    "smtp": Postfix,
    "imap": Dovecot,
    "pop3": lambda identity: Dovecot(identity, "pop3"),
    "ftp": Vsftpd,
    "ldap": Slapd,
    "xmpp": Prosody,
    "xmpp-server": lambda identity: Prosody(identity, between_servers=True),
    "postgres": PostgreSql,
    "mysql": MariaDb,
    "rdp": Xrdp,
}


@pytest.fixture(scope="module", params=sorted(DAEMONS))
def offering(request: pytest.FixtureRequest) -> Iterator[tuple[str, Running]]:
    """A protocol, and a server of it that is set up with TLS."""
    with started(request.param, IDENTITY) as running:
        yield request.param, running


def started(protocol: str, identity: Identity | None) -> Running:
    try:
        return DAEMONS[protocol](identity).start(ADDRESS)
    except MissingToolError as missing:
        pytest.skip(str(missing))


def gate() -> Gate:
    return Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))


def asked(protocol: str, running: Running) -> Outcome:
    with socket.create_connection((running.address, running.port)) as connection:
        return converse(protocol, connection, server_name=DOMAIN, timeout=20)


def test_every_protocol_has_a_server_here() -> None:
    assert DAEMONS.keys() == NAMES.keys()


def test_it_offers_tls(offering: tuple[str, Running]) -> None:
    assert asked(*offering) == Offered()


def test_what_is_behind_is_seen(offering: tuple[str, Running]) -> None:
    protocol, running = offering
    endpoint = Endpoint(Service("a", "tcp", running.port, DOMAIN), running.address)
    swept = asyncio.run(
        sweep(endpoint, gate(), depth=Depth.VERDICT, settings=SweepSettings(), starttls=protocol)
    )
    assert isinstance(swept.tls, TlsFacts), swept
    assert isinstance(swept.chain, ChainFacts)
    assert swept.tls.starttls == protocol
    assert [(chain.slot, chain.certificates[0]) for chain in swept.chain.chains] == [
        ("RSA", IDENTITY.certificates[0])
    ]


#: On any port: their servers speak first, or, in XMPP, complain of a TLS hello in their own protocol.
SAY_WHAT_THEY_ARE = {"smtp", "imap", "pop3", "ftp", "mysql", "xmpp"}


def test_first_contact_finds_those_that_say_what_they_are(offering: tuple[str, Running]) -> None:
    protocol, running = offering
    service = Service("a", "tcp", running.port, DOMAIN)
    greeting = greet(service, running.address, gate(), server_name=DOMAIN, timeout=20)
    assert (greeting == SpeaksTls(protocol)) is (protocol in SAY_WHAT_THEY_ARE), greeting


@pytest.mark.parametrize("protocol", sorted(DAEMONS))
def test_without_tls_it_offers_none(protocol: str) -> None:
    with started(protocol, None) as running:
        assert isinstance(asked(protocol, running), NotOffered)
