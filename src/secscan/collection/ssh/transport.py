"""paramiko's transport, held to what an honest server does: counts bounded, prompts answered once, farewells kept."""

import re
import threading

import paramiko
from paramiko.auth_handler import AuthHandler

#: Extensions a server may announce (RFC 8308 knows six) and prompts it may ask for at once (RFC 4256).
MOST_COUNTED = 64
#: Characters of what a host says that are kept.
_QUOTED = 120


class Transport(paramiko.Transport):  # type: ignore[misc] # paramiko has no types
    """``farewell`` is the reason the host gave for hanging up, ``demand`` what it wanted beyond a password; else "".

    paramiko believes a server's count of what follows, and would go round four billion times for a message of ten
    bytes, in a thread that no deadline reaches.
    """

    farewell = ""
    demand = ""

    def log_in_by_password(self, user: str, password: str) -> list[str]:
        """Raises AuthenticationException, or SSHException where the host asks for a new password instead."""
        handler, answered = self._handler(), threading.Event()
        handler.auth_password(user, password, answered)
        still_wanted: list[str] = handler.wait_for_response(answered)
        return still_wanted

    def log_in_by_prompts(self, user: str, password: str) -> list[str]:
        """keyboard-interactive (RFC 4256): answers one hidden prompt, once.

        What asks again asks for something else, as for a new password where the old one has expired: that is not
        ours to answer, and answering with the old one could set it. Raises as ``log_in_by_password``.
        """
        handler, answered = self._handler(), threading.Event()
        handler.auth_interactive(user, _Once(self, password), answered, "")
        still_wanted: list[str] = handler.wait_for_response(answered)
        return still_wanted

    def _handler(self) -> "_Handler":
        self.auth_handler = _Handler(self)
        return self.auth_handler

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.farewell = quote(m.get_string())

    def _parse_ext_info(self, msg: paramiko.Message) -> None:
        _refuse_flood(msg.get_remainder())
        super()._parse_ext_info(msg)


class _Handler(AuthHandler):  # type: ignore[misc] # paramiko has no types
    def _parse_userauth_info_request(self, m: paramiko.Message) -> None:
        if self.auth_method == "password":
            # The number of this message means "change your password" there (RFC 4252, 8).
            self.transport.demand = quote(m.get_string()) or "a new password"
            raise paramiko.SSHException("the host asks for a new password")
        ahead = paramiko.Message(m.get_remainder())
        for _ in ("title", "instructions", "language"):
            ahead.get_string()
        _refuse_flood(ahead.get_remainder())
        super()._parse_userauth_info_request(m)


class _Once:
    def __init__(self, transport: Transport, password: str) -> None:
        self._transport = transport
        self._password = password
        self._given = False

    def __call__(self, title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:  # noqa: ARG002 - paramiko's
        if not prompts:
            return []  # some servers end with a request for nothing (RFC 4256, 3.2)
        if self._given or len(prompts) > 1 or prompts[0][1]:
            said = " ".join([instructions, *(text for text, _shown in prompts[:4])])
            self._transport.demand = quote(said.encode("utf-8", "replace")) or "something without a name"
            raise paramiko.SSHException("the host asks for more than a password")
        self._given = True
        return [self._password]


def quote(said: bytes) -> str:
    """What a host said, on one line and bounded."""
    return re.sub(r"\s+", " ", said[: 4 * _QUOTED].decode("utf-8", "replace")).strip()[:_QUOTED]


def _refuse_flood(counted: bytes) -> None:
    if int.from_bytes(counted[:4], "big") > MOST_COUNTED:
        raise paramiko.SSHException("a message claims to hold more than it can")
