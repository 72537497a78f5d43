"""The one request that a stranger may make of an SSH server: to be let in without a check, and so to hear what it checks."""

from secscan.collection.ssh_surface.call import Call
from secscan.collection.ssh_surface.wire import (
    EXT_INFO,
    NEWKEYS,
    SERVICE_ACCEPT,
    SERVICE_REQUEST,
    USERAUTH_BANNER,
    USERAUTH_FAILURE,
    USERAUTH_REQUEST,
    USERAUTH_SUCCESS,
    Reader,
    string,
)

#: An account that nobody has: what is offered to it is what is offered to strangers.
NOBODY = b"secscan"

#: Methods that are believed to be meant.
_MOST_METHODS = 32


def ask(call: Call) -> tuple[tuple[str, ...], bool]:
    """The methods that can continue, and whether it let us in without any (RFC 4252, sections 5.1 and 5.2).

    Raises Ended or Malformed.
    """
    call.say(bytes([SERVICE_REQUEST]) + string(b"ssh-userauth"))
    call.hear(SERVICE_ACCEPT, besides=(EXT_INFO,))
    call.say(bytes([USERAUTH_REQUEST]) + string(NOBODY) + string(b"ssh-connection") + string(b"none"))
    answer = call.hear(USERAUTH_FAILURE, USERAUTH_SUCCESS, besides=(EXT_INFO, USERAUTH_BANNER))
    if answer[0] == USERAUTH_SUCCESS:
        return (), True
    return Reader(answer[1:]).names()[:_MOST_METHODS], False


def begin_encryption(call: Call) -> None:
    """Both say that they have the keys (RFC 4253, section 7.3). Raises Ended or Malformed."""
    call.say(bytes([NEWKEYS]))
    call.hear(NEWKEYS, besides=(EXT_INFO,))
