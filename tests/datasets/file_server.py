"""A local HTTP server of files with byte ranges and faults, for tests of downloads."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self


class FileServer:
    """Serves the files of a folder; `faults` has, per path, a list of faults for its next requests.

    Faults: ``"cut"`` closes the connection after half of the bytes, ``"busy"`` answers 429 with Retry-After 0,
    ``"broken"`` answers 503, ``"gone"`` answers 404, ``"no_ranges"`` ignores the Range header.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: dict[str, list[str]] = {}
        self.requests: Counter[str] = Counter()
        self.bytes_sent: Counter[str] = Counter()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.partition("?")[0].lstrip("/")
        self.requests[name] += 1
        waiting = self.faults.get(name, [])
        fault = waiting.pop(0) if waiting else ""
        statuses = {"busy": 429, "broken": 503, "gone": 404}
        path = self.folder / name
        if fault in statuses or not path.is_file():
            handler.send_response(statuses.get(fault, 404))
            handler.send_header("Retry-After", "0")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        content = path.read_bytes()
        start, end = 0, len(content)
        wanted = handler.headers.get("Range")
        if wanted and fault != "no_ranges":
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else end, end)
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        else:
            handler.send_response(200)
        part = content[start:end]
        handler.send_header("Content-Length", str(len(part)))
        handler.end_headers()
        sent = part[: len(part) // 2] if fault == "cut" else part
        self.bytes_sent[name] += len(sent)  # before the client can see the end of it
        handler.wfile.write(sent)
        if fault == "cut":
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.close()
