"""From values to what a page says: pure functions to frozen views, the same in every language.

Everything that came from a host or from the inventory is made visible here, once, so that no template can
forget it; what is left for a template is to escape, to translate and to round.
"""

from secscan.report.views.agency import MOST_LATE, ONE_CAUSE, agency_view
from secscan.report.views.given import AgencyData, FleetData, agency_data, fleet_data
from secscan.report.views.index import index_view
from secscan.report.views.shown import AgencyView, IndexView, Method, Named, Shortfall

__all__ = [
    "MOST_LATE",
    "ONE_CAUSE",
    "AgencyData",
    "AgencyView",
    "FleetData",
    "IndexView",
    "Method",
    "Named",
    "Shortfall",
    "agency_data",
    "agency_view",
    "fleet_data",
    "index_view",
]
