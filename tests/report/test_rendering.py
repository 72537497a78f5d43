import base64
import hashlib
import itertools
import json
import os
import re
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from secscan.history import Aged, settle
from secscan.model import Agency, Host, Outcome, Reason, Service, Subject, Text, Waiver
from secscan.report.folder import FLEET_PAGES, MANIFEST, ReportError
from secscan.report.rendering import environment, render_agency, render_fleet, render_index, write_report
from secscan.report.views import agency_data, agency_view, fleet_data, fleet_views, index_view
from tests.report import histories, samples
from tests.report.fleets import make_full_fleet
from tests.report.pages import Page, read
from tests.report.samples import HANOI, make_checks, make_finding, make_single

CHECKS = make_checks()
OLD = CHECKS["tls.old-versions"]

#: Everything that a host or an inventory could try on whoever reads of it.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}",
    "{{ 7 * 7 }}{% raw %}",
    "%(evil)s %s %",
    "{evidence.__class__}",
    "\x1b[31m\x9b2J",
    "abc\u202efdp.exe\u2066",
    "\u200b\ufeff\u00ad",
    "=cmd|' /C calc'!A0",
    "javascript:alert(1)",
    "&lt;b&gt;&amp;",
    "x" * 70_000,
)


INDEX_SCRIPT = environment().globals["index_script"]


def agency_page(data=None) -> Page:
    return read(render_agency(agency_view(data or samples.make_agency_data()), "en"))


def hostile_data(text: str):
    agency = Agency(id="bo-vi-du", names={"vi": text, "en": text, text: text}, tier=text, zone=text)
    host = Host(id=text, addresses=(text,), names=(text,), role=text, zone=text)
    subject = Subject.of_service(Service(text, "tcp", 443, text))
    evidence = Text("Its subject is {subject}.", {"subject": text})
    findings = [
        make_finding(
            CHECKS["certificate.expiry"], subject=subject, evidence=evidence, object=text, addresses=(text,)
        ),
        make_finding(CHECKS["tls.old-versions"], subject=subject, evidence=Text(text)),
        make_finding(CHECKS["tls.compression"], subject=subject, evidence=Text(text, {"a": text})),
        make_finding(
            CHECKS["certificate.name"],
            Outcome.UNKNOWN,
            subject=subject,
            evidence=evidence,
            reason=Reason.MALFORMED,
        ),
        make_finding(CHECKS["certificate.trust"], Outcome.ERROR, subject=subject, evidence=evidence),
        *(
            make_finding(check, subject=subject, evidence=Text("One cause: {it}", {"it": text}), object=text)
            for check in CHECKS.values()
        ),
    ]
    return samples.make_agency_data({text: findings}, agency=agency, hosts=[host])


def ladder_pages():
    """The scorecard and the index of an agency with a critical host half way up, and one on the ground."""
    judgement, inventory, baseline, checks = samples.make_ladder(
        [
            (samples.make_host(0, criticality=5), [Outcome.PASS] * 6 + [Outcome.UNKNOWN, Outcome.FAIL]),
            (samples.make_host(1, criticality=4), [Outcome.FAIL]),
            (samples.make_host(2, criticality=1), [Outcome.PASS] * 11),
        ]
    )
    data = agency_data(judgement, inventory, baseline, checks=checks, agency_id="bo-vi-du", tz=HANOI)
    index = index_view(fleet_data(judgement, inventory, baseline, tz=HANOI))
    return render_agency(agency_view(data), "en"), render_index(index, "en")


def fleet_page(name: str) -> str:
    return dict(render_fleet(fleet_views(make_full_fleet()), "en"))[name]


