"""SSH connections, through the gate only: host keys strict, everything a host sends bounded in bytes and time."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import paramiko

from secscan.collection.ssh.known_hosts import KnownHosts, PublicKey, known_name, read_public_key
from secscan.collection.ssh.transport import Transport, quote
from secscan.credential import (
    Credential,
    CredentialError,
    Environment,
    Jump,
    Keyring,
    find_secret,
)
from secscan.facts import Gap
from secscan.model import Reason
from secscan.scope import Gate, Refused

#: Bytes of a host's answer that are kept.
MOST_OUTPUT = 16 * 1024 * 1024
#: Bytes it may send before the keys are agreed on: RFC 4253, 4.2, lets it talk before its version.
MOST_GREETING = 64 * 1024
#: Seconds to wait for a connection: a host whose first address is dead must have time left for its next one.
MOST_CONNECTING = 15.0
#: Seconds to wait for how a command ended once it has no more to say.
_STATUS_PATIENCE = 5.0
#: Bytes of what a host says first, and keys that were tried, that are told.
_HEAD, _MOST_LISTED = 256, 8
#: What encryption, padding and packets add to an answer, generously.
_OVERHEAD = 4 * 1024 * 1024

#: What a known key's type may sign with (RFC 8332).
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}

#: What OpenSSH says in place of its version to one connection too many (sshd_config(5), MaxStartups).
_TOO_MANY = "Exceeded MaxStartups"

#: Secrets stay out of logs because nothing is logged: paramiko's own log has host output and names of accounts.
_QUIET = "secscan.silent.paramiko"


class Failed(Exception):  # noqa: N818 - what came of a host, not an error of anybody's
    """A host that could not be spoken to; the gap says why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.gap = Gap(reason, detail)


