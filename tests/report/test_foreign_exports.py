"""SARIF and OCSF: held to the schemas of those who made them, and hostile text stays text."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from secscan.history import Aged, State, settle
from secscan.model import Outcome, Severity, Subject, Text
from secscan.report.exported import Exported, exported
from secscan.report.ocsf_export import ocsf_lines
from secscan.report.sarif_export import FINGERPRINT, sarif_pieces
from tests.report import samples
from tests.report.samples import make_finding

SCHEMAS = Path(__file__).parent / "schemas"
CHECKS = samples.make_checks()
OLD = CHECKS["tls.old-versions"]


@pytest.fixture(scope="module")
def fleet():
    return samples.make_fleet(12)


@pytest.fixture(scope="module")
def every(fleet):
    """Findings of every outcome and severity, with and without a life."""
    judgement, _, _, checks = fleet
    findings = [f for host in sorted(judgement.findings) for f in judgement.findings[host]]
    owners = {host: id for id, score in judgement.agencies.items() for host in score.members}
    failures = [f for f in findings if f.outcome is Outcome.FAIL]
    lives = settle({}, failures, judgement.stamp.at)
    aged = {
        id: Aged(life, life.first_seen + timedelta(days=30), n % 2 == 0)
        for n, (id, life) in enumerate(lives.items())
    }
    findings.append(make_finding(OLD, Outcome.ERROR, subject=Subject.of_host("web-9")))
    findings.append(make_finding(OLD, severity=Severity.INFO, object="{0} [a](b)", addresses=("::1",)))
    return list(exported(findings, checks, owners=owners, aged=aged))


def sarif(rows, fleet):
    return json.loads("".join(sarif_pieces(rows, fleet[0].stamp, fleet[3])))


def ocsf(rows, fleet):
    return [json.loads(line) for line in ocsf_lines(rows, fleet[0].stamp)]


def checked(name: str) -> jsonschema.Draft4Validator | jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def test_sarif_is_what_its_schema_asks(every, fleet):
    assert {row.finding.outcome for row in every} == set(Outcome)
    checked("sarif-2.1.0-rtm.5.json").validate(sarif(every, fleet))


def test_ocsf_is_what_its_schema_asks(every, fleet):
    validator = checked("ocsf-1.6.0-compliance_finding.json")
    for event in ocsf(every, fleet):
        validator.validate(event)


def test_an_empty_log_is_a_log(fleet):
    log = sarif([], fleet)
    checked("sarif-2.1.0-rtm.5.json").validate(log)
    assert log["runs"][0]["results"] == []


def test_sarif_names_findings_rules_and_hosts(fleet):
    finding = make_finding(OLD)
    log = sarif([Exported(finding, OLD, "bo-vi-du")], fleet)
    (result,) = log["runs"][0]["results"]
    rules = [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]]
    assert result["ruleId"] in rules
    assert result["partialFingerprints"] == {FINGERPRINT: finding.id}
    (place,) = result["locations"][0]["logicalLocations"]
    assert place["fullyQualifiedName"] == "bo-vi-du/service/web-1/tcp/443/cong.vi-du.example"


@pytest.mark.parametrize(
    ("outcome", "kind", "level", "status"),
    [
        (Outcome.PASS, "pass", "none", 1),
        (Outcome.FAIL, "fail", "error", 3),
        (Outcome.UNKNOWN, "open", "none", 0),
        (Outcome.ERROR, "open", "none", 0),
        (Outcome.NOT_APPLICABLE, "notApplicable", "none", 99),
    ],
)
def test_what_is_not_known_is_neither_a_pass_nor_a_failure(fleet, outcome, kind, level, status):
    rows = [Exported(make_finding(OLD, outcome), OLD)]
    (result,) = sarif(rows, fleet)["runs"][0]["results"]
    (event,) = ocsf(rows, fleet)
    assert (result["kind"], result["level"], event["compliance"]["status_id"]) == (kind, level, status)


def test_no_host_plants_a_placeholder_or_a_link(fleet):
    finding = make_finding(OLD, evidence=Text("Banner: {b}", {"b": "{0} [x](https://evil.example)"}))
    (result,) = sarif([Exported(finding, OLD)], fleet)["runs"][0]["results"]
    assert result["message"]["text"] == "Banner: {{0}} [x\\](https://evil.example)"


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "\u202e", '"},{"', "\ud800"])
def test_hostile_text_breaks_no_line_and_reaches_no_terminal(fleet, text):
    finding = make_finding(OLD, evidence=Text("{b}", {"b": text}), object=text, addresses=(text,))
    written = "".join(ocsf_lines([Exported(finding, OLD)], fleet[0].stamp))
    assert written.count("\n") == 1
    logged = "".join(sarif_pieces([Exported(finding, OLD)], fleet[0].stamp, fleet[3]))
    for bad in ("\x1b", "\u202e", "\ud800"):
        assert bad not in written + logged
    assert len(json.loads(logged)["runs"][0]["results"]) == 1


def test_what_is_waived_is_suppressed_and_what_is_fixed_is_closed(fleet):
    finding = make_finding(OLD)
    (life,) = settle({}, [finding], fleet[0].stamp.at - timedelta(days=7)).values()
    waived = Exported(finding, OLD, None, Aged(replace(life, waiver="w"), None, False))
    fixed = Exported(finding, OLD, None, Aged(replace(life, state=State.RESOLVED), None, False))
    open_, gone = sarif([waived, fixed], fleet)["runs"][0]["results"]
    assert open_["suppressions"][0]["properties"] == {"waiver": "w"}
    assert gone["baselineState"] == "absent"
    assert [(e["activity_name"], e["status"]) for e in ocsf([waived, fixed], fleet)] == [
        ("Update", "Suppressed"),
        ("Close", "Resolved"),
    ]
