"""gettext for everything that is shown: the command line, reports, and the texts of checks."""

import gettext
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files

from secscan.model import Text

DOMAIN = "secscan"

#: The languages there are: English, which messages are written in, and those with a catalogue.
LANGUAGES = ("en", "vi")

#: What can go wrong where a template meets its values: a translation that names a value which is not there, or
#: host text that a check put into its template by mistake.
UNFILLABLE = (LookupError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class _Speech:
    code: str = "en"
    catalogue: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)


_current: ContextVar[_Speech] = ContextVar("language", default=_Speech())  # noqa: B039 - a _Speech is never changed


def use(language: str) -> None:
    """Speak ``language`` (``en``, ``vi``, ``vi_VN``) from here on; English where no catalogue has it."""
    _current.set(_speech(language))


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak ``language`` within the block, and what was spoken before after it."""
    before = _current.set(_speech(language))
    try:
        yield
    finally:
        _current.reset(before)


def in_use() -> str:
    """The code of the language in use, without a country: it decides how numbers and dates are written."""
    return _current.get().code


def texts_in() -> str:
    """The code of the language that messages come in: English where no catalogue has the one in use."""
    speech = _current.get()
    return speech.code if isinstance(speech.catalogue, gettext.GNUTranslations) else "en"


def _(message: str) -> str:
    """The message in the language in use."""
    return _current.get().catalogue.gettext(message) if message else ""


def mark(message: str) -> str:
    """The message unchanged: marks it for extraction where it is written down before it is translated."""
    return message


def choose(one: str, many: str, n: int) -> str:
    """``one`` or ``many`` for ``n`` in the language in use, not filled in."""
    return _current.get().catalogue.ngettext(one, many, n)


def plural(one: str, many: str, n: int) -> str:
    """``one`` or ``many`` for ``n`` in the language in use; both are templates with ``{n}``."""
    return choose(one, many, n).format(n=n)


def say(text: Text) -> str:
    """A Text in the language in use, its values filled in but not escaped.

    Where the translation does not fit the values the English is said; where that does not fit either, the
    template as it stands: a page is not lost over one sentence.
    """
    for template in (_(text.template), text.template):
        try:
            return template.format_map(text.values) if text.values else template
        except UNFILLABLE:
            continue
    return text.template


def code_of(locale: str) -> str:
    """The language of a locale's name, without country, encoding and variant: ``vi`` of ``vi_VN.UTF-8@currency``."""
    return re.split(r"[-_.@]", locale, maxsplit=1)[0].lower()


@cache
def _speech(language: str) -> _Speech:
    code = code_of(language)
    # gettext reads catalogues from folders only, so a zipped package would be unpacked here.
    with as_file(files("secscan.reports").joinpath("locale")) as folder:
        catalogue = gettext.translation(DOMAIN, folder, [code], fallback=True)
    return _Speech(code or "en", catalogue)