PAGES = {
    "with history": lambda: render_agency(
        agency_view(histories.with_history(samples.make_agency_data())), "en"
    ),
    "ladder": lambda: ladder_pages()[0],
    "ladder on the index": lambda: ladder_pages()[1],
    "agency": lambda: render_agency(agency_view(samples.make_agency_data()), "en"),
    "agency in Vietnamese": lambda: render_agency(agency_view(samples.make_agency_data()), "vi"),
    "unseen": lambda: render_agency(agency_view(samples.make_agency_data(unseen=0.8)), "en"),
    "sound": lambda: render_agency(agency_view(samples.make_agency_data(failing=0.0, unseen=0.0)), "en"),
    "without hosts": lambda: render_agency(agency_view(samples.make_agency_data(hosts=[])), "en"),
    "index": lambda: render_index(index_view(samples.make_fleet_data()), "en"),
    **{page: lambda page=page: fleet_page(page) for page in FLEET_PAGES},
    **{
        f"hostile {n}": lambda t=t: render_agency(agency_view(hostile_data(t)), "en")
        for n, t in enumerate(HOSTILE)
    },
}


@pytest.fixture(scope="module", params=PAGES)
def html(request) -> str:
    return PAGES[request.param]()


# --- Every page ---------------------------------------------------------------------------------------


def test_elements_are_nested_properly(html):
    assert read(html).misnested == []


def test_ids_are_unique(html):
    ids = read(html).ids
    assert len(ids) == len(set(ids))


def test_headings_skip_no_level(html):
    levels = read(html).headings
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_there_is_one_first_heading(html):
    assert read(html).headings.count(1) == 1


def test_links_within_the_page_lead_somewhere(html):
    page = read(html)
    inner = {e.attributes["href"][1:] for e in page.all("a") if (e.attributes["href"] or "").startswith("#")}
    assert inner <= set(page.ids)


def test_labels_of_charts_are_on_the_page(html):
    page = read(html)
    named = {i for e in page.elements for i in (e.attributes.get("aria-labelledby") or "").split()}
    assert named <= set(page.ids)


def test_nothing_runs_but_the_script_of_the_index(html):
    page = read(html)
    assert not page.all("iframe", "object", "embed", "base")
    # The index narrows down and orders its list, where a script may run.
    assert [e.text for e in page.all("script")] == ([INDEX_SCRIPT] if "narrow" in page.ids else [])
    assert not [a for e in page.elements for a in e.attributes if a.startswith("on") or a == "style"]


def test_nothing_is_loaded(html):
    page = read(html)
    assert not page.all("img", "video", "audio", "source")
    assert [e.attributes["href"] for e in page.all("link")] == ["data:,"]
    assert "@import" not in html
    assert set(re.findall(r"url\(([^)]*)\)", page.all("style")[0].text)) == {"#hatch"}
    for link in page.all("a"):
        href = link.attributes["href"] or ""
        assert href in FLEET_PAGES or re.fullmatch(r"#\S+|agencies/[\w.-]+\.html", href)


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(html):
    page = read(html)
    (policy,) = [e.attributes["content"] for e in page.all("meta") if "http-equiv" in e.attributes]
    styles = " ".join(digest(style.text) for style in page.all("style"))
    scripts = "".join(f"; script-src {digest(script.text)}" for script in page.all("script"))
    assert policy == (
        f"default-src 'none'; style-src {styles}{scripts}; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_every_chart_has_a_title_or_is_hidden(html):
    page = read(html)
    for place, element in enumerate(page.elements):
        if element.tag == "svg":
            assert element.attributes.get("aria-hidden") == "true" or page.elements[place + 1].tag == "title"


def test_nothing_invisible_is_left(html):
    assert (
        re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\u00ad]", html)
        is None
    )


# --- What hosts say -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [t for t in HOSTILE if len(t) < 100 and t.isprintable()])
def test_what_a_host_says_stays_text(text):
    assert " ".join(text.split()) in agency_page(hostile_data(text)).text


def test_a_long_subject_does_not_fill_the_page():
    assert len(render_agency(agency_view(hostile_data("x" * 70_000)), "en")) < 60_000


def test_a_value_is_set_apart_from_the_sentence_around_it():
    evidence = Text("It names {name}.", {"name": "עברית"})
    html = render_agency(
        agency_view(make_single(make_finding(CHECKS["tls.old-versions"], evidence=evidence))), "en"
    )
    assert "It names <bdi>עברית</bdi>." in html


