"""Recordings as a browser makes them, from a clip of speech: made here by FFmpeg, and by Chromium.

Import with `from tests.recordings import …`.
"""

import io
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import ClassVar

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from steno_models.audio import resample

CLIP = Path(__file__).parent / "data/librivox/sense_and_sensibility_01_austen_64kb-0880.flac"
RATE = 48_000
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 6: "5.1", 8: "7.1"}

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class OpusFile:
    """A file and what it holds, (N, channels) at 48 kHz, by another way than ours."""

    data: bytes
    decoded: Samples


@cache
def clip() -> Samples:
    """A clip of speech, (N,) at 48 kHz."""
    samples, rate = soundfile.read(CLIP, dtype="float32")
    return resample(samples, rate, RATE)


@cache
def opus_file(container: str, *, channels: int = 1, live: bool = True) -> OpusFile:
    """A file of Opus; each channel is the clip, later by a tenth of a second than the one before.

    A live one is written as into a socket: it knows neither its length nor those of its clusters.
    """
    sound = clip()
    delayed = [np.concatenate([np.zeros(4_800 * c, "f4"), sound])[:RATE] for c in range(channels)]
    data = encoded(container, np.stack(delayed, axis=1), live=live)
    return OpusFile(data, by_libopus(data))


def encoded(container: str, sound: Samples, *, live: bool = True) -> bytes:
    """Sound, (N, channels) at 48 kHz, as a file of Opus."""
    layout = LAYOUTS[sound.shape[1]]
    target = io.BytesIO()
    options = {"live": "1"} if live and container == "webm" else {}
    with av.open(target, "w", format=container, options=options) as file:
        stream = file.add_stream("libopus", rate=RATE)
        stream.layout = layout
        packed = np.ascontiguousarray(sound, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return target.getvalue()


def by_libopus(data: bytes) -> Samples:
    """What FFmpeg's demuxer and libopus make of a file, (N, channels)."""
    with av.open(io.BytesIO(data), mode="r") as file:
        source = file.streams.audio[0]
        codec = av.CodecContext.create("libopus", "r")
        codec.extradata = source.codec_context.extradata
        codec.options = {"request_sample_fmt": "flt"}
        packets = list(file.demux(source))
        frames = [frame for packet in packets for frame in codec.decode(packet)]
    channels = frames[0].layout.nb_channels
    blocks = [frame.to_ndarray().reshape(-1, channels) for frame in frames]
    samples: Samples = np.clip(np.concatenate(blocks), -1.0, 1.0)
    return samples


_PAGE = b"""<!doctype html><title>recorder</title><script>
(async () => {
  const sound = await navigator.mediaDevices.getUserMedia({audio: true});
  const recorder = new MediaRecorder(sound, {mimeType: "audio/webm;codecs=opus"});
  const chunks = [];
  recorder.ondataavailable = event => chunks.push(event.data);
  recorder.onstop = () => fetch("/", {method: "POST", body: new Blob(chunks)});
  recorder.start(200);
  setTimeout(() => recorder.stop(), 3000);
})();
</script>"""


class _Recorder(BaseHTTPRequestHandler):
    """Serves the page and takes what it recorded."""

    recorded: ClassVar[Queue[bytes]]

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(_PAGE)

    def do_POST(self) -> None:
        self.recorded.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@cache
def chromium_file() -> bytes:
    """What the MediaRecorder of a Chromium without a screen makes of the clip in three seconds."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium, which is not installed")

    class Recorder(_Recorder):
        recorded: ClassVar[Queue[bytes]] = Queue()

    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as home,
        ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server,
    ):
        Thread(target=server.serve_forever, daemon=True).start()
        soundfile.write(f"{home}/clip.wav", clip(), RATE, subtype="PCM_16")
        browser = subprocess.Popen(
            [
                *(chromium, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
                *(f"--use-file-for-fake-audio-capture={home}/clip.wav", f"--user-data-dir={home}"),
                f"http://127.0.0.1:{server.server_port}/",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return Recorder.recorded.get(timeout=120)
        finally:
            browser.terminate()
            browser.wait(timeout=60)
            server.shutdown()
