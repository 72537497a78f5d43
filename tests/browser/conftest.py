"""The browser of these tests: one Chromium for all tests of a file."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.checking import CHROMIUM


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Not for the whole session: Playwright keeps a loop of asyncio running, beside which nothing else can start one.
    if not CHROMIUM.is_file():
        pytest.skip("chromium is not installed (package chromium)")
    with sync_playwright() as playwright:
        # Debian's own; as root it has no sandbox, and in a container /dev/shm is small.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-background-networking",
            ],
        )
        yield browser
        browser.close()
