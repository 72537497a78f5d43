"""Real TLS and TCP servers on loopback addresses, for the tests and the demo. Knows nothing of pytest."""
