import csv
import io
import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from importlib.resources import files

import jsonschema
import pytest

from secscan.history import Aged, settle
from secscan.model import Adjusted, Outcome, Subject, Text, Waiver
from secscan.report.csv_export import COLUMNS, findings_lines
from secscan.report.exported import exported
from secscan.report.json_export import (
    SCHEMA,
    agency_document,
    findings_pieces,
    judgement_document,
    to_json,
)
from tests.report import samples
from tests.report.samples import make_finding

CHECKS = samples.make_checks()
OLD = CHECKS["tls.old-versions"]


def findings_csv(findings, owners, checks, aged=None):
    return "".join(findings_lines(exported(findings, checks, owners=owners, aged=aged or {})))


def findings_document(findings, stamp, checks, *, owners=None, aged=None):
    rows = exported(findings, checks, owners=owners or {}, aged=aged or {})
    return json.loads("".join(findings_pieces(rows, stamp)))


@pytest.fixture(scope="module")
def fleet():
    return samples.make_fleet(12)


@pytest.fixture(scope="module")
def document(fleet):
    return json.loads(to_json(judgement_document(*fleet)))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_a_document_names_its_schema(document):
    assert (document["schema"], document["kind"]) == (SCHEMA, "judgement")


def owners(judgement):
    return {host: id for id, score in judgement.agencies.items() for host in score.members}


def test_a_document_has_every_agency_host_and_finding(document, fleet):
    judgement, inventory, *_ = fleet
    assert [a["id"] for a in document["agencies"]] == sorted(inventory.agencies)
    assert [h["id"] for h in document["hosts"]] == sorted(inventory.hosts)
    assert len(document["findings"]) == sum(map(len, judgement.findings.values()))


def test_scores_are_given_as_shown_and_exactly(document, fleet):
    verified = fleet[0].whole.range.verified
    shown = document["whole"]["verified"]
    assert Fraction(shown["exact"]) == verified
    assert Fraction(shown["decimal"]) <= verified < Fraction(shown["decimal"]) + Fraction(1, 10)


def test_an_agency_without_hosts_has_no_score(document):
    (score,) = [a["score"] for a in document["agencies"] if not a["hosts"]]
    assert (score["assessed"], score["verified"], score["possible"], score["grade"]) == (
        False,
        None,
        None,
        None,
    )


def test_the_agency_of_a_finding_is_given(document):
    owner = {host: agency["id"] for agency in document["agencies"] for host in agency["hosts"]}
    assert all(finding["agency"] == owner[finding["host"]] for finding in document["findings"])


def test_findings_can_be_chosen_by_outcome(fleet):
    chosen = judgement_document(*fleet, outcomes=[Outcome.FAIL])["findings"]
    assert {finding["outcome"] for finding in chosen} == {"fail"}


def test_a_finding_has_its_evidence_fix_and_identity(fleet):
    finding = make_finding(OLD, object="TLS 1.0")
    (given,) = findings_document([finding], fleet[0].stamp, CHECKS, owners=owners(fleet[0]))["findings"]
    assert given["id"] == finding.id
    assert given["evidence"]["text"] == "The server accepts TLS 1.0, TLS 1.1."
    assert given["evidence"]["values"] == {"versions": "TLS 1.0, TLS 1.1"}
    assert given["fix"] == OLD.fix
    assert given["subject"]["port"] == 443
    assert given["observed_at"] == "2026-03-08T23:30:00Z"


def test_what_passes_needs_no_fix(fleet):
    (given,) = findings_document(
        [make_finding(OLD, Outcome.PASS)], fleet[0].stamp, CHECKS, owners=owners(fleet[0])
    )["findings"]
    assert given["fix"] == ""


def test_an_unknown_says_why(fleet):
    (given,) = findings_document(
        [make_finding(OLD, Outcome.UNKNOWN)], fleet[0].stamp, CHECKS, owners=owners(fleet[0])
    )["findings"]
    assert given["reason"] == "timed-out"


@pytest.mark.parametrize(
    "text", ["\x1b[31m", "\x9b", "\u202e", "\ud800", "\U000e0041", "\u2028", "Đồng", '"\\']
)
def test_json_is_safe_on_a_terminal_and_reads_back_unchanged(text):
    written = to_json({"a": text})
    assert written.isascii() or text == "Đồng"
    assert json.loads(written) == {"a": text}


