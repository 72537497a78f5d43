"""gettext for everything that is shown: the command line, reports, and the texts of checks."""

import gettext
from contextvars import ContextVar
from importlib.resources import as_file, files

from secscan.model import Text

DOMAIN = "secscan"

_current: ContextVar[gettext.NullTranslations] = ContextVar("language", default=gettext.NullTranslations())  # noqa: B039 - NullTranslations is never changed


def use(language: str) -> None:
    """Speak ``language`` (``en``, ``vi``) from here on; English where no catalogue has it."""
    with as_file(files("secscan.reports").joinpath("locale")) as folder:
        _current.set(gettext.translation(DOMAIN, folder, [language], fallback=True))


def _(message: str) -> str:
    """The message in the language in use."""
    return _current.get().gettext(message)


def plural(one: str, many: str, n: int) -> str:
    """``one`` or ``many`` for ``n`` in the language in use; both are templates with ``{n}``."""
    return _current.get().ngettext(one, many, n).format(n=n)


def say(text: Text) -> str:
    """A Text in the language in use, its values filled in but not escaped."""
    template = _(text.template)
    return template.format_map(text.values) if text.values else template
