"""Hosts that make backups: the distribution's own tools, in good, stale, broken and misleading states.

Knows nothing of pytest.
"""

from tests.lab.backups.building import Lab
from tests.lab.backups.comparing import differences
from tests.lab.backups.machine import Expected, State, available, entering, lacking, run_in
from tests.lab.backups.states import STATES, by_name

__all__ = [
    "STATES",
    "Expected",
    "Lab",
    "State",
    "available",
    "by_name",
    "differences",
    "entering",
    "lacking",
    "run_in",
]
