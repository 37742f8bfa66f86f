"""Tests of the fixtures: each of these pages has one fault, which must fail the test."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import LARGEST_PAGE, Tab

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"
HEAD = '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>A page</title>'
GOOD = f'{HEAD}<main><h1>A page</h1></main><script src="/quiet.js"></script>'
FAULTS = {
    "inline script": (GOOD + "<script>1</script>", "violation of the content security policy"),
    "inline style": (GOOD.replace("<h1>", '<h1 style="color: red">'), "violation of the content security policy"),
    "console error": (GOOD.replace("quiet", "loud"), "console: oh"),
    "exception": (GOOD.replace("quiet", "broken"), "error in a script"),
    "other host": (GOOD.replace("/quiet.js", "http://other.invalid/quiet.js"), "request to another host"),
    "missing asset": (GOOD.replace("quiet", "missing"), "returned 404"),
    "no language": (GOOD.replace(' lang="en"', ""), "no title or language"),
    "label": (GOOD.replace("</h1>", "</h1><input>"), '"rule": "label"'),
    "too large": (GOOD + f"<!--{'x' * LARGEST_PAGE}-->", "bytes"),
    "too wide": (GOOD.replace("</h1>", f"</h1><p>{'x' * 500}</p>"), "wider than the window"),
}
SCRIPTS = {"/quiet.js": "1", "/loud.js": "console.error('oh')", "/broken.js": "oh()"}


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.strip("/").replace("-", " ")
        page, script = dict(FAULTS, good=(GOOD, "")).get(name), SCRIPTS.get(self.path)
        self.send_response(200 if page or script or self.path == "/favicon.ico" else 404)
        self.send_header("Content-Type", "text/html" if page else "text/javascript")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write((page[0] if page else script or "").encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def watched(browser: Browser, pages: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tab]:
    monkeypatch.setattr("tests.browser.conftest.SCREENSHOTS", tmp_path)
    context = browser.new_context()
    yield Tab(context, SimpleNamespace(base_url=pages))
    context.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_the_test(fault: str, watched: Tab) -> None:
    watched.open(f"/{fault.replace(' ', '-')}")
    with pytest.raises(AssertionError, match=FAULTS[fault][1]):
        watched.inspect("fault")


def test_a_good_page_passes(watched: Tab) -> None:
    watched.open("/good")
    watched.inspect("fault")
