"""What a PDF says of where it comes from: a file embedded in it, signed with it, and held against the store later."""

from datetime import datetime

import msgspec

#: How the file is called inside the PDF. Whoever verifies looks for this name, so it never changes.
NAME = "secscan-provenance.json"

#: The one form there is; another is of a newer secscan.
SCHEMA = 1

#: Ours has a few hundred bytes. A PDF may come from anybody.
MOST_BYTES = 64 * 1024


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The judgement a page shows: ``manifest`` is the hash of its manifest in the store's chain, in hex.

    It is empty for a judgement from before there was a chain.
    """

    schema: int = SCHEMA
    agency: str
    run: int
    judgement: int
    manifest: str
    at: datetime
    baseline: str
    baseline_hash: str
    language: str
    secscan_version: str

    def as_json(self) -> bytes:
        """Always the same bytes for the same values."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1) + b"\n"


def provenance_in(document: bytes) -> Provenance | None:
    """What the embedded file says; None where it is not of our making, too large, or of another schema."""
    if len(document) > MOST_BYTES:
        return None
    try:
        said = msgspec.json.decode(document, type=Provenance)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return said if said.schema == SCHEMA else None
