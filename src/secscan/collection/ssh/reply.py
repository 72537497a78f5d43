"""One host's reply -> its facts, kind by kind, or why there are none. Pure."""

from collections.abc import Mapping

from secscan.collection.ssh.backups import backup_facts
from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.operation import mount_facts, schedule_facts, socket_facts
from secscan.collection.ssh.packages import package_facts
from secscan.collection.ssh.system import Clock, system_facts
from secscan.collection.ssh.updates import update_facts
from secscan.facts import (
    BackupFacts,
    Facts,
    Gap,
    MountFacts,
    PackageFacts,
    ScheduleFacts,
    SocketFacts,
    SystemFacts,
    UpdateFacts,
)

#: Every kind of fact that one reply gives.
KINDS = tuple(
    model.kind
    for model in (SystemFacts, PackageFacts, UpdateFacts, SocketFacts, MountFacts, ScheduleFacts, BackupFacts)
)


def facts_of(reply: Reply, clock: Clock | None) -> Mapping[str, Facts | Gap]:
    """All of ``KINDS``. ``clock`` is None where the host's clock is ours."""
    packages, mounts, schedule = package_facts(reply), mount_facts(reply), schedule_facts(reply)
    return {
        SystemFacts.kind: system_facts(reply, packages, clock),
        PackageFacts.kind: packages,
        UpdateFacts.kind: update_facts(reply, packages),
        SocketFacts.kind: socket_facts(reply),
        MountFacts.kind: mounts,
        ScheduleFacts.kind: schedule,
        BackupFacts.kind: backup_facts(reply, packages, mounts, schedule),
    }
