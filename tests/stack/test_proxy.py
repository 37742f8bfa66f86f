"""Tests of the proxy in front of the emulated API Gateway, with a server of their own in its place."""

import asyncio
import gzip
import json
import socket
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from aiohttp import web

from .emulator import free_port
from .proxy import Proxy

_WEB_CLIENT = "http://localhost:3000"


class _Gateway:
    """Responds to every request with what has arrived, and allows one origin."""

    def __enter__(self) -> str:
        self._loop = asyncio.new_event_loop()
        # Like the emulator, it does not unpack bodies.
        self._runner = web.AppRunner(self._application(), auto_decompress=False)
        port = self._loop.run_until_complete(self._start())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("GET", "/_ministack/ses/messages", self._mails)
        application.router.add_route("*", "/{path:.*}", self._respond)
        return application

    async def _start(self) -> int:
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(self._runner, listener).start()
        return listener.getsockname()[1]

    async def _mails(self, _request: web.Request) -> web.Response:
        return web.json_response({"messages": {}})

    async def _respond(self, request: web.Request) -> web.Response:
        body = await request.read()
        origin = request.headers.get("Origin")
        seen = {"body": body.hex(), "encoding": request.headers.get("Content-Encoding"), "origin": origin}
        headers = {"Access-Control-Allow-Origin": origin} if origin == _WEB_CLIENT else {}
        return web.json_response(seen, headers=headers)


class ProxyTest(unittest.TestCase):
    def _through(self, web_client: str | None, requests) -> list:
        """Sends requests, each of body and headers, through a proxy; returns what has arrived, and the allowed origins."""
        with _Gateway() as url, tempfile.TemporaryDirectory() as folder:
            port = free_port()
            seen = []
            proxy = Proxy(port, url, "api", Path(folder))
            proxy.web_client = web_client
            with proxy.running():
                for body, headers in requests:
                    headers = {name: value.format(port=port) for name, value in headers.items()}
                    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body, headers=headers, method="POST")
                    # A proxy that waits for more than has been sent would hang.
                    with urllib.request.urlopen(request, timeout=10) as response:
                        seen.append((json.load(response), response.headers.get("Access-Control-Allow-Origin")))
            return seen

    def test_bodies_are_passed_as_they_are(self):
        plain = b'{"a": "' + b"x" * 10_000 + b'"}'
        for body in (gzip.compress(plain), gzip.compress(b"{}"), b"not packed at all", b"\x1f\x8b"):
            [(seen, _)] = self._through(None, [(body, {"Content-Encoding": "gzip", "Content-Type": "application/json"})])
            self.assertEqual((seen["body"], seen["encoding"]), (body.hex(), "gzip"))

    def test_other_origins_on_this_machine_are_allowed_where_one_is(self):
        origins = ["http://localhost:5173", "http://127.0.0.1:8080", "http://[::1]:3000", "https://localhost", _WEB_CLIENT]
        for origin, (seen, allowed) in zip(origins, self._through(_WEB_CLIENT, [(b"{}", {"Origin": each}) for each in origins])):
            self.assertEqual((seen["origin"], allowed), (_WEB_CLIENT, origin))

    def test_origins_elsewhere_and_that_of_the_api_are_left_alone(self):
        origins = ["https://evil.example.org", "http://localhost.evil.example.org:3000", "null", "http://localhost:{port}"]
        for seen, allowed in self._through(_WEB_CLIENT, [(b"{}", {"Origin": each}) for each in origins]):
            self.assertNotEqual(seen["origin"], _WEB_CLIENT)
            self.assertIsNone(allowed)

    def test_without_it_only_the_configured_origin_is_allowed(self):
        [(seen, allowed)] = self._through(None, [(b"{}", {"Origin": "http://localhost:5173"})])
        self.assertEqual((seen["origin"], allowed), ("http://localhost:5173", None))


if __name__ == "__main__":
    unittest.main()
