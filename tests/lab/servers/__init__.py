"""The servers of the lab: each a frozen description that starts on a loopback address and stops without a trace."""

from tests.lab.servers.legacy import LegacyServer
from tests.lab.servers.listening import LabError, Running, Server, free_port
from tests.lab.servers.nginx import NginxServer
from tests.lab.servers.openssl import OpenSslServer
from tests.lab.servers.plain import (
    HOSTILE_GREETING,
    MYSQL_GREETING,
    SSH_GREETING,
    VNC_GREETING,
    BannerServer,
    ClosingServer,
    DrippingServer,
    EndlessServer,
    PlainHttpServer,
    ResettingServer,
    SilentServer,
    UnclosingServer,
    page,
    random_greeting,
)
from tests.lab.servers.tls import MODERN_CIPHERS, V1_0, V1_1, V1_2, V1_3, StallingServer, TlsServer
from tests.lab.servers.tools import MissingToolError, find_tool, missing_tools

__all__ = [
    "HOSTILE_GREETING",
    "MODERN_CIPHERS",
    "MYSQL_GREETING",
    "SSH_GREETING",
    "V1_0",
    "V1_1",
    "V1_2",
    "V1_3",
    "VNC_GREETING",
    "BannerServer",
    "ClosingServer",
    "DrippingServer",
    "EndlessServer",
    "LabError",
    "LegacyServer",
    "MissingToolError",
    "NginxServer",
    "OpenSslServer",
    "PlainHttpServer",
    "ResettingServer",
    "Running",
    "Server",
    "SilentServer",
    "StallingServer",
    "TlsServer",
    "UnclosingServer",
    "find_tool",
    "free_port",
    "missing_tools",
    "page",
    "random_greeting",
]
