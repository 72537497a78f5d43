"""Finds SSH host keys that several hosts have: the newest facts of all hosts -> a reference."""

from datetime import date
from typing import ClassVar

from secscan.facts import SshFacts
from secscan.model import Evidence, Host, Inventory, Observation
from secscan.reference import KeyHolders, SharedHostKeys


class SharedHostKeysGatherer:
    """Host keys that were proven to be a server's own, by the hosts they were seen on (see ``secscan.engine.gathering``).

    A host that shows one key on several ports or addresses has it once. A host that was not seen lately counts by what
    was last seen of it: nothing says that its key is another now.
    """

    makes: ClassVar[type] = SharedHostKeys
    kinds: ClassVar[tuple[str, ...]] = (SshFacts.kind,)

    def __init__(self, inventory: Inventory, day: date) -> None:
        self._owner = {m.host: m.agency for m in inventory.memberships if m.covers(day)}
        self._holders: dict[str, set[str]] = {}

    def see(self, host: Host, evidence: Evidence) -> None:
        for target, kind in {**evidence.seen, **evidence.newest}:
            if kind != SshFacts.kind:
                continue
            record = evidence.last_seen(target, kind)
            if isinstance(record, Observation) and isinstance(record.facts, SshFacts):
                keys = record.facts.host_keys
                for key in keys if isinstance(keys, tuple) else ():
                    if key.proven:
                        self._holders.setdefault(key.fingerprint, set()).add(host.id)

    def reference(self) -> SharedHostKeys:
        shared = {key: hosts for key, hosts in sorted(self._holders.items()) if len(hosts) > 1}
        return SharedHostKeys(
            {key: KeyHolders({id: self._owner[id] for id in sorted(hosts)}) for key, hosts in shared.items()}
        )
