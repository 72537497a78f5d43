"""The calendar of certificates: when those that servers show end, month by month and week by week."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from secscan.report.views.fleet import Ending, FleetData
from secscan.report.views.parts import method_view, named
from secscan.report.views.shown_fleet import (
    AgencyEndings,
    CalendarView,
    EndingView,
    MonthCount,
    Stretch,
)

#: Weeks from today on whose certificates are named.
WEEKS = 13

#: Months from this one on that are counted.
MONTHS = 12

#: Certificates of one agency that are named in one stretch of time.
MOST_NAMED = 8


def calendar_view(data: FleetData) -> CalendarView:
    """One line a certificate and agency: several services share one, and so may agencies, each of which has to act."""
    today = data.stamp.at.astimezone(data.tz).date()
    served = {id: digest.endings or () for id, digest in data.digests.items()}
    listed = [
        (one.ends.astimezone(data.tz).date(), id, one) for id, endings in served.items() for one in endings
    ]
    certificates = {one.sha256: day for day, _, one in listed}
    monday = today - timedelta(days=today.weekday())
    weeks = [monday + timedelta(weeks=n) for n in range(WEEKS + 1)]
    ended = [(id, one) for _, id, one in listed if one.ends < data.stamp.at]
    stretches = [_stretch(None, today, ended, data)] if ended else []
    for begins in weeks:
        ends = begins + timedelta(days=6)
        of_week = [
            (id, one) for day, id, one in listed if begins <= day <= ends and one.ends >= data.stamp.at
        ]
        if of_week:
            stretches.append(_stretch(begins, ends, of_week, data))
    months = _months(today)
    return CalendarView(
        certificates=len(certificates),
        agencies=sum(bool(endings) for endings in served.values()),
        ended=len({one.sha256 for _, one in ended}),
        months=_counts(months, listed, data),
        later=sum(_month_of(day) > months[-1] for day in certificates.values()),
        stretches=tuple(stretches),
        until=weeks[-1] + timedelta(days=6),
        was_read=any(digest.endings is not None for digest in data.digests.values()),
        method=method_view(data.baseline, data.stamp, data.tz),
    )


def _stretch(
    begins: date | None, ends: date, endings: Iterable[tuple[str, Ending]], data: FleetData
) -> Stretch:
    """The agencies go by what ends first."""
    by_agency: dict[str, list[Ending]] = {}
    for id, one in endings:
        by_agency.setdefault(id, []).append(one)
    for of_agency in by_agency.values():
        of_agency.sort(key=lambda one: (one.ends, one.name, one.sha256))
    return Stretch(
        begins=begins,
        ends=ends,
        certificates=len({one.sha256 for of_agency in by_agency.values() for one in of_agency}),
        agencies=tuple(
            AgencyEndings(
                agency=named(data.agencies[id]),
                endings=tuple(
                    EndingView(one.name, one.ends.astimezone(data.tz), one.places)
                    for one in of_agency[:MOST_NAMED]
                ),
                more=max(0, len(of_agency) - MOST_NAMED),
            )
            for id, of_agency in sorted(by_agency.items(), key=lambda item: (item[1][0].ends, item[0]))
        ),
    )


def _months(today: date) -> list[date]:
    """The first days of this month and of those that follow it."""
    first = today.year * 12 + today.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(first, first + MONTHS)]


def _month_of(day: date) -> date:
    return day.replace(day=1)


def _counts(
    months: Iterable[date], listed: Sequence[tuple[date, str, Ending]], data: FleetData
) -> tuple[MonthCount, ...]:
    """What has ended already is in no month: it is told on its own."""
    ahead = [(_month_of(day), id, one.sha256) for day, id, one in listed if one.ends >= data.stamp.at]
    certificates = Counter(month for month, _ in {(month, sha256) for month, _, sha256 in ahead})
    agencies = Counter(month for month, _ in {(month, id) for month, id, _ in ahead})
    return tuple(MonthCount(month, certificates[month], agencies[month]) for month in months)