def test_dates_in_evidence_are_written_as_people_here_write_them():
    instants = {"day": "2026-02-11", "at": "2026-03-08T18:30:00+00:00", "to": "2026-03-08 19:30:00 UTC"}
    evidence = Text("Expired {day}, seen {at} to {to}.", instants)
    page = agency_page(make_single(make_finding(CHECKS["tls.old-versions"], evidence=evidence)))
    assert "Expired 11/02/2026, seen 09/03/2026 01:30 to 09/03/2026 02:30." in page.text


def test_numbers_in_evidence_are_not_regrouped():
    evidence = Text("Port {port} is open.", {"port": 27017})
    page = agency_page(make_single(make_finding(CHECKS["tls.old-versions"], evidence=evidence)))
    assert "Port 27017 is open." in page.text


def test_documentation_with_percent_signs_and_code_is_shown_as_written():
    check = samples.make_check("tls.odd", samples.H, "100% of `%s` is <safe>.", "Why %(x)s.", "Set `a %d`.")
    host = samples.make_host(1)
    finding = make_finding(check, subject=Subject.of_host(host.id), evidence=Text("Seen."))
    data = samples.make_agency_data({host.id: [finding]}, hosts=[host], checks={check.id: check})
    html = render_agency(agency_view(data), "en")
    assert "100% of <code>%s</code> is &lt;safe&gt;." in html
    assert "Why %(x)s." in html
    assert "Set <code>a %d</code>." in html


# --- A scorecard --------------------------------------------------------------------------------------


def test_both_names_are_shown_each_in_its_language():
    page = agency_page()
    assert page.all("h1")[0].text.strip() == "Ministry of Examples and Trials"
    assert [(e.attributes["lang"], e.text) for e in page.all("bdi") if "lang" in e.attributes] == [
        ("vi", "Bộ Ví Dụ và Thử Nghiệm")
    ]


def test_a_reader_of_vietnamese_gets_the_vietnamese_name_and_decimal_commas():
    page = read(render_agency(agency_view(samples.make_agency_data()), "vi"))
    assert page.all("h1")[0].text.strip() == "Bộ Ví Dụ và Thử Nghiệm"
    assert re.search(r"\d,\d", page.text)


def test_a_page_names_the_language_its_texts_are_in():
    page = read(render_agency(agency_view(samples.make_agency_data()), "xx"))
    assert page.all("html")[0].attributes["lang"] == "en"


def test_too_little_seen_is_said_before_the_letter():
    text = agency_page(samples.make_agency_data(unseen=0.8)).text
    assert 0 < text.index("Not enough was seen") < text.index("Grade")


def test_enough_seen_is_not_remarked_on():
    assert (
        "Not enough was seen"
        not in agency_page(samples.make_agency_data(unseen=0.0)).text.split("How this was")[0]
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (samples.make_agency_data(failing=0.0, unseen=0.0), "✓ Meets the baseline"),
        (samples.make_agency_data(), "✕ Does not meet the baseline"),
        (make_single(make_finding(CHECKS["certificate.expiry"])), "1 critical finding is open."),
        (samples.make_agency_data(hosts=[]), "Not assessed"),
    ],
)
def test_the_verdict_is_in_words(data, said):
    assert said in agency_page(data).text


def test_a_finding_shows_where_it_is_and_what_to_do():
    finding = make_finding(CHECKS["tls.old-versions"], object="TLS 1.0")
    (item,) = [e for e in agency_page(make_single(finding)).all("li") if e.attributes.get("id") == finding.id]
    said = " ".join(item.text.split())
    for part in ("web-1", "tcp/443", "cong.vi-du.example", "127.20.0.1", "TLS 1.0, TLS 1.1", finding.id):
        assert part in said


