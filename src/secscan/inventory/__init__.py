"""Agencies, hosts and services: from TOML files to the model, and from the model to documents and back."""

from secscan.inventory.document import (
    agency_document,
    agency_documents,
    inventory_from_documents,
    inventory_hash,
)
from secscan.inventory.file import AgencyFile
from secscan.inventory.folder import agency_files, load_inventory
from secscan.inventory.importing import Import, import_table, inventory_rows
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
    "Import",
    "MoveError",
    "agency_document",
    "agency_documents",
    "agency_files",
    "import_table",
    "inventory_from_documents",
    "inventory_hash",
    "inventory_rows",
    "load_inventory",
    "merge_agencies",
    "move_agency",
    "move_host",
    "rename_agency",
    "write_edits",
]
