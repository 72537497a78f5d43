"""All pages of the fleet, from one digest of each agency."""

from dataclasses import dataclass

from secscan.report.views.backups import backups_view
from secscan.report.views.certificates import calendar_view
from secscan.report.views.exposed import exposed_view
from secscan.report.views.fleet import FleetData
from secscan.report.views.index import index_view
from secscan.report.views.outdated import outdated_page
from secscan.report.views.shown_fleet import (
    BackupsView,
    CalendarView,
    ExposedView,
    IndexView,
    OutdatedPage,
)


@dataclass(frozen=True, slots=True)
class FleetViews:
    """The pages that the centre reads, beside the scorecards."""

    index: IndexView
    certificates: CalendarView
    exposed: ExposedView
    outdated: OutdatedPage
    backups: BackupsView


def fleet_views(data: FleetData) -> FleetViews:
    return FleetViews(
        index=index_view(data),
        certificates=calendar_view(data),
        exposed=exposed_view(data),
        outdated=outdated_page(data),
        backups=backups_view(data),
    )
