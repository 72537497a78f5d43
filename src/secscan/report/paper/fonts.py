"""The fonts of paper: DejaVu, of the system's package, put into every PDF.

WeasyPrint sets text with Pango, which the system brings, and Debian's fontconfig-config brings these fonts along. They
have every letter of Vietnamese, the signs that pages use, and one width for what is typed; Noto Sans and Be Vietnam Pro
lack the signs.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from secscan.language import _
from secscan.report.paper.trouble import PaperError

#: Where systems keep fonts; a user's own come first.
FOLDERS = (Path.home() / ".local/share/fonts", Path("/usr/local/share/fonts"), Path("/usr/share/fonts"))

SANS, MONO = "secscan sans", "secscan mono"


@dataclass(frozen=True, slots=True)
class Face:
    """One file of a family."""

    family: str
    weight: int
    file: str


FACES = (
    Face(SANS, 400, "DejaVuSans.ttf"),
    Face(SANS, 700, "DejaVuSans-Bold.ttf"),
    Face(MONO, 400, "DejaVuSansMono.ttf"),
    Face(MONO, 700, "DejaVuSansMono-Bold.ttf"),
)


def font_faces(folders: Iterable[Path] = FOLDERS) -> str:
    """A style sheet with the fonts in it. Raises PaperError where a file of theirs is nowhere."""
    return "\n".join(_rules(tuple(folders)))


def _rules(folders: tuple[Path, ...]) -> Iterator[str]:
    for face in FACES:
        path = next((found for folder in folders for found in sorted(folder.rglob(face.file))), None)
        if path is None:
            raise PaperError(
                _(
                    "The font file {file} was not found, and without it a PDF may not show Vietnamese; install the "
                    "package fonts-dejavu-core (on Debian and Ubuntu) or dejavu-sans-fonts and dejavu-sans-mono-fonts"
                ).format(file=face.file)
            )
        content = base64.b64encode(path.read_bytes()).decode("ascii")
        yield (
            f'@font-face {{ font-family: "{face.family}"; font-weight: {face.weight}; '
            f'src: url("data:font/ttf;base64,{content}"); }}'
        )
