"""The one request that a stranger may make of an SSH server: to be let in without a check, and so to hear what it checks.

It goes over an encrypted connection, which paramiko makes; what the server sends is bounded as in ``ssh.connection``.
"""

import time

import paramiko

from secscan.collection.ssh.connection import Connection, Failed, Place
from secscan.collection.ssh_surface.call import Ended
from secscan.facts import Gap, Reading
from secscan.model import Endpoint, Reason
from secscan.scope import Gate, Refused, canonical_address

#: An account that nobody has: what is offered to it is what is offered to strangers.
NOBODY = "secscan"

#: Methods and characters of one that are believed to be meant.
_MOST_METHODS, _LONGEST = 32, 64


def ask(endpoint: Endpoint, gate: Gate, patience: float) -> tuple[Reading[tuple[str, ...]], Reading[bool]]:
    """The methods that can continue, and whether it let us in without any (RFC 4252, 5.2). Raises Ended.

    ``patience``: seconds for all of it.
    """
    service = endpoint.service
    deadline = time.monotonic() + patience
    place = Place(canonical_address(endpoint.address), service.port)
    try:
        sock = gate.connect(
            place.address, place.port, what="ssh login none", timeout=patience, name=service.server_name
        )
    except Refused as e:
        raise Ended(Gap(e.refusal.reason, e.refusal.detail)) from e
    except OSError as e:
        raise Ended(Gap(Reason.UNREACHABLE, f"it can't be reached: {e.strerror or e}")) from e
    try:
        connection = Connection(sock, place, deadline)
    except Failed as e:
        sock.close()
        raise Ended(e.gap) from e
    offered: list[str] = []

    def none(transport: paramiko.Transport) -> list[str]:
        try:
            transport.auth_none(NOBODY)
        except paramiko.BadAuthenticationType as e:
            offered.extend(str(name)[:_LONGEST] for name in e.allowed_types[:_MOST_METHODS])
            raise
        return []

    try:
        connection.agree()
        if connection.try_login(none):
            return (), True
    except Failed as e:
        raise Ended(e.gap) from e
    finally:
        connection.close()
    return tuple(offered), False