def test_the_stamp_is_on_the_page():
    text = agency_page().text
    for part in (
        "sha256:4be1c0ffee12",
        "09/03/2026 08:30",
        "Asia/Ho_Chi_Minh",
        "sha256:5eed5eed5eed",
        "0.1.0",
    ):
        assert part in text


def late(findings, waiver=""):
    """Every failure since New Year, and past its deadline since the last of January unless it is waived."""
    began, due = datetime(2026, 1, 1, 5, tzinfo=UTC), datetime(2026, 1, 31, 5, tzinfo=UTC)
    lives = settle({}, findings, began)
    return {
        id: Aged(replace(life, waiver=waiver), None if waiver else due, not waiver)
        for id, life in lives.items()
    }


def test_what_is_overdue_is_said():
    data = samples.make_single(samples.make_finding(OLD))
    text = agency_page(replace(data, aged=late(data.findings))).text
    for part in ("1 finding is past its deadline.", "was due 31/01/2026", "since 01/01/2026"):
        assert part in text


LEAVE = Waiver("<b>Mended in June.</b>", "Lê", "Trần", date(2026, 6, 30), "central", check="tls.*")


@pytest.mark.parametrize(("waived", "is_said"), [(10, False), (11, True)])
def test_a_banner_says_that_much_is_waived(waived, is_said):
    data = samples.make_single(samples.make_finding(OLD))
    coverage = replace(data.score.coverage, expected=Fraction(100 - waived))
    adjusted = replace(data.score, coverage=coverage, waived=Fraction(waived), grade="B")
    text = agency_page(replace(data, adjusted=adjusted)).text
    assert ("Much is waived" in text) is is_said
    assert f"Without what is waived ({waived}% of the weight)" in text


def test_a_waiver_is_shown_with_who_answers_for_it():
    data = samples.make_single(samples.make_finding(OLD))
    told = replace(data, aged=late(data.findings, LEAVE.key), waivers={LEAVE.key: LEAVE})
    text = agency_page(told).text
    for part in (
        LEAVE.reason,
        "tls.*",
        "owner: Lê",
        "by leave of Trần",
        "(central)",
        "until 30/06/2026",
        "· waived",
    ):
        assert part in text


@pytest.mark.parametrize("failing", [0.2, 1.0])
def test_a_scorecard_of_twenty_hosts_and_sixty_checks_can_be_mailed(failing):
    data = samples.make_agency_data(
        hosts=[samples.make_host(n) for n in range(20)], checks=make_checks(60), failing=failing
    )
    assert len(data.findings) == 1200
    data = replace(data, aged=late(data.findings))
    assert len(render_agency(agency_view(data), "en").encode()) < 300_000


@pytest.mark.parametrize(("hosts", "most"), [(20, 300_000), (200, 1_000_000)])
def test_a_scorecard_with_a_history_can_be_mailed(hosts, most):
    data = samples.make_agency_data(
        hosts=[samples.make_host(n) for n in range(hosts)], checks=make_checks(60)
    )
    failures = [finding for finding in data.findings if finding.outcome is Outcome.FAIL]
    assert len(failures) > 8 * hosts
    # Every other failure shows itself otherwise on each host, as versions and names do.
    own = {
        finding.id: replace(finding, evidence=Text("It says {it}.", {"it": finding.subject.id}))
        for finding in failures[::2]
    }
    data = replace(data, findings=tuple(own.get(finding.id, finding) for finding in data.findings))
    html = render_agency(agency_view(histories.with_history(data)), "vi")
    assert len(html.encode()) < most


def test_the_same_data_gives_the_same_page():
    assert PAGES["agency"]() == PAGES["agency"]()


def test_other_agencies_are_not_on_the_page():
    judgement, inventory, baseline, checks = samples.make_fleet(24)
    data = agency_data(judgement, inventory, baseline, checks=checks, agency_id="bo-vi-du", tz=HANOI)
    html = render_agency(agency_view(data), "en")
    others = [a for a in inventory.agencies if a != "bo-vi-du"] + [
        h for h in inventory.hosts if h not in {x.id for x in data.hosts}
    ]
    assert not [other for other in others if other in html]


