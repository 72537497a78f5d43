"""The second look at SSH: which endpoints it is for."""

from secscan.collection.ssh_surface import SshSurfaceCollector, SshSurfaceSettings
from secscan.engine.second_look import Known, SecondLook
from secscan.model import Endpoint

#: Servers in hand at a time: as many as there are hosts in a shard, for nearly all of it is waiting.
AT_ONCE = 32


def ssh_look(deadline: float) -> SecondLook:
    """Looks at what said that it is SSH, and at what should be.

    Of the rest it asks those of whom first contact recognised nothing: an SSH server may say other things first (RFC
    4253, section 4.2), or had no time for us then. These get little time, and what does not identify itself is none.
    ``deadline``: seconds for one endpoint.
    """
    expected: set[Endpoint] = set()

    def wants(place: Endpoint, known: Known) -> bool:
        if _is_expected(place, known):
            expected.add(place)
            return True
        return not known.protocol and not known.is_closed

    collector = SshSurfaceCollector(SshSurfaceSettings(deadline=deadline), expected=expected)
    return SecondLook(collector, wants, at_once=AT_ONCE)


def _is_expected(place: Endpoint, known: Known) -> bool:
    if known.protocol:
        return known.protocol == "ssh"
    said = known.declared.what.lower().split() if known.declared else []
    found = known.identity is not None and known.identity.name == "ssh" and known.identity.how != "port"
    return place.service.port == 22 or found or "ssh" in said or "sftp" in said