def test_json_keeps_letters_readable():
    assert "Bộ Ví Dụ" in to_json({"a": "Bộ Ví Dụ"})


def test_a_spreadsheet_knows_the_encoding():
    assert findings_csv([], {}, CHECKS).startswith("\ufeff")


def test_lines_end_as_rfc_4180_asks():
    assert findings_csv([], {}, CHECKS).endswith("\r\n")


def test_a_line_holds_the_finding():
    (row,) = rows(findings_csv([make_finding(OLD)], {"web-1": "bo-vi-du"}, CHECKS))
    assert list(row) == list(COLUMNS)
    assert (row["agency"], row["host"], row["port"], row["severity"]) == ("bo-vi-du", "web-1", "443", "high")
    assert row["evidence"] == "The server accepts TLS 1.0, TLS 1.1."


@pytest.mark.parametrize("text", ["=1+1", "@x", "-2", "+3", "\t=1", "a\r\nb", 'a","b', "\x1b[0m"])
def test_no_cell_is_a_formula_or_breaks_a_line(text):
    finding = make_finding(OLD, evidence=Text(text), object=text, addresses=(text,))
    (row,) = rows(findings_csv([finding], {}, CHECKS))
    for column in COLUMNS:
        assert not row[column].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert "\n" not in row[column]


def test_a_document_says_where_hosts_stand_on_the_ladder():
    passed, failed, unseen = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
    judgement, inventory, baseline, checks = samples.make_ladder(
        [
            (samples.make_host(0, criticality=5), [passed, passed, unseen, failed]),
            (samples.make_host(1), [failed]),
        ]
    )
    document = judgement_document(judgement, inventory, baseline, checks)
    by_id = {host["id"]: host["ladder"] for host in document["hosts"]}
    assert by_id[samples.make_host(0).id] == {
        "verified": 2,
        "possible": 3,
        "outcomes": {"1": "pass", "2": "pass", "3": "unknown", "4": "fail"},
    }
    for group in (document["whole"], document["tiers"][0], document["agencies"][0]):
        assert group["ladder"]["all"]["verified"] == [1, 0, 1, *[0] * 9]
        assert group["ladder"]["critical"] == {
            "hosts": 1,
            "verified": [0, 0, 1, *[0] * 9],
            "possible": [0, 0, 0, 1, *[0] * 8],
        }


def test_a_host_without_rungs_has_no_ladder(document):
    assert {host["ladder"] for host in document["hosts"]} == {None}


@pytest.mark.parametrize(("check", "rung"), [("backup.recent", "2"), ("tls.compression", "")])
def test_a_line_names_the_rung_of_its_check(check, rung):
    finding = samples.make_finding(samples.make_check(check, samples.H, "", "", ""))
    [row] = rows(findings_csv([finding], {}, {}))
    assert row["rung"] == rung


def aged_finding():
    finding = make_finding(OLD)
    began, due = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)
    (life,) = settle({}, [finding], began).values()
    return finding, {finding.id: Aged(replace(life, reopened=2, waiver="w"), due, True)}


LIFE = {
    "state": "open",
    "first_seen": "2026-01-01T00:00:00Z",
    "last_seen": "2026-01-01T00:00:00Z",
    "reopened": 2,
    "due": "2026-01-31T00:00:00Z",
    "overdue": True,
    "waiver": "w",
}


def test_what_time_made_of_a_finding_is_told(fleet):
    finding, aged = aged_finding()
    (given,) = findings_document([finding], fleet[0].stamp, CHECKS, aged=aged)["findings"]
    assert {key: given[key] for key in LIFE} == LIFE


def test_what_never_failed_has_no_life(fleet):
    (given,) = findings_document([make_finding(OLD)], fleet[0].stamp, CHECKS)["findings"]
    assert {key: given[key] for key in LIFE} == dict.fromkeys(LIFE)


def test_a_spreadsheet_is_told_the_same():
    finding, aged = aged_finding()
    (row,) = rows(findings_csv([finding], {}, CHECKS, aged))
    told = (row["state"], row["reopened"], row["due"], row["overdue"], row["waiver"])
    assert told == ("open", "2", "2026-01-31 00:00:00", "yes", "w")


