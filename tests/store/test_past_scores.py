from dataclasses import replace
from fractions import Fraction

import pytest

from secscan.model import Range
from secscan.store import Store
from tests.store.samples import a_finding, a_group_score, a_host_score, a_judgement, a_start, later


def save(store, run, verified):
    """A judgement of ``run`` by which the agency and its host have this score."""
    scored = Range(Fraction(verified), Fraction(100))
    judgement = replace(
        a_judgement(run, {"web-1": [a_finding()]}, at=later(run)),
        agencies={"ministry": a_group_score("ministry", members=("web-1",), range=scored)},
        hosts={"web-1": a_host_score("web-1", range=scored)},
    )
    store.save_judgement(run, judgement, {})
    store.finish(run, later(run))


@pytest.fixture
def store(tmp_path):
    """Four runs, of which the second was judged again, and the third scored as the one before it."""
    with Store.open(tmp_path / "secscan.db", create=True) as store:
        for verified in (10, 20, 25, 40):
            save(store, store.begin_run(a_start()), verified)
            if verified == 20:
                save(store, 2, 25)
        yield store


def told(past):
    return [(one.stamp.run, one.agency and int(one.agency.range.verified)) for one in past]


def test_every_run_has_the_score_of_its_newest_judgement(store):
    assert told(store.past_scores("ministry", last=12)) == [(1, 10), (2, 25), (3, 25), (4, 40)]


def test_only_the_last_runs_are_told(store):
    assert told(store.past_scores("ministry", last=2)) == [(3, 25), (4, 40)]


def test_what_came_later_is_not_the_past_of_a_run(store):
    assert told(store.past_scores("ministry", run=3, last=12)) == [(1, 10), (2, 25), (3, 25)]


def test_hosts_have_theirs(store):
    past = store.past_scores("ministry", ["web-1"], last=2)
    assert [int(one.hosts["web-1"].range.verified) for one in past] == [25, 40]


def test_hosts_that_are_not_asked_for_have_none(store):
    assert all(one.hosts == {} for one in store.past_scores("ministry", last=12))


def test_an_agency_that_was_not_judged_has_none(store):
    assert told(store.past_scores("other", last=1)) == [(4, None)]
