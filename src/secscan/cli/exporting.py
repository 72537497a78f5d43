"""What a run says of each agency, a file an agency: for programs, spreadsheets and event stores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from secscan.cli.assessment import finding_pieces
from secscan.cli.listing import Judged, list_findings
from secscan.inventory import inventory_from_documents
from secscan.model import Judgement, Waiver
from secscan.report.exported import exported

if TYPE_CHECKING:
    from secscan.store import Store

#: Format -> how its files end.
ENDINGS: Mapping[str, str] = {"json": ".json", "csv": ".csv", "sarif": ".sarif", "ocsf": ".ocsf.jsonl"}


def write_exports(
    store: "Store",
    judged: Judged,
    folder: Path,
    *,
    form: str,
    agencies: Sequence[str],
    waivers: Mapping[str, Waiver],
) -> list[Path]:
    """Writes one file for each of ``agencies``, which holds what is of that agency and nothing else.

    One agency is in memory at a time. Agencies that the run did not judge are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for id, pieces in _documents(store, judged, form=form, agencies=agencies, waivers=waivers):
        path = folder / f"{id}{ENDINGS[form]}"
        beside = path.with_name(f".{path.name}.new")
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        beside.replace(path)
        written.append(path)
    return written


def _documents(
    store: "Store", judged: Judged, *, form: str, agencies: Sequence[str], waivers: Mapping[str, Waiver]
) -> Iterator[tuple[str, Iterable[str]]]:
    from secscan.report.json_export import agency_document, to_json

    scores = store.scores(judged.run)
    for id in agencies:
        if id not in scores.agencies:
            continue
        members = scores.agencies[id].members
        owners = dict.fromkeys(members, id)
        listing = list_findings(store, judged, hosts=members, owners=owners)
        if form != "json":
            rows = exported(listing.findings, judged.checks, owners=owners, aged=listing.aged)
            yield id, finding_pieces(form, rows, judged.stamp, judged.checks)
            continue
        by_host = {host: tuple(f for f in listing.findings if f.subject.id == host) for host in members}
        judgement = Judgement(
            stamp=judged.stamp,
            findings=by_host,
            hosts=scores.hosts,
            agencies=scores.agencies,
            tiers={},
            whole=scores.whole,
            adjusted=scores.adjusted,
        )
        document = agency_document(
            judgement,
            inventory_from_documents([judged.documents[id]]),
            judged.baseline,
            judged.checks,
            agency=id,
            aged=listing.aged,
            waivers=waivers,
        )
        yield id, [to_json(document)]
