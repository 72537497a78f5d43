"""A zoo of TLS servers on loopback: real implementations in all states, and for each what there is to see.

What is expected was written by hand, from how a server is configured, and never from what any scanner said of it.
"""

from tests.lab.zoo import gnutls, legacy, nodes, openssl, others
from tests.lab.zoo.exhibit import NAME, Exhibit, Expected, Keys, SpeaksNoTls, SpeaksTls, Undecided
from tests.lab.zoo.running import RunningZoo, start_zoo

__all__ = [
    "NAME",
    "ZOO",
    "Exhibit",
    "Expected",
    "Keys",
    "RunningZoo",
    "SpeaksNoTls",
    "SpeaksTls",
    "Undecided",
    "start_zoo",
]

ZOO: tuple[Exhibit, ...] = (
    *openssl.EXHIBITS,
    *gnutls.EXHIBITS,
    *legacy.EXHIBITS,
    *nodes.EXHIBITS,
    *others.EXHIBITS,
)
