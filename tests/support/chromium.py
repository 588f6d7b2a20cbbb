"""A headless Chromium, told what to do over the DevTools protocol (chromedevtools.github.io/devtools-protocol): JSON
messages on a WebSocket (RFC 6455), of which a test needs so little that no library is worth its size.

    with chromium(tmp_path) as browser:
        page = browser.page(intake.url)
        page.press("/")
        page.until("document.activeElement.id === 'filter'")
"""

import base64
import json
import os
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.server import program, running
from tests.support.wait import until

SHOTS = Path(__file__).parents[2] / "build" / "console"
"""Where screenshots are kept."""
_FLAGS = (
    "--headless=new", "--remote-debugging-port=0", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--window-size=1400,900", "--hide-scrollbars",
)  # fmt: skip
_LISTENING = re.compile(r"DevTools listening on (ws://\S+)")
_KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, "")}


class _WebSocket:
    """A client's side, for whole text messages."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((str(parts.hostname), parts.port or 80), 30)
        self._read = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b" 101 " in self._read.readline()
        while self._read.readline() != b"\r\n":
            pass

    def say(self, text: str) -> None:
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xff" + struct.pack(">Q", len(data))
        self._socket.sendall(b"\x81" + size + bytes(4) + data)  # masked by zeros

    def hear(self) -> str:
        whole = b""
        while True:
            first, second = self._read.read(2)
            size = second & 0x7F
            if size >= 126:
                form = ">H" if size == 126 else ">Q"
                (size,) = struct.unpack(form, self._read.read(struct.calcsize(form)))
            data = self._read.read(size)
            assert first & 0x0F != 8, "the browser has closed the connection"
            if first & 0x0F in (0, 1):
                whole += data
                if first & 0x80:
                    return whole.decode()

    def close(self) -> None:
        self._read.close()
        self._socket.close()


class Page:
    """One tab. What goes wrong in it (exceptions, messages of the console, requests that fail) is in `complaints`."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser, self._session = browser, session
        self.complaints: list[str] = []
        self.requested: list[str] = []
        """The URLs that the page has asked for."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def eval(self, expression: str) -> Any:
        """What a JavaScript expression gives, promises awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str, timeout: float = 15.0) -> Any:
        """The first true value of an expression."""
        return until(lambda: self.eval(expression), timeout, every=0.03)

    def text(self, selector: str) -> str:
        """What an element shows."""
        return str(self.eval(f"document.querySelector({json.dumps(selector)}).innerText"))

    def press(self, key: str) -> None:
        """Press and let go of a key."""
        code, text = _KEYS.get(key, (ord(key[0].upper()), key))
        told = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.call("Input.dispatchKeyEvent", type="keyDown", **told)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        self.eval(f"document.querySelector({json.dumps(selector)}).click()")

    def shot(self, name: str) -> None:
        """Keep a screenshot as `build/console/<name>.png`."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        (SHOTS / f"{name}.png").write_bytes(base64.b64decode(data))

    def told(self, method: str, params: dict[str, Any]) -> None:
        """An event of the protocol."""
        match method:
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"])[:500])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])


class Browser:
    """The browser itself. For one thread."""

    def __init__(self, url: str) -> None:
        self._socket = _WebSocket(url)
        self._number = 0
        self._pages: dict[str, Page] = {}

    def page(self, url: str = "about:blank") -> Page:
        """A new tab with storage of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        page.go(url)
        return page

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of one command; events that come meanwhile go to their pages."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        self._socket.say(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            told = json.loads(self._socket.hear())
            if told.get("id") == self._number:
                assert "error" not in told, f"{method}: {told.get('error')}"
                result: dict[str, Any] = told["result"]
                return result
            if told.get("sessionId") in self._pages:
                self._pages[told["sessionId"]].told(told["method"], told["params"])

    def close(self) -> None:
        self._socket.close()


@contextmanager
def chromium(directory: Path) -> Iterator[Browser]:
    """A browser with its files in `directory`; the test is skipped if Debian's is not installed."""
    path, log = program("chromium", "chromium"), directory / "chromium.log"
    env = {**os.environ, "HOME": str(directory), "DISPLAY": ""}

    def address() -> str | None:
        found = _LISTENING.search(log.read_text("utf-8", "replace"))
        return found[1] if found else None

    command = [path, *_FLAGS, f"--user-data-dir={directory / 'profile'}", "about:blank"]
    with running(command, log, address, env=env):
        browser = Browser(str(address()))
        try:
            yield browser
        finally:
            browser.close()
