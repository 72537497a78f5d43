"""The second look that speaks to services: which endpoints it wants, and what it knows of each."""

from collections.abc import Mapping

from secscan.collection.services import Recognised, ServiceCollector, recognise
from secscan.engine.second_look import Known, SecondLook
from secscan.facts import Spoken
from secscan.model import Endpoint, Host


def service_look(hosts: Mapping[str, Host], *, deadline: float) -> SecondLook:
    """Wants every endpoint that is open, once there is a word of who answers there: it says of each what it speaks.

    First contact alone settles it where it recognised one of ours (Redis, memcached, VNC) or what is none of them and
    nothing else besides (SSH, SMTP). Over HTTP and TLS much is spoken, and silence is many things: there the port
    scan's word is waited for.
    """
    recognised: dict[Endpoint, Recognised] = {}

    def wants(place: Endpoint, known: Known) -> bool | None:
        if known.is_closed:
            return False
        if known.identity is None and known.protocol in ("", "http", "tls"):
            recognised[place] = recognise(place.service.port, None, known.protocol)
            return None
        recognised[place] = recognise(place.service.port, known.identity, known.protocol)
        return True

    def recognised_before(place: Endpoint) -> Recognised:
        return recognised.get(place, Recognised(Spoken.NONE))

    return SecondLook(ServiceCollector(hosts, recognised_before, deadline=deadline), wants)
