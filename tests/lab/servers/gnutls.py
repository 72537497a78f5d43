"""TLS served by GnuTLS in threads of this process: the second library that a scanner must understand, and RC4 and 3DES."""

import ctypes
import ctypes.util
import functools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from tests.lab.authority import Identity
from tests.lab.servers.listening import Conversation, LabError, ThreadedServer
from tests.lab.servers.plain import PATIENCE
from tests.lab.servers.tools import MissingToolError

# From gnutls.h of GnuTLS 3.7.
_SERVER = 1
_CERTIFICATE, _ANONYMOUS = 1, 2
_PEM = 1
_MEDIUM = 35
_END_OF_WRITING = 1
_REQUESTS = {"not-asked": 0, "asked": 1, "required": 2}


@dataclass(frozen=True)
class GnuTlsServer(ThreadedServer):
    """``priority`` is a string as in gnutls_priority_init(3); with ``NONE`` in front it says exactly what is offered.

    Without an identity only anonymous suites are left. Diffie-Hellman is over a prime of 2048 bits (RFC 7919).
    """

    identities: tuple[Identity, ...]
    priority: str
    client_certificate: Literal["not-asked", "asked", "required"] = "not-asked"
    tickets: bool = False

    def conversation(self) -> Conversation:
        library = _library()
        credentials = _certificates(library, self.identities)
        anonymous = ctypes.c_void_p()
        library.gnutls_anon_allocate_server_credentials(ctypes.byref(anonymous))
        ticket_key = _Datum()
        library.gnutls_session_ticket_key_generate(ctypes.byref(ticket_key))
        with self._session(library, credentials, anonymous, ticket_key):
            pass  # What is wrong with the priorities should show when the server starts.

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            # GnuTLS waits by itself, and so needs a descriptor that blocks.
            connection.settimeout(None)
            with self._session(library, credentials, anonymous, ticket_key) as session:
                library.gnutls_transport_set_int2(session, connection.fileno(), connection.fileno())
                library.gnutls_handshake_set_timeout(session, int(PATIENCE * 1000))
                while (result := library.gnutls_handshake(session)) < 0 and not library.gnutls_error_is_fatal(
                    result
                ):
                    pass
                if result < 0:
                    library.gnutls_alert_send_appropriate(session, result)
                else:
                    library.gnutls_bye(session, _END_OF_WRITING)

        return converse

    @contextmanager
    def _session(
        self, library: Any, credentials: ctypes.c_void_p, anonymous: ctypes.c_void_p, ticket_key: "_Datum"
    ) -> Iterator[ctypes.c_void_p]:
        session = ctypes.c_void_p()
        library.gnutls_init(ctypes.byref(session), _SERVER)
        try:
            wrong = ctypes.c_char_p()
            result = library.gnutls_priority_set_direct(session, self.priority.encode(), ctypes.byref(wrong))
            if result < 0:
                raise LabError(f"GnuTLS does not understand its priorities from {wrong.value!r} on")
            library.gnutls_credentials_set(session, _CERTIFICATE, credentials)
            library.gnutls_credentials_set(session, _ANONYMOUS, anonymous)
            library.gnutls_certificate_server_set_request(session, _REQUESTS[self.client_certificate])
            if self.tickets:
                library.gnutls_session_ticket_enable_server(session, ctypes.byref(ticket_key))
            yield session
        finally:
            library.gnutls_deinit(session)


class _Datum(ctypes.Structure):
    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_uint))

    @classmethod
    def of(cls, content: bytes) -> "_Datum":
        return cls(content, len(content))


def _certificates(library: Any, identities: tuple[Identity, ...]) -> ctypes.c_void_p:
    """Lives as long as the process: a server that ends may still have threads that use it."""
    credentials = ctypes.c_void_p()
    library.gnutls_certificate_allocate_credentials(ctypes.byref(credentials))
    for identity in identities:
        chain, key = _Datum.of(identity.chain_pem), _Datum.of(identity.key_pem)
        result = library.gnutls_certificate_set_x509_key_mem2(
            credentials, ctypes.byref(chain), ctypes.byref(key), _PEM, None, 0
        )
        if result < 0:
            raise LabError(f"GnuTLS does not take the key or the certificates: error {result}")
    # 2048 bits; without it clients that name no group of RFC 7919 get no Diffie-Hellman.
    library.gnutls_certificate_set_known_dh_params(credentials, _MEDIUM)
    return credentials


@functools.cache
def _library() -> Any:
    # Any: ctypes finds functions by name when they are called.
    try:
        library: Any = ctypes.CDLL("libgnutls.so.30")
    except OSError as error:
        raise MissingToolError("libgnutls.so.30 is not installed (package libgnutls30)") from error
    library.gnutls_transport_set_int2.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    library.gnutls_transport_set_int2.restype = None
    for name in ("gnutls_handshake", "gnutls_deinit"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.gnutls_deinit.restype = None
    return library
