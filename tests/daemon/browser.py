"""Debian's headless Chromium, driven over its DevTools protocol: as much of it as the tests need.

One process serves many tests; each page lives in a browser context of its own, as if nobody had
used the browser before. A recording takes the place of the microphone.
"""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from steno_models.types import FloatArray

PATIENCE_S = 60
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
FLAGS = (
    "--headless",
    "--no-sandbox",  # which needs another user than root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
KEY_CODES = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36}
DESK = (1280, 800)
PHONE = (390, 844)


@dataclass(frozen=True, slots=True)
class Chromium:
    """A running browser.

    Attributes:
        url: of its DevTools.
        sound: the file that its microphones play, read whenever a page opens one.
    """

    url: str
    sound: Path

    def hear(self, samples: FloatArray, rate: int = 16_000) -> None:
        """Let microphones that are opened from now on hear samples, and then silence."""
        quiet = np.zeros(60 * rate, np.float32)
        soundfile.write(self.sound, np.concatenate([samples, quiet]), rate, subtype="PCM_16")


@contextmanager
def chromium(*flags: str) -> Iterator[Chromium]:
    """Run a browser with more flags than the usual ones."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        sound = Path(folder, "microphone.wav")
        command = [
            PROGRAM,
            *FLAGS,
            f"--user-data-dir={folder}/profile",
            f"--use-file-for-fake-audio-capture={sound}",
            *flags,
            "about:blank",
        ]
        environment = os.environ | {"TZ": "UTC", "LANG": "en_US.UTF-8"}
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
        ) as process:
            try:
                browser = Chromium(_devtools(process), sound)
                browser.hear(np.zeros(0, np.float32))
                yield browser
            finally:
                process.terminate()
                process.wait(PATIENCE_S)


def _devtools(process: "subprocess.Popen[str]") -> str:
    """Return the address that the browser tells when it is ready; read on, lest it blocks."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        found = re.search(r"DevTools listening on (ws://\S+)", line)
        if found:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1]
    raise AssertionError("expected Chromium to start, found: " + "".join(said))


