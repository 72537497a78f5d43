"""Which language is spoken, and that every catalogue says all there is to say, with the values that belong in it."""

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from markupsafe import Markup

from secscan.cli.console import language_of
from secscan.language import LANGUAGES, _, choose, code_of, speaking, texts_in
from tools.messages import untranslated, updated

ROOT = Path(__file__).parent.parent

#: `%(name)s` and `%%`, as templates of pages and click have them.
_PERCENT = re.compile(r"%(?:\([a-z_]+\)[sd]|%)")
_TAG = re.compile(r"</?[a-z][^<>]*>")
_CODE = re.compile(r"`+[^`]+`+")

TRANSLATED = [language for language in LANGUAGES if language != "en"]


def catalogue(language: str) -> Catalog:
    with (ROOT / f"reports/locale/{language}/LC_MESSAGES/secscan.po").open("rb") as file:
        return read_po(file, locale=language)


def translations(language: str) -> Iterator[tuple[Message, str, str]]:
    """Each message, what it is in English, and each of its translations."""
    for message in catalogue(language):
        if message.id:
            english = message.id if isinstance(message.id, str) else message.id[1]
            for string in (message.string,) if isinstance(message.string, str) else message.string:
                yield message, english, string


def fields(text: str) -> list[str]:
    """The values that a template takes, with the way in which each is written; what is none has one that fits none."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return [] if "{" not in text else ["not a template"]
    return sorted(
        f"{name}!{conversion}:{spec}" for _literal, name, spec, conversion in parts if name is not None
    )


# --- What each catalogue says -----------------------------------------------------------------------------


def test_every_language_but_english_has_a_catalogue() -> None:
    folders = {path.parent.parent.name for path in (ROOT / "reports/locale").glob("*/LC_MESSAGES/secscan.po")}
    assert sorted(folders) == TRANSLATED


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated(language: str) -> None:
    assert list(untranslated(catalogue(language))) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_entry_is_obsolete(language: str) -> None:
    assert list(catalogue(language).obsolete) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_plurals_have_as_many_forms_as_the_language(language: str) -> None:
    said = catalogue(language)
    wrong = [m.id for m in said if m.pluralizable and len(m.string) != said.num_plurals]
    assert wrong == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_takes_the_values_of_its_message(language: str) -> None:
    wrong = [
        (english, string)
        for _message, english, string in translations(language)
        # Only templates: what is said as it stands may hold a single brace.
        if string and fields(english) and set(fields(english)) != set(fields(string))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_percent_signs_of_its_message(language: str) -> None:
    wrong = [
        (english, string)
        for _message, english, string in translations(language)
        if string and set(_PERCENT.findall(english)) != set(_PERCENT.findall(string))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_tags_and_the_code_of_its_message(language: str) -> None:
    wrong = [
        (english, string)
        for _message, english, string in translations(language)
        if string
        for shape in (_TAG, _CODE)
        if sorted(shape.findall(english)) != sorted(shape.findall(string))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_begins_and_ends_with_the_blanks_of_its_message(language: str) -> None:
    wrong = [
        (english, string)
        for _message, english, string in translations(language)
        if string
        and (
            re.match(r"\s*", english)[0] != re.match(r"\s*", string)[0]  # type: ignore[index]  # matches anything
            or re.search(r"\s*$", english)[0] != re.search(r"\s*$", string)[0]  # type: ignore[index]
        )
    ]
    assert wrong == []


# --- What is said by it -----------------------------------------------------------------------------------


def test_messages_come_in_vietnamese() -> None:
    with speaking("vi"):
        assert (texts_in(), _("Agency"), choose("{n} host", "{n} hosts", 2)) == (
            "vi",
            "Cơ quan",
            "{n} máy chủ",
        )


def test_a_page_says_markup_in_vietnamese() -> None:
    with speaking("vi"):
        assert _(Markup("Agency")) == "Cơ quan"


@pytest.mark.parametrize(
    ("locale", "code"),
    [
        ("vi", "vi"),
        ("vi_VN", "vi"),
        ("vi-VN", "vi"),
        ("vi_VN.UTF-8@x", "vi"),
        ("VI", "vi"),
        ("en.UTF-8", "en"),
    ],
)
def test_a_locale_has_a_language(locale: str, code: str) -> None:
    assert code_of(locale) == code


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "vi_VN.UTF-8"}, "vi"),
        ({"LANG": "vi_VN.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LC_MESSAGES": "vi_VN.UTF-8", "LANG": "en_GB.UTF-8"}, "vi"),
        ({"LC_ALL": "en_GB.UTF-8", "LC_MESSAGES": "vi_VN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "vi_VN.UTF-8"}, "vi"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANGUAGE": "vi", "LANG": "en_GB.UTF-8"}, "vi"),
        ({"LANGUAGE": "fr:vi:en", "LANG": "en_GB.UTF-8"}, "vi"),
        ({"LANGUAGE": "fr", "LANG": "vi_VN.UTF-8"}, "vi"),
        ({"LANGUAGE": "en", "LC_ALL": "vi_VN.UTF-8"}, "en"),
        # In the locale C programs speak as they were written, whatever LANGUAGE says.
        ({"LANGUAGE": "vi"}, "en"),
        ({"LANGUAGE": "vi", "LANG": "C.UTF-8"}, "en"),
        ({"LANGUAGE": "vi", "LC_ALL": "POSIX", "LANG": "vi_VN"}, "en"),
    ],
)
def test_the_environment_has_a_language(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


# --- How a catalogue is brought up to its sources ----------------------------------------------------------


def template(*messages: str) -> str:
    return 'msgid ""\nmsgstr ""\n\n' + "\n".join(f'msgid "{message}"\nmsgstr ""\n' for message in messages)


def small(**said: str) -> Catalog:
    made = Catalog(locale="vi")
    for message, string in said.items():
        made.add(message, string)
    return made


def test_a_translation_is_kept() -> None:
    assert updated(small(host="máy chủ"), template("host"))["host"].string == "máy chủ"


def test_a_message_like_another_is_not_guessed() -> None:
    made = updated(small(hosts="máy chủ"), template("host"))
    assert (made["host"].string, made["host"].fuzzy) == ("", False)


def test_an_obsolete_entry_stays_while_a_message_lacks_its_translation() -> None:
    assert list(updated(small(hosts="máy chủ"), template("host")).obsolete) == ["hosts"]


def test_an_obsolete_entry_goes_with_the_last_untranslated_message() -> None:
    assert list(updated(small(hosts="các máy chủ", host="máy chủ"), template("host")).obsolete) == []


def test_a_doubtful_translation_counts_as_none() -> None:
    made = small(host="máy chủ")
    made["host"].flags.add("fuzzy")
    assert list(untranslated(made)) == ["host"]


def test_a_plural_without_a_form_counts_as_untranslated() -> None:
    made = Catalog(locale="vi")
    made.add(("{n} host", "{n} hosts"), ("",))
    assert list(untranslated(made)) == ["{n} host"]
