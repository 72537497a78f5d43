"""An SSH server in this process that is set up well, and lets nobody in: asyncssh's, in a thread with a loop of its own."""

import asyncio
import contextlib
import logging
import threading
from dataclasses import dataclass

import asyncssh

from tests.lab.servers.listening import Running, listen

#: Key exchanges, ciphers and message authentication that nobody objects to.
MODERN: dict[str, object] = {
    "kex_algs": ("curve25519-sha256", "curve25519-sha256@libssh.org"),
    "encryption_algs": ("aes256-gcm@openssh.com", "aes256-ctr"),
    "mac_algs": ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"),
}


@dataclass(frozen=True)
class ModernSshServer:
    """Takes keys only, and accepts none."""

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        key = asyncssh.generate_private_key("ssh-ed25519")
        return AsyncSshd(address, port, server_factory=TakesKeys, server_host_keys=[key], **MODERN)


class AsyncSshd(Running):
    """What is listening. ``options`` are asyncssh's own."""

    def __init__(self, address: str, port: int, **options: object) -> None:
        logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
        # Refuses what is not loopback, as every server of the lab does.
        socket = listen(address, port)
        self.address, self.port = socket.getsockname()[:2]
        self._stopped = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def begin() -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(sock=socket, **options)

        self._server = asyncio.run_coroutine_threadsafe(begin(), self._loop).result(10)

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True

        async def end() -> None:
            self._server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()

        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(2)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2)


class TakesKeys(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True


class TakesPasswords(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return False
