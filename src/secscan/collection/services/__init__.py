"""Second looks at services: one harmless message, where its answer tells a locked door from an open one.

What is said, and nothing else, with what the protocol is recognised by in ``recognition``:

==============  ===========================================================================================
Redis           ``PING``
memcached       ``version``
Elasticsearch   ``GET /`` of HTTP/1.0, and so OpenSearch
Docker          ``GET /version`` of HTTP/1.0
MongoDB         the greeting ``isMaster``, which every client sends before it logs in
VNC             the protocol's version; what comes back are the ways to log in
SMB             two connections: a negotiation of version 1 alone, and one of versions 2.0.2 to 3.1.1
DNS             over TCP, the name servers of the root with recursion desired; a transfer of each zone that the
                inventory names for the host
==============  ===========================================================================================

No password, community or name of a user is guessed, nothing is changed, and nobody logs in.
"""

from secscan.collection.services.collector import ServiceCollector
from secscan.collection.services.recognition import Recognised, recognise

__all__ = ["Recognised", "ServiceCollector", "recognise"]
