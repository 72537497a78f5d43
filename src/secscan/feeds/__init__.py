"""Offline reference data: advisories, package indexes, known exploitation and ends of life, dated and kept as revisions."""
