"""Captures nmap's XML on servers and firewalls of its own, in a network namespace of its own.

    .venv/bin/python -m tests.collection.data.nmap.capture

from the top of the checkout, as root; needs nmap, nftables, iproute2 and util-linux. Writes the .xml files beside it.
"""

import contextlib
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.authority import Authority
from tests.lab.servers import (
    HOSTILE_GREETING,
    SSH_GREETING,
    BannerServer,
    PlainHttpServer,
    ResettingServer,
    TlsServer,
    page,
)

HERE = Path(__file__).parent

FIREWALL = """
table inet filter {
  chain input {
    type filter hook input priority 0;
    ip daddr 127.79.0.2 tcp dport 100-150 drop
    ip daddr 127.79.0.2 tcp dport 151-170 reject with icmp type admin-prohibited
    ip daddr 127.79.0.2 tcp dport 171-180 reject with icmp type host-unreachable
    ip daddr 127.79.0.3 tcp dport 1-65535 drop
    ip daddr 127.79.0.4 tcp dport 100-110 drop
  }
}
"""

COMMON = ["-n", "-Pn", "--disable-arp-ping", "--noninteractive", "--max-retries", "2", "--min-rate", "300"]

#: File -> nmap's options and targets.
CAPTURES = {
    # Open and closed; two groups of unlisted ports, one with three reasons; all filtered; few filtered, so listed.
    "firewalls-syn": ["-sS", "-p", "1-200", "127.79.0.1-4"],
    "firewalls-connect": ["-sT", "-p", "1-200", "127.79.0.1-4"],
    "single-port": ["-sS", "-p", "22", "127.79.0.1", "127.79.0.5"],
    "ipv6": ["-6", "-sS", "-p", "1-30", "::1"],
    "timed-out": ["-sS", "-p", "1-200", "--host-timeout", "400ms", "127.79.0.1,3"],
    # No way to 10.9.9.9: a SYN scan skips it, a connect scan finds every port filtered.
    "no-route-syn": ["-sS", "-p", "22", "10.9.9.9", "127.79.0.1"],
    "no-route-connect": ["-sT", "-p", "22-23", "10.9.9.9", "127.79.0.1"],
    "versions": ["-sS", "-sV", "--version-light", "-p", "21,22,80,443,8080,9998", "127.79.0.6"],
    "no-targets": ["-sT", "--top-ports", "20"],
    "error": ["-sS", "-p", "70000", "127.79.0.1"],
}


def main() -> None:
    if os.environ.get("SECSCAN_CAPTURE") != "inside":
        os.environ["SECSCAN_CAPTURE"] = "inside"
        run("unshare", "--net", sys.executable, "-m", "tests.collection.data.nmap.capture", check=True)
        return
    run("ip", "link", "set", "lo", "up", check=True)
    run("nft", FIREWALL, check=True)
    hostile_header = page(hsts=False).replace(
        b"Server: lab", b"Server: nginx/\x1b[31m<b>&\x01\xe9\x85 \xe2\x80\xae"
    )
    identity = Authority(datetime.now(UTC)).good("a.vi-du.example")
    with contextlib.ExitStack() as stack:
        for server, address, port in (
            (BannerServer(SSH_GREETING), "127.79.0.1", 22),
            (BannerServer(SSH_GREETING), "127.79.0.2", 22),
            (PlainHttpServer(), "127.79.0.2", 80),
            (BannerServer(SSH_GREETING), "127.79.0.4", 22),
            (BannerServer(SSH_GREETING), "::1", 22),
            (BannerServer(HOSTILE_GREETING), "127.79.0.6", 21),
            (BannerServer(SSH_GREETING), "127.79.0.6", 22),
            (PlainHttpServer(page(hsts=False).replace(b"lab", b"nginx/1.22.1")), "127.79.0.6", 80),
            (TlsServer((identity,)), "127.79.0.6", 443),
            (PlainHttpServer(hostile_header), "127.79.0.6", 8080),
            (ResettingServer(once_spoken_to=True), "127.79.0.6", 9998),
        ):
            stack.enter_context(server.start(address, port))
        for name, arguments in CAPTURES.items():
            (HERE / f"{name}.xml").write_bytes(run("nmap", *COMMON, *arguments, "-oX", "-"))
        less = ("setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw")
        refused = run(*less, "nmap", *COMMON, "-sS", "-p", "22", "127.79.0.1", "-oX", "-")
        (HERE / "no-raw-sockets.xml").write_bytes(refused)


def run(*command: str, check: bool = False) -> bytes:
    """What the command writes to standard output."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=check).stdout


if __name__ == "__main__":
    main()
