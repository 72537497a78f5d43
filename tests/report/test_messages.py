"""What is shown can be translated: words for everything there is, and a template of messages that is up to date."""

import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from secscan.language import _, plural, say, speaking, texts_in
from secscan.model import Outcome, Reason, Severity, Text
from secscan.registry import find_checks
from secscan.report import words

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def messages() -> set[str]:
    with (ROOT / "reports/locale/secscan.pot").open("rb") as file:
        return {m.id if isinstance(m.id, str) else m.id[0] for m in read_po(file)}


def test_the_template_of_messages_is_up_to_date():
    done = subprocess.run(
        [sys.executable, "tools/messages.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "message", ["What to do first", "critical", "No answer in time", "Not seen: {detail}"]
)
def test_messages_of_templates_words_and_evidence_are_extracted(messages, message):
    assert message in messages


def test_the_documentation_of_every_check_is_extracted(messages):
    for check in find_checks().values():
        assert {check.claim, check.why, check.fix} <= messages


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason):
    assert words.reason_word(reason)
    assert words.reason_meaning(reason).endswith(".")


@pytest.mark.parametrize("severity", Severity)
def test_every_severity_has_a_word(severity):
    assert words.severity_word(severity) == severity.word


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_word(outcome):
    assert words.outcome_word(outcome)


def test_an_operators_own_words_are_shown_as_written():
    assert words.tier_word("vùng\u202e") == "vùng⟨U+202E⟩"
    assert words.domain_word("physical") == "physical"


def test_no_message_is_translated_to_the_head_of_the_catalogue():
    assert _("") == ""


def test_without_a_catalogue_texts_are_english():
    with speaking("xx"):
        assert texts_in() == "en"


def test_a_plural_is_filled_in():
    assert [plural("{n} host", "{n} hosts", n) for n in (1, 2)] == ["1 host", "2 hosts"]


def test_a_sentence_with_values_that_do_not_fit_is_said_as_it_stands():
    assert say(Text("{a}", {"b": 1})) == "{a}"
