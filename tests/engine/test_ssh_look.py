"""Which endpoints are asked whether they speak SSH, and where it is expected."""

import pytest

from secscan.engine.second_look import Known
from secscan.engine.ssh_look import ssh_look
from secscan.facts import Gap, ServiceIdentity
from secscan.model import Endpoint, ExpectedService, Reason, Service

SILENT = Gap(Reason.TIMED_OUT)


def place(port: int) -> Endpoint:
    return Endpoint(Service("h", "tcp", port), "127.0.0.1")


def declared(port: int, what: str) -> ExpectedService:
    return ExpectedService(Service("h", "tcp", port), what=what)


@pytest.mark.parametrize(
    ("port", "known", "is_wanted"),
    [
        pytest.param(2222, Known("ssh", "an SSH banner"), True, id="it said so"),
        pytest.param(22, Known("http", "plain HTTP"), False, id="something else on its port"),
        pytest.param(443, Known("tls", "TLS"), False, id="TLS"),
        pytest.param(4444, Known(heard="text that is no TLS: welcome"), True, id="a greeting of anything"),
        pytest.param(4444, Known(unheard=SILENT), True, id="silence"),
        pytest.param(22, Known(heard="the port is closed", is_closed=True), True, id="closed, on its port"),
        pytest.param(80, Known(heard="the port is closed", is_closed=True), False, id="closed, elsewhere"),
        pytest.param(
            2222,
            Known(heard="the port is closed", is_closed=True, declared=declared(2222, "SFTP for partners")),
            True,
            id="closed, and declared",
        ),
    ],
)
def test_who_is_asked(port: int, known: Known, is_wanted: bool) -> None:
    assert ssh_look(60.0).wants(place(port), known) is is_wanted


@pytest.mark.parametrize(
    ("port", "known", "is_expected"),
    [
        (2222, Known("ssh", "an SSH banner"), True),
        (22, Known(unheard=SILENT), True),
        (2222, Known(unheard=SILENT), False),
        (2222, Known(unheard=SILENT, declared=declared(2222, "ssh")), True),
        (2222, Known(unheard=SILENT, identity=ServiceIdentity(name="ssh", how="probe")), True),
        (2222, Known(unheard=SILENT, identity=ServiceIdentity(name="ssh", how="port")), False),
    ],
)
def test_where_it_is_expected(port: int, known: Known, is_expected: bool) -> None:
    look = ssh_look(60.0)
    assert look.wants(place(port), known)
    assert (place(port) in look.collector._expected) is is_expected
