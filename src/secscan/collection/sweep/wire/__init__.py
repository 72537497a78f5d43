"""The wire format of SSL 2.0 to TLS 1.3, without any I/O."""
