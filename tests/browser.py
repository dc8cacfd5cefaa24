"""A headless Chromium for tests of pages: the one that is installed, or the tests are skipped."""

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")  # so that no process a later test starts has a hold on it
def chromium():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install -r requirements-dev.txt"
    )
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if not path:
        pytest.skip("no Chromium to look at pages with: on Debian, apt install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def look(chromium):
    """Opens a file in a tab of its own; a message on its console fails the test."""
    contexts, wrong = [], []

    def open_page(path, scripts: bool = True, anchor: str = "", **options):
        context = chromium.new_context(java_script_enabled=scripts, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())
        page.goto(path.resolve().as_uri() + anchor)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong
