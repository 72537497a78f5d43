"""From values to what a page says: pure functions to frozen views, the same in every language.

Everything that came from a host or from the inventory is made visible here, once, so that no template can
forget it; what is left for a template is to escape, to translate and to round.
"""

from secscan.report.views.agency import MOST_LATE, ONE_CAUSE, agency_view
from secscan.report.views.fleet import Before, Digest, FleetData, digest, fleet_data, hosts_of
from secscan.report.views.fleet_pages import FleetViews, fleet_views
from secscan.report.views.given import AgencyData, agency_data
from secscan.report.views.index import index_view
from secscan.report.views.shown import AgencyView, Method, Named, Shortfall
from secscan.report.views.shown_fleet import IndexView

__all__ = [
    "MOST_LATE",
    "ONE_CAUSE",
    "AgencyData",
    "AgencyView",
    "Before",
    "Digest",
    "FleetData",
    "FleetViews",
    "IndexView",
    "Method",
    "Named",
    "Shortfall",
    "agency_data",
    "agency_view",
    "digest",
    "fleet_data",
    "fleet_views",
    "hosts_of",
    "index_view",
]
