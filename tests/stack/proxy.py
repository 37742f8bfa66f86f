"""A reverse proxy that gives the emulated API Gateway a stable address; that of the emulator changes with each API.

It forwards paths, queries, repeated headers and streamed bodies unchanged, sets the Host header as clients of AWS do,
and exposes only the API of the emulator.
"""

import asyncio
import contextlib
import errno
import json
import logging
import re
import threading
from pathlib import Path

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

from .console import Failure
from .emulator import REGION

_MAILS_PATH = "/_local/mails"
# The hop-by-hop headers (RFC 9110, section 7.6.1), and Host, which is set to that of the API.
_HOP_BY_HOP_HEADERS = ["Connection", "Host", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"]
_LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
# The limit of API Gateway.
_MAX_HEADER_BYTES = 10240


class Proxy:
    def __init__(self, port: int, emulator_url: str, api_id: str, folder: Path):
        self._port, self._emulator_url = port, emulator_url
        # The allowed origin. If it is set, all origins on this machine are allowed, too.
        self.web_client: str | None = None
        # What is called before each request; a text that it returns is the response. See sources.py.
        self.before = None
        self._turn = asyncio.Lock()
        # The emulator forgets mails when it ends.
        self._mail_file = folder / "mails.json"
        self._former_mails = json.loads(self._mail_file.read_text()) if self._mail_file.exists() else []
        self._log = logging.getLogger("proxy")
        self._log.addHandler(logging.FileHandler(folder / "proxy.log", mode="w", delay=True))
        self._log.propagate = False
        # By path, not by host name: with a host name, clients could reach the emulator's control paths (/_ministack/...).
        self._api_url = f"{emulator_url}/_aws/execute-api/{api_id}/$default"
        self._host = f"{api_id}.execute-api.{REGION}.amazonaws.com"

    @contextlib.contextmanager
    def running(self):
        """Serves in a separate thread until the block ends."""
        loop = asyncio.new_event_loop()
        runner = loop.run_until_complete(self._start())
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _start(self) -> web.AppRunner:
        application = web.Application()
        application.cleanup_ctx.append(self._session)
        application.router.add_route("GET", _MAILS_PATH, self._mails)
        application.router.add_route("*", r"/{path:[\s\S]*}", self._forward)
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=self._log,
            shutdown_timeout=1,
            # Bodies are passed on as they are, compressed or not: their headers say how long they are and how they are encoded.
            auto_decompress=False,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )
        await runner.setup()
        for address in ("127.0.0.1", "::1"):
            try:
                await web.TCPSite(runner, address, self._port).start()
            except OSError as error:
                # Without IPv6, there is no ::1.
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    raise Failure(f"port {self._port} is taken: stop the program that listens on it") from None
        return runner

    async def _session(self, _application):
        async with ClientSession(
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=["Accept", "Accept-Encoding", "Content-Type", "User-Agent"],
        ) as self._client:
            yield
            with contextlib.suppress(ClientConnectionError):
                await self._all_mails()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        if not request.raw_path.startswith("/"):
            return web.json_response({"message": "Bad Request"}, status=400)
        if self.before:
            async with self._turn:
                wrong = await asyncio.to_thread(self.before)
            if wrong is not None:
                problem = {"type": "about:blank", "title": "The sources cannot be brought live", "status": 500, "detail": wrong}
                return web.json_response(problem, status=500, content_type="application/problem+json")
        headers = _end_to_end(request.headers)
        headers["Host"] = self._host
        origin = headers.get("Origin", "")
        if local := self.web_client is not None and self._is_another_local_origin(origin):
            headers["Origin"] = self.web_client
        try:
            async with self._client.request(
                request.method,
                URL(self._api_url + request.raw_path, encoded=True),
                headers=headers,
                data=request.content.iter_any() if request.body_exists else None,
                allow_redirects=False,
            ) as upstream:
                headers = _with_single_cors(_end_to_end(upstream.headers))
                if local and "Access-Control-Allow-Origin" in headers:
                    headers["Access-Control-Allow-Origin"] = origin
                response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
                await response.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except ClientConnectionError:
            return web.json_response({"message": "Service Unavailable"}, status=503)

    def _is_another_local_origin(self, origin: str) -> bool:
        """Returns whether an origin is on this machine, and not the one of the API itself."""
        return _LOCAL_ORIGIN.fullmatch(origin) is not None and not origin.endswith(f":{self._port}")

    async def _mails(self, _request: web.Request) -> web.Response:
        return web.json_response(await self._all_mails())

    async def _all_mails(self) -> list[dict]:
        """Returns all mails sent, newest first, and keeps them for the next start."""
        async with self._client.get(f"{self._emulator_url}/_ministack/ses/messages") as response:
            by_account = (await response.json())["messages"]
        mails = [
            {
                "id": mail["MessageId"],
                "sent_at": mail["Timestamp"],
                "from": mail["Source"],
                "to": mail["To"],
                "subject": mail["Subject"],
                "text": mail["BodyText"],
                "html": mail["BodyHtml"],
            }
            for mails in by_account.values()
            for mail in mails
        ]
        all_mails = mails[::-1] + self._former_mails
        self._mail_file.write_text(json.dumps(all_mails))
        return all_mails


def _end_to_end(headers) -> CIMultiDict:
    kept = CIMultiDict(headers)
    for name in _HOP_BY_HOP_HEADERS:
        kept.popall(name, None)
    return kept


def _with_single_cors(headers: CIMultiDict) -> CIMultiDict:
    """Keeps the last value of each CORS header: API Gateway overwrites those of functions, the emulator appends its own."""
    for name in {name for name in headers if name.lower().startswith("access-control-")}:
        values = headers.popall(name, None)
        if values:
            headers[name] = values[-1]
    return headers