#: Where sshd listens unless it is told otherwise: sshd_config(5), Port.
SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Place:
    """Where a host is reached: canonical address and port, and all names its key may be known under."""

    address: str
    port: int
    names: tuple[str, ...] = ()

    @property
    def known_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(known_name(name, self.port) for name in (self.address, *self.names)))

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def trusting(place: Place) -> str:
    """The command that shows the keys there: in a workspace those of its login, elsewhere those of an audit."""
    return f"secscan trust {place.address}" + (f" --ssh-port {place.port}" if place.port != SSH_PORT else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command wrote, on both its outputs; ``status`` None where the host did not say how it ended.

    ``sent`` and ``began`` are our clock (seconds since 1970) before and after the first bytes of it.
    """

    output: bytes
    status: int | None
    sent: float
    began: float


@dataclass(frozen=True)
class Client:
    """What connections have in common. ``credentials`` resolves the names that jump hosts give."""

    gate: Gate
    known_hosts: KnownHosts
    credentials: Mapping[str, Credential]
    environment: Environment | None = None
    keyring: Keyring | None = None
    _key_files: dict[str, paramiko.PKey] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _open: set["Connection"] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def open(self, place: Place, credential: Credential, *, deadline: float) -> Iterator["Connection"]:
        """A connection that is logged in, over every jump host on the way; all are closed at the end.

        ``deadline`` is an instant of time.monotonic(); at it everything is cut off. Raises Failed.
        """
        with contextlib.ExitStack() as open_ones:
            road: Connection | None = None
            for jump in credential.jump:
                stop, login = self._jump_host(jump, credential, deadline)
                road = open_ones.enter_context(self._log_in(stop, login, road, deadline))
            yield open_ones.enter_context(self._log_in(place, credential, road, deadline))

    def stop(self) -> None:
        """Hangs up on every host at once, from any thread; what is being asked ends as INTERRUPTED."""
        with self._lock:
            self._stopped.set()
            connections = tuple(self._open)
        for connection in connections:
            connection.interrupt()

    def _jump_host(self, jump: Jump, credential: Credential, deadline: float) -> tuple[Place, Credential]:
        login = self.credentials.get(jump.credential) if jump.credential else credential
        if login is None:
            raise Failed(
                Reason.NEEDS_CREDENTIALS,
                f"the jump host {jump.address} names the credential {jump.credential!r}, which there is not",
            )
        if (
            not jump.credential
            and (credential.password_env or credential.keyring)
            and not credential.key_file
        ):
            if not credential.agent:
                raise Failed(
                    Reason.NEEDS_CREDENTIALS,
                    f"the jump host {jump.address} has no credential of its own, and the host's password is not sent to "
                    f"it; give the jump host one under jump in the credential {credential.name!r}",
                )
            # Its agent may do, and its password stays where it is.
            login = replace(credential, password_env="", keyring="")
        try:
            addresses = self.gate.resolve(jump.address, timeout=_left(deadline))
        except Refused as e:
            raise Failed(e.refusal.reason, f"jump host {jump.address}: {e.refusal.detail}") from e
        return Place(addresses[0], jump.port, (jump.address,)), login

    @contextlib.contextmanager
    def _log_in(
        self, place: Place, credential: Credential, road: "Connection | None", deadline: float
    ) -> Iterator["Connection"]:
        keys = self.known_hosts.keys_of(place.known_names)
        if not keys:
            # A host that is not trusted is not even asked: no packet is sent, so this is no attempt.
            raise Failed(
                Reason.NOT_ATTEMPTED,
                f"the host key of {place} is not known; look at it with: {trusting(place)}",
            )
        connection = Connection(self._reach(place, road, deadline), place, deadline)
        with self._lock:
            self._open.add(connection)
        try:
            if self._stopped.is_set():
                connection.interrupt()
            connection.agree(sorted({key.type for key in keys}))
            self._check_key(connection, keys)
            self._authenticate(connection, credential)
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _reach(self, place: Place, road: "Connection | None", deadline: float) -> Any:
        try:
            if road is None:
                if self._stopped.is_set():
                    raise Failed(Reason.INTERRUPTED, "it was not asked any more")
                sock = self.gate.connect(
                    place.address, place.port, what="ssh", timeout=min(MOST_CONNECTING, _left(deadline))
                )
                sock.settimeout(_left(deadline))
                return sock
            # The packets leave from the jump host, on our behalf: they are judged, paced and logged like our own.
            self.gate.admit(place.address, what=f"ssh over {road.place}", ports=str(place.port))
        except Refused as e:
            raise Failed(e.refusal.reason, e.refusal.detail) from e
        except OSError as e:
            raise not_connected(place, e) from e
        return road.forward(place)

    def _check_key(self, connection: "Connection", keys: frozenset[PublicKey]) -> None:
        shown = connection.host_key()
        if shown in self.known_hosts.revoked:
            raise Failed(
                Reason.HOST_KEY_CHANGED,
                f"{connection.place} shows the key {shown.fingerprint}, which known_hosts has as revoked",
            )
        if shown not in keys:
            known = ", ".join(sorted(key.fingerprint for key in keys))
            raise Failed(
                Reason.HOST_KEY_CHANGED,
                f"{connection.place} shows the key {shown.fingerprint} ({shown.type}); known is {known}",
            )

    def _authenticate(self, connection: "Connection", credential: Credential) -> None:
        try:
            secret = find_secret(credential, environment=self.environment, keyring=self.keyring)
        except CredentialError as e:
            raise Failed(Reason.NEEDS_CREDENTIALS, str(e)) from e
        tried: list[str] = []
        for what, attempt in self._ways(credential, secret):
            tried.append(what)
            try:
                let_in = connection.try_login(attempt)
            except HungUp as e:
                raise Failed(
                    Reason.AUTH_FAILED,
                    f"{connection.place} hung up on {credential.user!r} after {len(tried)} tries to log in{e.said};"
                    f" tried {_listed(tried)}",
                ) from e
            if let_in:
                return
        if not tried:
            raise Failed(
                Reason.NEEDS_CREDENTIALS, f"credential {credential.name!r}: the SSH agent holds no key"
            )
        raise Failed(
            Reason.AUTH_FAILED,
            f"{connection.place} did not let {credential.user!r} in; tried {_listed(tried)}",
        )

    def _ways(self, credential: Credential, secret: str | None) -> Iterator[tuple[str, "Attempt"]]:
        """Ways to log in, each with what to call it."""
        for what, key in self._keys(credential, secret):
            yield what, partial(_show_key, credential.user, key)
        if secret is not None and credential.key_file is None:
            yield "password", partial(_give_password, credential.user, secret)

    def _keys(self, credential: Credential, secret: str | None) -> Iterator[tuple[str, paramiko.PKey]]:
        """Keys to try. An agent is asked to sign here; it is never forwarded.

        What the key file names comes first, wherever it is kept: a server hangs up after a few keys too many
        (sshd_config(5), MaxAuthTries), and an agent may hold dozens.
        """
        own = read_public_key(credential.key_file) if credential.agent and credential.key_file else None
        with contextlib.ExitStack() as to_close:
            held = _keys_of_agent(credential, to_close) if credential.agent else []
            named = [key for key in held if own is not None and key.asbytes() == own.blob]
            unopened: Failed | None = None
            yield from ((f"the agent's key {key.fingerprint}", key) for key in named)
            if credential.key_file is not None and not named:
                try:
                    key = self._key_of_file(credential, credential.key_file, secret)
                except Failed as e:
                    unopened = e
                else:
                    yield str(credential.key_file), key
            yield from ((f"the agent's key {key.fingerprint}", key) for key in held if key not in named)
            if unopened is not None:
                raise unopened

    def _key_of_file(self, credential: Credential, path: Path, secret: str | None) -> paramiko.PKey:
        # Once for all hosts, and by one thread: opening a key with a passphrase is slow on purpose.
        with self._lock:
            if credential.name not in self._key_files:
                self._key_files[credential.name] = _key_of_file(credential, path, secret)
            return self._key_files[credential.name]


class HungUp(Exception):  # noqa: N818 - what a host did, not an error of anybody's
    """The host ended the connection over a login. ``said`` is why, as the end of a sentence, or ""."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = f": {said!r}" if said else ""


class Connection:
    """One SSH connection. Every method raises Failed, whatever the host does."""

    def __init__(self, sock: Any, place: Place, deadline: float) -> None:
        self.place = place
        self._deadline = deadline
        self._line = _Line(sock, deadline)
        self._tries = 0
        with self._failures("it is no SSH server"):
            self._transport = Transport(self._line)
        self._transport.set_log_channel(_QUIET)
        logging.getLogger(_QUIET).disabled = True
        self._transport.daemon = True
        # paramiko waits so long for the parts; the line's own deadline is what counts.
        self._transport.banner_timeout = self._transport.handshake_timeout = _left(deadline)
        self._transport.auth_timeout = self._transport.channel_timeout = _left(deadline)

    def agree(self, key_types: Sequence[str] = ()) -> None:
        """Exchanges keys; of the host's own keys only these types are asked for, where any are given."""
        options = self._transport.get_security_options()
        if key_types:
            wanted = [a for kind in key_types for a in _ALGORITHMS.get(kind, (kind,))]
            usable = [a for a in options.key_types if a in wanted]
            if not usable:
                raise Failed(
                    Reason.TOOL_MISSING,
                    f"the key known of {self.place} is of type {', '.join(key_types)}, which secscan does not use;"
                    f" look for another with: {trusting(self.place)}",
                )
            options.key_types = tuple(usable)
        with self._failures("keys could not be agreed on"):
            try:
                self._transport.start_client(timeout=_left(self._deadline))
            except paramiko.ssh_exception.IncompatiblePeer as e:
                if key_types and "host key" in str(e):
                    raise Failed(
                        Reason.HOST_KEY_CHANGED,
                        f"{self.place} no longer has a key of the type that is known ({', '.join(key_types)})",
                    ) from e
                raise
        self._line.allow(MOST_OUTPUT + _OVERHEAD)

    def host_key(self) -> PublicKey:
        with self._failures("it showed no key"):
            key = self._transport.get_remote_server_key()
            return PublicKey(key.get_name(), key.asbytes())

    @property
    def software(self) -> str:
        """What the server calls itself: ``SSH-2.0-OpenSSH_9.2p1``."""
        return str(self._transport.remote_version)[:255]

    def try_login(self, attempt: "Attempt") -> bool:
        """Whether one way of logging in was enough, by itself or after those before. Raises HungUp as well."""
        self._tries += 1
        self._transport.auth_timeout = _left(self._deadline)
        with self._failures("logging in broke off"):
            try:
                attempt(self._transport)
            except (paramiko.SSHException, EOFError) as e:
                if self._transport.demand:
                    raise Failed(
                        Reason.AUTH_FAILED,
                        f"{self.place} asks for more than the password: {self._transport.demand!r}; the password may"
                        " have expired, or a second factor be wanted",
                    ) from e
                # AuthenticationException is also what paramiko says when the line goes dead in the middle.
                if self._line.ended or not self._transport.is_active():
                    self._line.blame()
                    if self._transport.farewell or self._tries > 1:
                        raise HungUp(self._transport.farewell) from e
                    raise EOFError(str(e)) from e
                if not isinstance(e, paramiko.AuthenticationException):
                    raise
                # And it is what paramiko says of no answer at all, up to a tenth of a second early.
                if time.monotonic() >= self._deadline - 0.2:
                    raise TimeoutError(str(e)) from e
                return False
            return bool(self._transport.is_authenticated())

    def forward(self, place: Place) -> paramiko.Channel:
        """A way on to another place: by address, so that the jump host looks up nothing for us."""
        with self._failures(f"it does not lead on to {place}"):
            try:
                return self._transport.open_channel(
                    "direct-tcpip",
                    (place.address, place.port),
                    ("127.0.0.1", 0),
                    timeout=_left(self._deadline),
                )
            except paramiko.ssh_exception.ChannelException as e:
                raise Failed(
                    Reason.UNREACHABLE, f"{self.place} could not connect to {place}: {e.text or e}"
                ) from e

    def run(self, command: str, standard_input: bytes) -> Answer:
        """Runs a command in the account's shell: no terminal, no agent, no environment of ours."""
        with self._failures("the command could not be run"):
            channel = self._transport.open_session(timeout=_left(self._deadline))
            channel.set_combine_stderr(True)
            channel.settimeout(_left(self._deadline))
            sent = time.time()
            channel.exec_command(command)
            # A shell that reads nothing must not keep us from hearing what it says instead.
            with contextlib.suppress(OSError, EOFError):
                channel.sendall(standard_input)
                channel.shutdown_write()
            parts: list[bytes] = []
            length, began = 0, sent
            while part := channel.recv(65536):
                if not parts:
                    began = time.time()
                parts.append(part)
                length += len(part)
                if length > MOST_OUTPUT:
                    raise Failed(
                        Reason.TARPIT, f"{self.place} answered with more than {MOST_OUTPUT // 1024**2} MB"
                    )
                channel.settimeout(_left(self._deadline))
            # OpenSSH may say how it ended only after its last output; what goes away without a word never does.
            channel.status_event.wait(min(_STATUS_PATIENCE, _left(self._deadline)))
            known = channel.exit_status_ready() and channel.exit_status != -1
            if self._line.ended and not known:
                self._line.blame()
            return Answer(b"".join(parts), channel.exit_status if known else None, sent, began)

    def interrupt(self) -> None:
        """Hangs up from another thread; what is under way ends as INTERRUPTED."""
        self._line.interrupt()

    def close(self) -> None:
        self._transport.close()
        self._line.close()

    @contextlib.contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Turns whatever the host made paramiko raise into Failed."""
        try:
            yield
        except (Failed, HungUp):
            raise
        except (paramiko.SSHException, OSError, EOFError, ValueError, TypeError, IndexError, KeyError) as e:
            # ValueError and its like: what paramiko, or cryptography below it, makes of malformed messages.
            self._line.blame()
            if isinstance(e, TimeoutError) or time.monotonic() >= self._deadline:
                raise Failed(Reason.TIMED_OUT, f"{self.place} did not answer in time") from e
            if _TOO_MANY in self._line.head:
                raise Failed(
                    Reason.RATE_LIMITED, f"{self.place} takes no more connections now: {self._line.head!r}"
                ) from e
            gone = isinstance(e, EOFError | OSError) or self._line.ended
            detail = "it closed the connection" if gone else f"{type(e).__name__}: {str(e)[:100]!r}"
            raise Failed(Reason.MALFORMED, f"{self.place}: {what}: {detail}") from e


class _Line:
    """A socket as paramiko uses one, that ends at its deadline and after so many bytes, whatever a host sends.

    paramiko itself waits for a line of any length, counts no bytes, and starts its time anew with each step.
    """

    def __init__(self, sock: Any, deadline: float) -> None:
        self._socket = sock
        self._deadline = deadline
        self._left = MOST_GREETING
        self._why: Failed | None = None
        self._head = b""
        # paramiko looks at this name of a socket's before it waits for its own thread.
        self._closed = False
        self.ended = False

    def allow(self, count: int) -> None:
        self._left = count

    @property
    def head(self) -> str:
        """What the host said in place of its version, bounded; "" for an SSH server."""
        return "" if b"SSH-" in self._head else quote(self._head)

    def interrupt(self) -> None:
        self._end(Failed(Reason.INTERRUPTED, "it was hung up on before it had answered"))
        # A socket that is only closed leaves a thread that waits for it where it is. A channel has this too.
        with contextlib.suppress(OSError, EOFError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def blame(self) -> None:
        """Raises what ended the line, where that was not the host."""
        if self._why is not None:
            raise self._why

    def settimeout(self, seconds: float | None) -> None:
        self._socket.settimeout(seconds)

    def recv(self, count: int) -> bytes:
        if time.monotonic() >= self._deadline:
            return self._end(Failed(Reason.TIMED_OUT, "it did not answer in time"))
        if self._left <= 0:
            return self._end(Failed(Reason.TARPIT, "it sent more than any host has to say"))
        if self._why is not None:
            return b""
        data: bytes = self._socket.recv(min(count, self._left))
        if len(self._head) < _HEAD:
            self._head += data[:_HEAD]
        self._left -= len(data)
        if not data:
            self.ended = True
        return data

    def send(self, data: bytes) -> int:
        if time.monotonic() >= self._deadline:
            self._end(Failed(Reason.TIMED_OUT, "it did not take what it was sent in time"))
            return -1
        sent: int = self._socket.send(data)
        return sent

    def close(self) -> None:
        self._closed = True
        self._socket.close()

    def _end(self, why: Failed) -> bytes:
        self._why = self._why or why
        self.ended = True
        return b""


#: One way of logging in: says what more is wanted, nothing where it was enough, or raises what paramiko does.
Attempt = Callable[[Transport], list[str]]


def _show_key(user: str, key: paramiko.PKey, transport: Transport) -> list[str]:
    still_wanted: list[str] = transport.auth_publickey(user, key)
    return still_wanted


def _give_password(user: str, password: str, transport: Transport) -> list[str]:
    try:
        return transport.log_in_by_password(user, password)
    except paramiko.BadAuthenticationType as e:
        # PAM asks by prompts, and many servers offer nothing else.
        if "keyboard-interactive" not in e.allowed_types:
            raise
        return transport.log_in_by_prompts(user, password)


def _keys_of_agent(credential: Credential, to_close: contextlib.ExitStack) -> list[paramiko.PKey]:
    try:
        agent = to_close.enter_context(contextlib.closing(paramiko.Agent()))
    except (paramiko.SSHException, OSError) as e:
        raise Failed(
            Reason.NEEDS_CREDENTIALS, f"credential {credential.name!r}: the SSH agent does not answer ({e})"
        ) from e
    return list(agent.get_keys())


def _listed(tried: list[str]) -> str:
    more = len(tried) - _MOST_LISTED
    return ", ".join(tried[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _key_of_file(credential: Credential, path: Path, secret: str | None) -> paramiko.PKey:
    try:
        key = _load_key(path, secret)
        if credential.certificate is not None:
            key.load_certificate(str(credential.certificate))
    except FileNotFoundError as e:
        raise Failed(
            Reason.NEEDS_CREDENTIALS, f"credential {credential.name!r}: {e.filename} does not exist"
        ) from e
    except paramiko.PasswordRequiredException as e:
        raise Failed(
            Reason.NEEDS_CREDENTIALS,
            f"credential {credential.name!r}: {path} has a passphrase; give password_env or keyring, or use an agent",
        ) from e
    except (paramiko.SSHException, OSError, ValueError, TypeError) as e:
        # What libraries say of a key they can't read may quote it: their words stay out.
        raise Failed(
            Reason.NEEDS_CREDENTIALS,
            f"credential {credential.name!r}: {path} can't be read as a private key ({type(e).__name__})",
        ) from e
    return key


def _load_key(path: Path, secret: str | None) -> paramiko.PKey:
    """cryptography refuses a passphrase for a key that has none, and none for a key that has one: TypeError."""
    try:
        return paramiko.PKey.from_path(path)
    except (TypeError, paramiko.PasswordRequiredException) as e:
        if secret is None:
            raise paramiko.PasswordRequiredException(str(path)) from e
        return paramiko.PKey.from_path(path, secret.encode())


def not_connected(place: Place, error: OSError) -> Failed:
    if isinstance(error, ConnectionRefusedError):
        return Failed(Reason.REFUSED, f"{place} refused the connection")
    if isinstance(error, TimeoutError | socket.timeout):
        return Failed(Reason.TIMED_OUT, f"{place} did not answer")
    return Failed(Reason.UNREACHABLE, f"{place}: {error.strerror or error}")


def _left(deadline: float) -> float:
    """Seconds until a deadline, and never none: 0 would mean not to wait at all, and None for ever."""
    return max(0.05, deadline - time.monotonic())
