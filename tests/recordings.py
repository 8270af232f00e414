"""Recordings as a browser makes them, from a clip of speech: made here by FFmpeg, and by Chromium.

Import with `from tests.recordings import …`.
"""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
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
    target = io.BytesIO()
    options = {"live": "1"} if live and container == "webm" else {}
    with av.open(target, "w", format=container, options=options) as file:
        stream = file.add_stream("libopus", rate=RATE, options={"mapping_family": "-1"})
        stream.layout = LAYOUTS[channels]
        packed = np.stack(delayed, axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=LAYOUTS[channels])
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    data = target.getvalue()
    return OpusFile(data, by_libopus(data))


def by_libopus(data: bytes) -> Samples:
    """What FFmpeg's demuxer and libopus make of a file, (N, channels)."""
    with av.open(io.BytesIO(data)) as file:
        source = file.streams.audio[0]
        codec = av.CodecContext.create("libopus", "r")
        codec.extradata = source.codec_context.extradata
        codec.options = {"request_sample_fmt": "flt"}
        packets = list(file.demux(source))
        frames = [frame for packet in packets for frame in codec.decode(packet)]
    channels = frames[0].layout.nb_channels
    blocks = [frame.to_ndarray().reshape(-1, channels) for frame in frames]
    return np.clip(np.concatenate(blocks), -1.0, 1.0)
