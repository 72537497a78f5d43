"""The folder an operator keeps: settings, scope, inventory, own profiles and checks, trust anchors, the database."""

from secscan.workspace.anchors import NO_AUTHORITIES, Authorities, places_unknown, read_anchors
from secscan.workspace.place import Workspace, WorkspaceError, around, find_workspace
from secscan.workspace.settings import Settings, load_settings
from secscan.workspace.starter import write_new

__all__ = [
    "NO_AUTHORITIES",
    "Authorities",
    "Settings",
    "Workspace",
    "WorkspaceError",
    "around",
    "find_workspace",
    "load_settings",
    "places_unknown",
    "read_anchors",
    "write_new",
]
