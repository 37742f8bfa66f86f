"""The requests of the README and the tour stop at the first failure, in every shell. Needs no stack."""

import http.server
import os
import threading
from collections.abc import Iterator

import pytest

from . import shells

DOCUMENTS = ("README.md", "shared/docs/tour.md")


class BrokenApi(http.server.ThreadingHTTPServer):
    """Refuses every request, and counts them."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Refusal)
        self.requests: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Refusal(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append(f"{self.command} {self.path} {self.headers['Content-Type']}")
        body = b'{"detail": "It is broken."}'
        self.send_response(500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

    def log_message(self, *_arguments) -> None:
        pass


@pytest.fixture
def api() -> Iterator[BrokenApi]:
    with BrokenApi() as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("interactive", [False, True], ids=["script", "typed"])
def test_the_first_failure_stops_it(shell: str, interactive: bool, document: str, api: BrokenApi) -> None:
    # Nothing listens there: with this proxy, no request would arrive.
    environment = os.environ | {"API": api.url, "http_proxy": "http://127.0.0.1:9"}
    environment.pop("NO_PROXY", None)
    environment.pop("no_proxy", None)
    result = shells.run(shell, shells.script_of(document), interactive, env=environment)
    said = result.stdout + result.stderr
    assert api.requests == ["POST /api/accounts/register/ application/json"], said
    for text in ("Traceback", "not found", "no matches"):
        assert text not in said, said
    assert "500" in said, said
    if not interactive:
        assert result.returncode != 0, said
