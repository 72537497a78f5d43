"""Takes the pictures of README.md from the demo's scorecards, with Debian's chromium: `make screenshots`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: Picture -> page of the report, width and height in CSS pixels.
PICTURES = {
    "scorecard.png": ("agencies/tinh-song-mau.html", 1000, 1150),
    "index.png": ("index.html", 1000, 1250),
}

#: Without these chromium calls home at every start.
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def main(report: Path) -> int:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("chromium is not installed (package chromium)\n")
        return 2
    if not (report / "index.html").is_file():
        sys.stderr.write(f"there is no report in {report}; write one with: make demo\n")
        return 2
    for picture, (page, width, height) in PICTURES.items():
        with tempfile.TemporaryDirectory() as profile:
            subprocess.run(
                [
                    chromium,
                    *QUIET,
                    f"--user-data-dir={profile}",
                    f"--window-size={width},{height}",
                    f"--screenshot={ROOT / 'docs' / picture}",
                    (report / page).resolve().as_uri(),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=60,
            )
        print(f"docs/{picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "demo" / "report")))
