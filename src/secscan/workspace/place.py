"""Where the parts of a workspace lie, and how to read them."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from secscan.inventory import load_inventory
from secscan.language import _
from secscan.model import Inventory, Waiver
from secscan.scope import Scope, load_scope
from secscan.toml_source import shown_path
from secscan.workspace.anchors import Authorities, load_anchors
from secscan.workspace.settings import Settings, load_settings
from secscan.workspace.waivers import add_waiver, load_waivers

SETTINGS = "secscan.toml"


class WorkspaceError(ValueError):
    """No workspace where one is needed, or something where a new one should go: says what to do."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with a ``secscan.toml``. Nothing else in it must exist before it is read."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / SETTINGS

    @property
    def scope(self) -> Path:
        return self.folder / "scope.toml"

    @property
    def waivers(self) -> Path:
        return self.folder / "waivers.toml"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    @property
    def profiles(self) -> Path:
        return self.folder / "profiles"

    @property
    def checks(self) -> Path:
        return self.folder / "checks"

    @property
    def anchors(self) -> Path:
        return self.folder / "ca"

    @property
    def database(self) -> Path:
        return self.folder / "secscan.db"

    @property
    def feeds(self) -> Path:
        """Reference data: made by ``secscan feeds import``."""
        return self.folder / "feeds.db"

    @property
    def known_hosts(self) -> Path:
        """Whose key is whose: made by ``secscan trust``."""
        return self.folder / "known_hosts"

    @property
    def probe_log(self) -> Path:
        return self.folder / "probes.jsonl"

    # Each of these raises ConfigurationError with every mistake in what it reads.

    def load_settings(self) -> Settings:
        return load_settings(self.folder)

    def load_scope(self) -> Scope:
        return load_scope(self.scope)

    def load_inventory(self) -> Inventory:
        return load_inventory(self.inventory)

    def load_waivers(self, today: date) -> tuple[Waiver, ...]:
        return load_waivers(self.waivers, today=today)

    def add_waiver(self, waiver: Waiver, today: date) -> None:
        add_waiver(self.waivers, waiver, today=today)

    def load_anchors(self) -> Authorities:
        """What is in ``ca``: private authorities that paths may end in, and lists of revoked certificates."""
        return load_anchors(self.anchors)

    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.load_settings().time_zone)


def find_workspace(start: Path) -> Workspace:
    """The workspace that ``start`` is in, itself or the nearest folder above. Raises WorkspaceError."""
    found = _at_or_above(start)
    if found is None:
        raise WorkspaceError(
            _("there is no workspace in {folder} or above it; write one with: secscan init DIR").format(
                folder=shown_path(start.absolute())
            )
        )
    return found


def around(folder: str | Path | None) -> Workspace | None:
    """The workspace named; else the one around the working directory; else None.

    Raises WorkspaceError where one is named and is none.
    """
    return find_workspace(Path(folder)) if folder else _at_or_above(Path.cwd())


def _at_or_above(start: Path) -> Workspace | None:
    here = start.absolute()
    return next((Workspace(f) for f in (here, *here.parents) if (f / SETTINGS).is_file()), None)
