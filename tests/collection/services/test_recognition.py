"""Which protocol is spoken to a port: what was said goes before its number."""

import pytest

from secscan.collection.services import Recognised, recognise
from secscan.facts import ServiceIdentity, Spoken


def identity(name: str, product: str = "", *, how: str = "probe", tls: bool = False) -> ServiceIdentity:
    return ServiceIdentity(name=name, how=how, product=product, tls=tls)


@pytest.mark.parametrize(
    ("port", "said", "protocol", "expected"),
    [
        (7000, identity("redis", "Redis key-value store"), "", Spoken.REDIS),
        (7000, identity("http", "Elasticsearch REST API"), "http", Spoken.ELASTICSEARCH),
        (7000, identity("http", "Elasticsearch REST API"), "", Spoken.ELASTICSEARCH),
        (5601, identity("http", "Elasticsearch Kibana"), "", Spoken.NONE),
        (9300, identity("elasticsearch", "Elasticsearch binary API"), "", Spoken.NONE),
        (9200, identity("http"), "", Spoken.ELASTICSEARCH),
        (9200, identity("http", "nginx"), "", Spoken.NONE),
        (445, identity("netbios-ssn", "Samba smbd"), "", Spoken.SMB),
        (53, identity("domain", "ISC BIND"), "", Spoken.DNS),
        (6379, identity("ssh", "OpenSSH", how="banner"), "", Spoken.NONE),
        (7000, None, "redis", Spoken.REDIS),
        (6379, None, "ssh", Spoken.NONE),
        (7000, None, "", Spoken.NONE),
    ],
)
def test_what_was_said_decides(
    port: int, said: ServiceIdentity | None, protocol: str, expected: Spoken
) -> None:
    assert recognise(port, said, protocol).protocol is expected


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        (6379, Spoken.REDIS),
        (11211, Spoken.MEMCACHED),
        (27017, Spoken.MONGODB),
        (5900, Spoken.VNC),
        (22, Spoken.NONE),
    ],
)
@pytest.mark.parametrize("said", [None, identity("x", how="port"), identity("tcpwrapped")])
def test_where_nothing_was_said_the_number_does(
    port: int, protocol: Spoken, said: ServiceIdentity | None
) -> None:
    assert recognise(port, said).protocol is protocol


def test_what_is_known_by_its_number_alone_says_so() -> None:
    assert recognise(6379, None) == Recognised(Spoken.REDIS, "port")


def test_an_answer_in_http_is_no_redis() -> None:
    assert recognise(6379, None, "http") == Recognised(Spoken.NONE, "banner")


@pytest.mark.parametrize("said", [None, identity("tls", how="tls", tls=True)])
def test_what_speaks_tls_is_spoken_to_inside_tls(said: ServiceIdentity | None) -> None:
    assert recognise(9200, said, "tls") == Recognised(Spoken.ELASTICSEARCH, "port", tls=True)


def test_nobody_knows_is_told_from_somebody_else() -> None:
    assert (recognise(7000, None).how, recognise(7000, identity("http", "nginx")).how) == ("", "probe")
