"""Looks at hosts from the inside: one connection, one channel and one read-only script a host."""

from secscan.collection.ssh.access import EXAMPLE_KEY, AccessError, explain_access, explain_jump
from secscan.collection.ssh.collector import SshCollector, SshSettings
from secscan.collection.ssh.known_hosts import (
    KnownHosts,
    KnownHostsError,
    is_hashed,
    known_name,
    parse_known_hosts,
    read_known_hosts,
    without_keys,
)
from secscan.collection.ssh.local import LocalCollector
from secscan.collection.ssh.shell_script import script_text
from secscan.collection.ssh.ssh_config import HostOptions, SshConfigError, read_options
from secscan.collection.ssh.trust import (
    HostKey,
    Road,
    add_known_hosts,
    fetch_host_keys,
    known_hosts_lines,
    replace_known_hosts,
)
from secscan.credential import Credential, CredentialError, Jump

__all__ = [
    "EXAMPLE_KEY",
    "AccessError",
    "Credential",
    "CredentialError",
    "HostKey",
    "HostOptions",
    "Jump",
    "KnownHosts",
    "KnownHostsError",
    "LocalCollector",
    "Road",
    "SshCollector",
    "SshConfigError",
    "SshSettings",
    "add_known_hosts",
    "explain_access",
    "explain_jump",
    "fetch_host_keys",
    "is_hashed",
    "known_hosts_lines",
    "known_name",
    "parse_known_hosts",
    "read_known_hosts",
    "read_options",
    "replace_known_hosts",
    "script_text",
    "without_keys",
]
