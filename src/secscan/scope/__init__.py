"""What may be touched, when and how fast; and the gate that every packet towards a host goes through."""

from secscan.scope.address import AddressSet, canonical_address, canonical_network
from secscan.scope.contract import (
    Contacts,
    Rates,
    Refusal,
    Scope,
    ScopeError,
    ScopeExpiredError,
    Window,
    judge_address,
    judge_name,
    require_current,
    scope_document,
    scope_from_document,
    scope_of_addresses,
)
from secscan.scope.file import ScopeFile, canonical_zone, load_scope
from secscan.scope.gate import Gate, Refused, resolve_addresses, utc_now
from secscan.scope.log import ProbeLog, ProbeLogError
from secscan.scope.name import NameSet, canonical_name, canonical_pattern
from secscan.scope.pace import Pace

__all__ = [
    "AddressSet",
    "Contacts",
    "Gate",
    "NameSet",
    "Pace",
    "ProbeLog",
    "ProbeLogError",
    "Rates",
    "Refusal",
    "Refused",
    "Scope",
    "ScopeError",
    "ScopeExpiredError",
    "ScopeFile",
    "Window",
    "canonical_address",
    "canonical_name",
    "canonical_network",
    "canonical_pattern",
    "canonical_zone",
    "judge_address",
    "judge_name",
    "load_scope",
    "require_current",
    "resolve_addresses",
    "scope_document",
    "scope_from_document",
    "scope_of_addresses",
    "utc_now",
]