@dataclass(slots=True)
class Page:
    """One page.

    Attributes:
        faults: what it wrote to the console as an error or a warning, and what it threw.
        requests: the addresses that it asked for.
        dialogs: what it asked before it let itself be left; the answer was yes.
        downloads: names of files that are whole, once `keep_downloads` was called.
    """

    _connection: ClientConnection
    _context: str = ""
    _session: str = ""
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    downloads: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    _names: dict[str, str] = field(default_factory=dict)
    _answers: dict[int, "asyncio.Future[dict[str, Any]]"] = field(default_factory=dict)
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = await self._ask(method, parameters)
        async with asyncio.timeout(PATIENCE_S):
            return await self._answers[number]

    async def _ask(self, method: str, parameters: Mapping[str, object]) -> int:
        number = len(self._answers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        if self._session and not method.startswith(("Browser.", "Target.")):
            message["sessionId"] = self._session
        await self._connection.send(json.dumps(message))
        return number

    async def go(self, url: str) -> None:
        """Open an address and wait until its scripts have run."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(PATIENCE_S):
            await self._loaded.wait()

    async def js(self, expression: str) -> Any:
        """Return the value of an expression, awaited if it is a promise."""
        answer = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true, looked at in every frame, and return its value."""
        watch = f"""new Promise((done) => {{
            const look = () => {{
                const value = ({expression});
                value ? done(value) : setTimeout(look, 20);
            }};
            look();
        }})"""
        try:
            return await self.js(watch)
        except TimeoutError:
            seen = await self.js("document.body.innerText")
            raise AssertionError(f"waited for {expression}, found {seen!r}") from None

    async def text(self, selector: str) -> str:
        """Return the text of the first element that a selector finds."""
        return str(await self.js(f"document.querySelector({json.dumps(selector)}).textContent"))

    async def click(self, selector: str) -> None:
        """Press an element with the mouse."""
        at = await self.js(
            f"(() => {{ const at = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1
            )

    async def press(self, key: str) -> None:
        """Press a key; one character types itself."""
        typed: dict[str, object] = {"text": key} if len(key) == 1 else {}
        if key in KEY_CODES:
            typed = {"windowsVirtualKeyCode": KEY_CODES[key]}
        if key == "Enter":
            typed["text"] = "\r"
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **typed)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def choose(self, selector: str, value: str) -> None:
        """Choose an entry of a list."""
        await self.js(
            f"(() => {{ const list = document.querySelector({json.dumps(selector)}); "
            f"list.value = {json.dumps(value)}; "
            "list.dispatchEvent(new Event('change', { bubbles: true })); })()"
        )

    async def size(self, width: int, height: int, *, scale: float = 1) -> None:
        """Let the page be seen on a screen of that size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )

    async def likes(self, **features: str) -> None:
        """Let the system prefer something: `likes(color_scheme="dark")`."""
        await self.call(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": f"prefers-{name.replace('_', '-')}", "value": value}
                for name, value in features.items()
            ],
        )

    async def keep_downloads(self, folder: Path) -> None:
        """Let files be saved in a folder."""
        await self.call(
            "Browser.setDownloadBehavior",
            behavior="allow",
            browserContextId=self._context,
            downloadPath=str(folder),
            eventsEnabled=True,
        )

    async def clipboard(self) -> str:
        """Return the text on the clipboard."""
        permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        await self.call(
            "Browser.grantPermissions", permissions=permissions, browserContextId=self._context
        )
        return str(await self.js("navigator.clipboard.readText()"))

    async def picture(self, *, transparent: bool = False) -> bytes:
        """Return a picture of what is seen, as PNG."""
        colour = {"color": {"r": 0, "g": 0, "b": 0, "a": 0}} if transparent else {}
        await self.call("Emulation.setDefaultBackgroundColorOverride", **colour)
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def read(self) -> None:
        """Take what the browser says until the connection ends."""
        try:
            async for text in self._connection:
                message = json.loads(text)
                if message.get("method") == "Page.javascriptDialogOpening":
                    self.dialogs.append(message["params"]["type"])
                    await self._ask("Page.handleJavaScriptDialog", {"accept": True})
                if "id" in message:
                    self._answer(message)
                else:
                    self._hear(message["method"], message["params"])
        except ConnectionClosed:
            pass

    def _answer(self, message: Mapping[str, Any]) -> None:
        """Give an answer to who waits for it, if anybody still does."""
        waiting = self._answers[message["id"]]
        if waiting.done():
            return
        if "error" in message:
            waiting.set_exception(AssertionError(str(message["error"])))
        else:
            waiting.set_result(message["result"])

    def _hear(self, method: str, said: Mapping[str, Any]) -> None:
        """Keep what the page did."""
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                self.requests.append(said["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(said["url"])
            case "Browser.downloadWillBegin":
                self._names[said["guid"]] = said["suggestedFilename"]
            case "Browser.downloadProgress" if said["state"] == "completed":
                self.downloads.put_nowait(self._names[said["guid"]])
            case "Runtime.exceptionThrown":
                self.faults.append(str(said["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if said["type"] in {"error", "warning", "assert"}:
                self.faults.append(str([arg.get("value") for arg in said["args"]]))
            case "Log.entryAdded" if said["entry"]["level"] in {"error", "warning"}:
                entry = said["entry"]
                self.faults.append(f"{entry['text']} {entry.get('url', '')}")


@asynccontextmanager
async def page(
    browser: Chromium, url: str = "", *, size: tuple[int, int] = DESK, before: str = ""
) -> AsyncIterator[Page]:
    """Open a page as somebody new; `before` is a script that runs before those of the page."""
    async with connect(
        browser.url, max_size=MAX_MESSAGE_BYTES, ping_interval=None, proxy=None
    ) as connection:
        opened = Page(connection)
        reader = asyncio.create_task(opened.read())
        context = (await opened.call("Target.createBrowserContext"))["browserContextId"]
        opened._context = context
        target = await opened.call(
            "Target.createTarget", url="about:blank", browserContextId=context
        )
        attached = await opened.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        opened._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await opened.call(f"{domain}.enable")
        await opened.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        await opened.size(*size)
        try:
            if url:
                await opened.go(url)
            yield opened
        finally:
            await opened.call("Target.disposeBrowserContext", browserContextId=context)
            reader.cancel()
