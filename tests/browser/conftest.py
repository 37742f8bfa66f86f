"""Fixtures for browser tests: a browser, and tabs that fail the test on any error in a page."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, Response, expect, sync_playwright

from tests.browser import browsers
from tests.people import Person, Stack

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / ".local" / "screenshots"
AXE = (ROOT / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js").read_text()
LARGEST_PAGE = 100 * 1024
# Generous, so that tests do not depend on the speed of the machine.
_TIMEOUT_MS = 60_000
expect.set_options(timeout=_TIMEOUT_MS)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def stack() -> Stack:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return Stack()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = browsers.chromium()
    assert path, "Chromium was not found: run `make test`, which installs it"
    # Uses a new profile, which is deleted afterwards.
    launched = playwright.chromium.launch(executable_path=path, args=browsers.CHROMIUM_ARGUMENTS)
    yield launched
    launched.close()


class Tab:
    """A page in its own browser context, which records all errors."""

    def __init__(self, context: BrowserContext, stack: Stack):
        self.stack = stack
        self.page: Page = context.new_page()
        self.page.set_default_timeout(_TIMEOUT_MS)
        self._hosts = {urlsplit(stack.base_url).netloc}
        self._errors: list[str] = []
        self._expected: list[tuple[int, str]] = []
        self._bytes: dict[str, int] = {}
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self._errors.append(f"error in a script: {error}"))
        self.page.on("request", self._on_request)
        self.page.on("response", self._on_response)
        self.page.on("requestfailed", self._on_failure)
        # A page with texts that were not sent asks before it is left.
        self.page.on("dialog", lambda dialog: dialog.accept())
        # Also reports violations that the console does not show.
        self.page.expose_function("tellViolation", lambda what: self._errors.append(f"violation of the content security policy: {what}"))
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', event => tellViolation(`${event.violatedDirective} ${event.blockedURI}`))"
        )

    def expect(self, status: int, path: str) -> None:
        """Allows this error response from now on. Otherwise, each response from 400 on is an error."""
        self._expected.append((status, path))

    def forget_errors(self, text: str) -> None:
        """Forgets errors that a test has caused, which contain a text."""
        assert any(text in error for error in self._errors), f"nothing has failed with {text}"
        self._errors = [error for error in self._errors if text not in error]

    def allow_files(self) -> None:
        """Allows requests to the storage of files, too."""
        self._hosts.add(urlsplit(self.stack.description["endpoint_url"]).netloc)

    def open(self, path: str) -> Response | None:
        return self.page.goto(self.stack.base_url + path)

    def open_at(self, url: str) -> Response | None:
        """Opens a page at another address of the stack."""
        self._hosts.add(urlsplit(url).netloc)
        return self.page.goto(url)

    def _on_console(self, message: ConsoleMessage) -> None:
        path = urlsplit(message.location.get("url", "")).path
        if message.type == "error" and not any(f"status of {status} " in message.text and path == known for status, known in self._expected):
            self._errors.append(f"console: {message.text} ({path})")

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        # The last two are parts of the viewer of PDFs.
        if url.scheme not in ("data", "blob", "chrome", "chrome-extension") and url.netloc not in self._hosts:
            self._errors.append(f"request to another host: {request.url}")

    def _on_response(self, response: Response) -> None:
        path = urlsplit(response.url).path
        if response.status >= 400 and (response.status, path) not in self._expected:
            self._errors.append(f"{response.request.method} {path} returned {response.status}")

    def _on_failure(self, request: Request) -> None:
        # Leaving a page aborts its pending requests.
        if request.failure != "net::ERR_ABORTED":
            self._errors.append(f"{request.method} {request.url} failed: {request.failure}")

    def assert_quiet(self) -> None:
        """Fails if there was any error so far."""
        assert not self._errors, "\n".join(self._errors)

    def inspect(self, name: str, is_ours: bool = True, largest: int = LARGEST_PAGE, is_dialog: bool = False) -> None:
        """Checks a page in light and dark mode, on a desktop and on a phone, and takes screenshots. Size (`largest` bytes),
        layout and accessibility are checked for our own pages only. Of a dialog, the window is shown."""
        page = self.page
        page.wait_for_load_state("networkidle")
        assert page.title() and page.locator("html[lang]").count() == 1, f"{name}: no title or language: add <title> and <html lang>"
        if is_ours:
            # The uncompressed size of the page and its resources.
            sizes = page.evaluate(
                "() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map(each => each.decodedBodySize)"
            )
            assert sum(sizes) < largest, f"{name}: {sum(sizes)} bytes, more than {largest}"
        for suffix, scheme, size in [("", "light", DESKTOP), ("-dark", "dark", DESKTOP), ("-phone", "light", PHONE)]:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            page.screenshot(path=SCREENSHOTS / f"{name}{suffix}.png", full_page=is_ours and not is_dialog)
            if is_ours:
                # The theme changes colours, nothing else.
                self.check(f"{name}{suffix}", rules=["color-contrast", "link-in-text-block"] if scheme == "dark" else None)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESKTOP)
        self.assert_quiet()

    def check(self, name: str, rules: list[str] | None = None) -> None:
        """Checks accessibility, by all rules or some of them, and layout of a page as it is."""
        self._assert_accessible(name, rules)
        too_wide = self.page.evaluate("() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{name} is {too_wide} pixels wider than the window"

    def _assert_accessible(self, name: str, rules: list[str] | None) -> None:
        # Colours are checked after all transitions.
        self.page.wait_for_function("() => document.getAnimations().every(each => each.playState !== 'running')")
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        # Passed rules are not reported: that takes time on long pages.
        options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
        violations = self.page.evaluate("async options => (await axe.run(options)).violations", options)
        serious = [
            {"rule": each["id"], "help": each["help"], "nodes": [node["html"][:200] for node in each["nodes"]]}
            for each in violations
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == [], f"{name}: {json.dumps(serious, indent=2)}"


@pytest.fixture
def new_tab(browser: Browser, stack: Stack) -> Iterator[Callable[..., Tab]]:
    """Opens tabs in separate browser contexts; they are checked when the test ends."""
    tabs: list[tuple[BrowserContext, Tab]] = []

    def open_tab(**options: Any) -> Tab:
        context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce", **options)
        tabs.append((context, Tab(context, stack)))
        return tabs[-1][1]

    yield open_tab
    for context, tab in tabs:
        tab.assert_quiet()
        context.close()


@pytest.fixture
def tab(new_tab: Callable[..., Tab]) -> Tab:
    """A tab without a session."""
    return new_tab()


@pytest.fixture(scope="session")
def admin(stack: Stack) -> Person:
    return stack.admin()