def test_a_cause_lists_every_finding_it_makes():
    findings = [make_finding(check, evidence=Text("No TLS is offered.")) for check in CHECKS.values()]
    page = agency_page(make_single(*findings))
    assert {f.id for f in findings} <= set(page.ids)
    assert f"{len(CHECKS)} rules fail for one reason" in page.text


# --- The index ----------------------------------------------------------------------------------------


def test_the_index_links_every_agency():
    data = samples.make_fleet_data(24)
    page = read(render_index(index_view(data), "en"))
    links = {e.attributes["href"] for e in page.all("a")} - {"#main"}
    assert links == {f"agencies/{id}.html" for id in data.agencies} | set(FLEET_PAGES)


def test_the_index_says_how_many_meet_the_baseline_by_tier():
    view = index_view(samples.make_fleet_data(24))
    text = read(render_index(view, "en")).text
    for tier in view.tiers:
        assert f"{tier.tier.capitalize()} {tier.meeting} of {tier.agencies}" in text


@pytest.mark.parametrize("page", [0, 1], ids=["scorecard", "index"])
def test_the_ladder_says_how_many_critical_hosts_reached_each_rung(page):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", ladder_pages()[page]))
    assert "2 critical hosts" in text
    assert "11 A restore was tested (attested) 0 of 2" in text
    assert "7 It lies at another site (attested) 0 of 2 1 more possible" in text
    assert "6 It lies on another host 1 of 2" in text
    assert "On no rung 1 of 2" in text


def test_a_host_says_its_rung():
    page = ladder_pages()[0]
    assert "backups: rung 6, 7 possible" in page
    assert "backups: rung 0<" in page


def test_without_rules_about_backups_there_is_no_ladder():
    assert "ladder of backups" not in PAGES["agency"]() + PAGES["index"]()


def test_an_empty_fleet_has_an_index():
    inventory, baseline = samples.make_inventory([]), samples.make_baseline(CHECKS)
    judgement = samples.make_judgement(inventory, {}, baseline)
    html = render_index(index_view(fleet_data(judgement, inventory, baseline, tz=HANOI)), "en")
    assert "0 of 0 agencies meet the baseline" in read(html).text


def test_an_index_of_seven_hundred_agencies_is_quick_and_light():
    judgement, inventory, baseline, _ = samples.make_fleet(700, hosts_each=2)
    data = fleet_data(judgement, inventory, baseline, tz=HANOI)
    render_index(index_view(samples.make_fleet_data(2)), "en")  # Templates are compiled once.
    start = time.process_time()
    html = render_index(index_view(data), "en")
    assert time.process_time() - start < 5
    assert len(html.encode()) < 1_500_000


# --- The style ----------------------------------------------------------------------------------------

#: Text on its ground; WCAG 2.2 AA asks for 4.5 to 1.
PAIRS = [
    *[(ink, ground) for ink in ("ink", "quiet", "accent", "alarm") for ground in ("paper", "card")],
    *[(ink, "soft") for ink in ("ink", "quiet", "accent")],
    ("on-accent", "accent"),
    ("on-alarm", "alarm-fill"),
    ("alarm", "alarm-soft"),
    ("on-sand", "sand"),
]


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("pair", PAIRS, ids=" on ".join)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(pair, theme):
    style = read(PAGES["agency"]()).all("style")[0].text
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in style.split(":root {")[1:3]
    )
    colours = light if theme == "light" else light | dark
    brighter, darker = sorted((luminance(colours[name]) for name in pair), reverse=True)
    assert (brighter + 0.05) / (darker + 0.05) >= 4.5


# --- Files --------------------------------------------------------------------------------------------


@pytest.fixture
def index():
    return fleet_views(samples.make_fleet_data(2))


@pytest.fixture
def agency():
    return agency_view(make_single())


