"""One module a format: each reads a stream into entries, within bounds, and knows nothing of storage."""
