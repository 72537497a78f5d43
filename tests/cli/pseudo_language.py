"""A language that nobody speaks, to find words that no catalogue has: each message in letters of another script.

Only the words of messages change: values, names in braces and tags of HTML stay. So English letters in what is printed
are host data, names and ids, or words that can't be translated.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]

#: What stays in a message: `{name!r:>4}`, `%(name)s`, `%%`, `<b>`, `&lt;`.
_KEPT = re.compile(r"\{\{|\}\}|\{[^{}]*\}|%\([a-z_]+\)[sd]|%%|</?[a-z][^<>]*>|&[a-z]+;|\x08")

#: a to z, A to Z -> letters of the Cyrillic block, each one column wide.
_LETTERS = {ord("a") + i: 0x0430 + i for i in range(26)} | {ord("A") + i: 0x0410 + i for i in range(26)}


def pseudo(message: str) -> str:
    """The message in letters of another script, everything else as it was."""
    kept = [*_KEPT.findall(message), ""]
    return "".join(
        words.translate(_LETTERS) + keep for words, keep in zip(_KEPT.split(message), kept, strict=True)
    )


def write_package(folder: Path) -> None:
    """secscan as it is, but for its Vietnamese catalogue, in ``folder``, which goes into PYTHONPATH."""
    package = folder / "secscan"
    package.mkdir()
    for path in (ROOT / "src/secscan").iterdir():
        if path.name not in ("checks", "__pycache__"):
            (package / path.name).symlink_to(path)
    for name in ("checks", "profiles"):
        (package / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "reports", package / "reports", ignore=shutil.ignore_patterns("locale"))
    compiled = package / "reports/locale/vi/LC_MESSAGES/secscan.mo"
    compiled.parent.mkdir(parents=True)
    with compiled.open("wb") as file:
        write_mo(file, _catalogue())


def english(text: str) -> Iterator[str]:
    """Words in English letters that stand beside each other: what is left of a sentence."""
    yield from re.findall(r"(?<![\w.@/-])[A-Za-z][a-z']+(?:,? [A-Za-z][a-z']+)+(?![\w@/-])", text)


def _catalogue() -> Catalog:
    with (ROOT / "reports/locale/secscan.pot").open("rb") as file:
        template = read_po(file)
    made = Catalog(locale="vi")
    for message in template:
        if message.id:
            # Vietnamese has one form for every number.
            english = message.id if isinstance(message.id, str) else message.id[1]
            made.add(message.id, (pseudo(english),) if message.pluralizable else pseudo(english))
    return made
