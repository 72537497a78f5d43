"""Agencies, hosts and services: from TOML files to the model, and from the model to documents and back."""

from secscan.inventory.document import (
    agency_document,
    agency_documents,
    inventory_from_documents,
    inventory_hash,
)
from secscan.inventory.file import AgencyFile
from secscan.inventory.folder import agency_files, load_inventory
from secscan.inventory.moving import (
    Edit,
    MoveError,
    merge_agencies,
    move_agency,
    move_host,
    rename_agency,
    write_edits,
)

__all__ = [
    "AgencyFile",
    "Edit",
    "MoveError",
    "agency_document",
    "agency_documents",
    "agency_files",
    "inventory_from_documents",
    "inventory_hash",
    "load_inventory",
    "merge_agencies",
    "move_agency",
    "move_host",
    "rename_agency",
    "write_edits",
]
