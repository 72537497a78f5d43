"""All hosts of the lab."""

from tests.lab.backups.archives import ARCHIVES_STATES
from tests.lab.backups.borg import BORG_STATES
from tests.lab.backups.copies import COPIES_STATES
from tests.lab.backups.machine import State
from tests.lab.backups.postgres import POSTGRES_STATES
from tests.lab.backups.restic import RESTIC_STATES

STATES: tuple[State, ...] = (
    *RESTIC_STATES,
    *BORG_STATES,
    *ARCHIVES_STATES,
    *COPIES_STATES,
    *POSTGRES_STATES,
)


def by_name(name: str) -> State:
    return next(state for state in STATES if state.name == name)
