"""Looks at an SSH server without logging in: what it names, the keys it shows, and the ways in that it offers."""

from secscan.collection.ssh_surface.collector import SshSurfaceCollector, SshSurfaceSettings

__all__ = ["SshSurfaceCollector", "SshSurfaceSettings"]