def test_a_report_is_an_index_and_a_page_an_agency(tmp_path, index, agency):
    folder = tmp_path / "new" / "report"
    assert write_report(folder, index, [agency], language="en") == [
        *(folder / page for page in FLEET_PAGES),
        folder / "agencies" / "bo-vi-du.html",
    ]
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert files == {*FLEET_PAGES, "bo-vi-du.html", MANIFEST}


def test_pages_that_did_not_change_are_left_alone(tmp_path, index, agency):
    pages = write_report(tmp_path, index, [agency], language="en")
    for page in pages:
        os.utime(page, (1, 1))
    write_report(tmp_path, index, [agency], language="en")
    assert {page.stat().st_mtime for page in pages} == {1}


def test_pages_that_changed_are_renewed(tmp_path, index, agency):
    write_report(tmp_path, index, [agency], language="en")
    write_report(tmp_path, index, [replace(agency, tier="renamed")], language="en")
    assert "renamed" in (tmp_path / "agencies/bo-vi-du.html").read_text("utf-8")


def test_pages_of_agencies_that_are_gone_are_removed(tmp_path, index, agency):
    write_report(tmp_path, index, [agency], language="en")
    write_report(tmp_path, index, [], language="en")
    assert not (tmp_path / "agencies/bo-vi-du.html").exists()


def test_a_report_of_some_agencies_leaves_the_other_pages(tmp_path, index, agency):
    write_report(tmp_path, index, [agency], language="en")
    other = replace(agency, agency=replace(agency.agency, id="other"))
    write_report(tmp_path, None, [other], language="en")
    assert sorted(json.loads((tmp_path / MANIFEST).read_text())["pages"]) == [
        "agencies/bo-vi-du.html",
        "agencies/other.html",
        *sorted(FLEET_PAGES),
    ]


@pytest.mark.parametrize("manifest", [None, "{", "[]", '{"pages": 3}', "\x00"])
def test_a_folder_that_holds_something_else_is_refused(tmp_path, agency, manifest):
    (tmp_path / "thesis.odt").write_text("years of work")
    if manifest is not None:
        (tmp_path / MANIFEST).write_text(manifest)
    with pytest.raises(ReportError, match="nothing was written"):
        write_report(tmp_path, None, [agency], language="en")
    assert not (tmp_path / "agencies").exists()


def test_a_file_is_no_folder(tmp_path, agency):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="is a file"):
        write_report(tmp_path / "file", None, [agency], language="en")


def test_a_manifest_that_names_other_files_removes_none(tmp_path, index):
    folder = tmp_path / "report"
    folder.mkdir()
    (tmp_path / "precious.html").write_text("")
    (folder / "notes.html").write_text("")
    (folder / MANIFEST).write_text(
        json.dumps({"pages": ["../precious.html", "notes.html", 3, "agencies/../notes.html"]})
    )
    write_report(folder, index, [], language="en")
    assert (tmp_path / "precious.html").exists()
    assert (folder / "notes.html").exists()


@pytest.mark.parametrize("id", ["../evil", "", ".hidden", "a/b", "a\\b", "tỉnh"])
def test_an_agency_id_that_is_no_slug_names_no_file(tmp_path, agency, id):
    with pytest.raises(ReportError, match="can't name a file"):
        write_report(tmp_path, None, [replace(agency, agency=replace(agency.agency, id=id))], language="en")


def test_a_report_that_was_cut_short_is_known_as_ours(tmp_path, index, agency):
    def cut_short():
        yield agency
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path, index, cut_short(), language="en")
    assert write_report(tmp_path, index, [agency], language="en")


def test_a_part_that_a_killed_write_left_is_no_obstacle(tmp_path, index):
    (tmp_path / f".secscan-part-{MANIFEST}").write_text("{")
    assert write_report(tmp_path, index, [], language="en")


def test_the_scale_of_a_chart_has_a_point_in_every_language():
    view = agency_view(samples.make_agency_data())
    view = replace(
        view, score=replace(view.score, range=replace(view.score.range, verified=Fraction(1003, 20)))
    )
    assert 'width="50.15%"' in render_agency(view, "vi")
