"""The SSH collector: every host once, many at a time, one connection and one script each."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from secscan.collection.ssh.connection import Answer, Client, Connection, Failed, Place
from secscan.collection.ssh.known_hosts import read_known_hosts
from secscan.collection.ssh.reply import KINDS, facts_of
from secscan.collection.ssh.shell_script import COMMAND, Run
from secscan.collection.ssh.system import Clock
from secscan.collection.ssh.windows import WINDOWS_COMMAND, WindowsRun, windows_facts
from secscan.credential import Credential, Environment, Keyring
from secscan.facts import Absent, AccessFacts, Facts, Gap, HostKey
from secscan.model import Host, HostTarget, Observation, Reason, Record, Target, Unobserved
from secscan.scope import Gate, Refused, ScopeError, utc_now

#: Reasons that say something of one address only: the host's next one is tried.
_TRY_THE_NEXT = frozenset({Reason.UNREACHABLE, Reason.REFUSED, Reason.TIMED_OUT, Reason.OUT_OF_SCOPE})

#: Of a host's time, the part in which the script may begin readings.
_SCRIPT_SHARE = 0.7

#: Replies that are taken apart at the same time: each may hold 16 MB, and more in facts until they are judged too many.
_PARSED_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class SshSettings:
    """``deadline``: seconds a host may take in all. ``at_once``: hosts at a time, a thread or two each."""

    deadline: float = 60.0
    at_once: int = 16


class SshCollector:
    """Everything an ordinary account can see of a host. A host that names no credential is not asked."""

    name = "ssh"
    kinds = (AccessFacts.kind, *KINDS)

    def __init__(
        self,
        hosts: Mapping[str, Host],
        addresses: Mapping[str, Sequence[str]],
        credentials: Mapping[str, Credential],
        known_hosts: Path,
        settings: SshSettings | None = None,
        *,
        declared: Mapping[str, Sequence[str]] = MappingProxyType({}),
        environment: Environment | None = None,
        keyring: Keyring | None = None,
    ) -> None:
        """``addresses`` is looked at when a host's turn comes: it may still be filled until then.

        A host that is not in it is looked up. ``known_hosts`` is read when collecting begins. ``declared``: host ->
        patterns of files that the inventory says are backups there.
        """
        self._hosts = hosts
        self._addresses = addresses
        self._credentials = credentials
        self._known_hosts = known_hosts
        self._settings = settings or SshSettings()
        self._declared = declared
        self._environment = environment
        self._keyring = keyring
        self._parsing = threading.BoundedSemaphore(_PARSED_AT_ONCE)

    def collect(self, targets: Sequence[Target], gate: Gate) -> Iterator[Record]:
        wanted = [target for target in targets if isinstance(target, HostTarget)]
        if not wanted:
            return
        client = Client(
            gate, read_known_hosts(self._known_hosts), self._credentials, self._environment, self._keyring
        )
        threads = ThreadPoolExecutor(min(self._settings.at_once, len(wanted)), thread_name_prefix="ssh")
        try:
            asked = [threads.submit(self._look, target, client) for target in wanted]
            for answer in as_completed(asked):
                if answer.exception() is None:
                    yield from answer.result()
            # A bug of ours, with one host: the others have been told by now.
            for answer in asked:
                answer.result()
        finally:
            # Where nobody wants the rest any more, hosts that are being asked are hung up on and not waited for.
            client.stop()
            threads.shutdown(wait=True, cancel_futures=True)

    def _look(self, target: HostTarget, client: Client) -> list[Record]:
        host = self._hosts[target.host]
        try:
            place, connected_to, facts = self._facts(host, client)
        except Failed as e:
            seen: dict[str, Facts | Absent | Gap] = dict.fromkeys(self.kinds, e.gap)
            if e.gap.reason is Reason.HOST_KEY_CHANGED:
                seen[AccessFacts.kind] = AccessFacts(host_key=HostKey.CHANGED, said=e.gap.detail)
            elif e.gap.reason is Reason.AUTH_FAILED:
                # Nobody offers a key or a password before the other side has shown who it is.
                seen[AccessFacts.kind] = AccessFacts(host_key=HostKey.TRUSTED)
            return [self._record(target, kind, seen[kind], {}) for kind in self.kinds]
        except ScopeError:
            raise
        except Exception as e:  # noqa: BLE001 - a bug of ours over one host's reply is no other host's matter
            gap = Gap(Reason.BUG, f"its reply made secscan fail: {type(e).__name__}")
            return [self._record(target, kind, gap, {}) for kind in self.kinds]
        volatile = {"address": place, "server": connected_to}
        seen = {AccessFacts.kind: AccessFacts(host_key=HostKey.TRUSTED), **facts}
        return [self._record(target, kind, seen[kind], volatile) for kind in self.kinds]

    def _record(
        self, target: HostTarget, kind: str, seen: Facts | Absent | Gap, volatile: Mapping[str, str]
    ) -> Record:
        if isinstance(seen, Gap):
            return Unobserved(target, self.name, kind, utc_now(), seen.reason, seen.detail)
        return Observation(target, self.name, kind, utc_now(), seen, volatile)

    def _facts(self, host: Host, client: Client) -> tuple[str, str, Mapping[str, Facts | Absent | Gap]]:
        if not host.credential:
            raise Failed(Reason.NEEDS_CREDENTIALS, "the inventory names no credential for this host")
        credential = self._credentials.get(host.credential)
        if credential is None:
            raise Failed(
                Reason.NEEDS_CREDENTIALS,
                f"there is no credential {host.credential!r}; name it in secscan.toml",
            )
        deadline = time.monotonic() + self._settings.deadline
        failures: list[Failed] = []
        for address in self._places(host, client.gate, deadline):
            place = Place(address, credential.port, host.names)
            try:
                with client.open(place, credential, deadline=deadline) as connection:
                    return str(place), connection.software, self._ask(connection, host, credential, deadline)
            except Failed as e:
                failures.append(e)
                if e.gap.reason not in _TRY_THE_NEXT or time.monotonic() >= deadline:
                    break
        raise failures[-1]

    def _places(self, host: Host, gate: Gate, deadline: float) -> Sequence[str]:
        known = self._addresses.get(host.id)
        if known:
            return known
        found = list(host.addresses)
        refused: Refused | None = None
        for name in host.names if host.resolve else ():
            try:
                found += gate.resolve(name, timeout=max(0.1, deadline - time.monotonic()))
            except Refused as e:
                refused = refused or e
        if found:
            return tuple(dict.fromkeys(found))
        if refused is not None:
            raise Failed(refused.refusal.reason, refused.refusal.detail)
        raise Failed(Reason.NOT_RESOLVED, "the inventory gives neither an address nor a name to look up")

    def _ask(
        self, connection: Connection, host: Host, credential: Credential, deadline: float
    ) -> Mapping[str, Facts | Absent | Gap]:
        budget = max(1, int((deadline - time.monotonic()) * _SCRIPT_SHARE))
        if "for_Windows" in connection.software:
            windows = WindowsRun.new()
            answer = connection.run(WINDOWS_COMMAND, windows.standard_input)
            with self._parsing:
                return windows_facts(windows, answer.output, answer.status, _clock(answer))
        run = Run.new(budget=budget, sudo=credential.sudo, declared=self._declared.get(host.id, ()))
        answer = connection.run(COMMAND, run.standard_input)
        with self._parsing:
            reply = run.read(answer.output, answer.status)
            if isinstance(reply, Gap):
                return dict.fromkeys(KINDS, reply)
            return facts_of(reply, _clock(answer))


def _clock(answer: Answer) -> Clock:
    return Clock(answer.sent, answer.began)
