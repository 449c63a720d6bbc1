"""A page of Debian's Chromium."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping

from playwright.sync_api import Page, sync_playwright


@contextlib.contextmanager
def browser_page(headers: Mapping[str, str] | None = None) -> Iterator[Page]:
    """Open a page until the end of the block, in which nothing else may run an event loop.

    With headers, something between the page and the service adds them to each request, as a gateway does.
    """
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser.new_page(extra_http_headers=dict(headers or {}))
        browser.close()