def test_adjusted_scores_lives_and_waivers_are_in_the_document(fleet):
    judgement, inventory, baseline, checks = fleet
    host = judgement.agencies["bo-vi-du"].members[0]
    scores = judgement.hosts[host], judgement.agencies["bo-vi-du"]
    waived = [replace(score, waived=score.coverage.expected) for score in scores]
    adjusted = Adjusted({host: waived[0]}, {"bo-vi-du": waived[1]}, {}, judgement.whole)
    gone = make_finding(OLD, subject=Subject.of_host("gone-1"))
    (life,) = settle({}, [gone], judgement.stamp.at).values()
    leave = Waiver("It is mended soon.", "Lê", "Trần", date(2026, 6, 30), check="tls.*")
    document = judgement_document(
        replace(judgement, adjusted=adjusted),
        inventory,
        baseline,
        checks,
        aged={gone.id: Aged(replace(life, waiver=leave.key), None, False)},
        waivers={leave.key: leave},
    )
    (agency,) = [one for one in document["agencies"] if one["adjusted"]]
    (of_host,) = [one for one in document["hosts"] if one["adjusted"]]
    assert (agency["id"], agency["adjusted"]["waived"]["decimal"]) == ("bo-vi-du", "0.5000")
    assert (of_host["id"], of_host["adjusted"]["waived"]["exact"]) == (host, "1/2")
    assert [(one["finding"], one["host"], one["waiver"]) for one in document["lives"]] == [
        (gone.id, "gone-1", leave.key)
    ]
    assert [(one["owner"], one["expires"], one["findings"]) for one in document["waivers"]] == [
        ("Lê", "2026-06-30", [gone.id])
    ]
    assert json.loads(to_json(document)) == document


def conforms(document):
    schema = json.loads(files("secscan.reports").joinpath(f"export-{SCHEMA}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


def test_a_judgement_is_what_the_schema_says(document):
    conforms(document)


def test_adjusted_scores_and_lives_are_what_the_schema_says(fleet):
    judgement, inventory, baseline, checks = fleet
    score = judgement.agencies["bo-vi-du"]
    adjusted = Adjusted(
        {score.members[0]: judgement.hosts[score.members[0]]}, {score.id: score}, {}, judgement.whole
    )
    finding, aged = aged_finding()
    leave = Waiver("Soon.", "Lê", "Trần", date(2026, 6, 30), check="tls.*")
    (one,) = aged.values()
    aged = {finding.id: replace(one, life=replace(one.life, waiver=leave.key))}
    told = replace(judgement, adjusted=adjusted)
    conforms(judgement_document(told, inventory, baseline, checks, aged=aged, waivers={leave.key: leave}))


def test_listed_findings_are_what_the_schema_says(fleet):
    finding, aged = aged_finding()
    conforms(findings_document([finding, make_finding(OLD, Outcome.PASS)], fleet[0].stamp, CHECKS, aged=aged))


def test_the_schema_refuses_what_it_does_not_know(document):
    with pytest.raises(jsonschema.ValidationError):
        conforms({**document, "schema": SCHEMA + 1})
    with pytest.raises(jsonschema.ValidationError):
        conforms({**document, "findings": [{**document["findings"][0], "outcome": "fine"}]})


def test_no_finding_is_a_document_too(fleet):
    document = findings_document([], fleet[0].stamp, CHECKS)
    conforms(document)
    assert document["findings"] == []


def test_a_document_of_one_agency_holds_that_agency_alone(fleet):
    judgement, inventory, baseline, checks = fleet
    document = agency_document(judgement, inventory, baseline, checks, agency="bo-vi-du")
    conforms(document)
    own = set(judgement.agencies["bo-vi-du"].members)
    assert [agency["id"] for agency in document["agencies"]] == ["bo-vi-du"]
    assert {host["id"] for host in document["hosts"]} == own == {f["host"] for f in document["findings"]}
    written = to_json(document)
    for other in (set(inventory.agencies) | set(inventory.hosts)) - own - {"bo-vi-du"}:
        assert f'"{other}"' not in written


def test_memory_stays_flat_however_many_findings_there_are(fleet):
    def most(count):
        rows = exported((make_finding(OLD, object=str(n)) for n in range(count)), CHECKS)
        tracemalloc.start()
        for _piece in findings_pieces(rows, fleet[0].stamp):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(10)  # What is made once, such as compiled patterns.
    assert most(4_000) < most(40) + 1_000_000  # Held together they take a dozen times as much.
