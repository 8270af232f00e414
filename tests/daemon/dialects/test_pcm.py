"""Blocks of samples in any form, as the one stream of a session."""

import io

import numpy as np
import pytest
import soundfile
from tests.daemon.fakes import pcm, speak

from steno_daemon.dialects.pcm import Converter, Form, samples_of, wav_block, wav_file
from steno_daemon.errors import WireError
from steno_daemon.wire import Encoding

RAMP = np.linspace(-0.9, 0.9, 48, dtype=np.float32)


@pytest.mark.parametrize(
    ("subtype", "width", "is_float"),
    [
        ("PCM_U8", 1, False),
        ("PCM_16", 2, False),
        ("PCM_24", 3, False),
        ("PCM_32", 4, False),
        ("FLOAT", 4, True),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_files_of_another_library_are_read_to_the_same_samples(
    subtype: str, width: int, channels: int, *, is_float: bool
) -> None:
    sound = np.stack([RAMP, -RAMP], axis=1)[:, :channels]
    target = io.BytesIO()
    soundfile.write(target, sound, 22_050, subtype=subtype, format="WAV")
    form, data = wav_block(target.getvalue())
    assert form == Form(22_050, width, channels, is_float=is_float)
    target.seek(0)
    expected, _ = soundfile.read(target, dtype="float32", always_2d=True)
    assert np.array_equal(samples_of(data, form), expected)


def test_a_wav_file_that_is_written_here_is_read_by_another_library() -> None:
    file = wav_file(Form(8_000, 2, 2), pcm(RAMP))
    samples, rate = soundfile.read(io.BytesIO(file), dtype="int16")
    assert (rate, samples.shape) == (8_000, (24, 2))
    assert samples.tobytes() == pcm(RAMP)


def test_lengths_that_a_live_recorder_does_not_know_are_not_believed() -> None:
    file = bytearray(wav_file(Form(), pcm(RAMP)))
    file[40:44] = b"\xff\xff\xff\xff"
    assert wav_block(bytes(file)) == (Form(), pcm(RAMP))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "expected a WAV file"),
        (b"ID3\x04 no sound at all", "expected a WAV file"),
        (wav_file(Form(), b"")[:36], "chunk data, found none"),
        (wav_file(Form(96_000), b""), "expected rate from 8000 to 48000, found 96000"),
        (wav_file(Form(16_000, 2, 9), b""), "expected channels from 1 to 8, found 9"),
        (wav_file(Form(), b"").replace(b"\x01\x00\x01", b"\x55\x00\x01", 1), "found format 85"),
    ],
)
def test_what_is_no_wav_file_is_told_what_was_expected(data: bytes, says: str) -> None:
    with pytest.raises(WireError, match=says):
        wav_block(data)


def test_blocks_of_the_first_form_pass_as_they_are() -> None:
    converter = Converter(Form())
    assert converter.form.start().encoding is Encoding.PCM_S16LE
    assert converter.accept(b"\1\2\3", converter.form) == b"\1\2\3"


def test_24_bits_become_floats_of_the_same_value_wherever_they_are_cut() -> None:
    form = Form(16_000, 3)
    values = [1, -1, 2**22, -(2**23)]
    data = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    converter = Converter(form)
    written = converter.accept(data[:4], form) + converter.accept(data[4:], form)
    assert converter.form.start().encoding is Encoding.PCM_F32LE
    assert np.array_equal(np.frombuffer(written, "<f4"), np.array(values, "f4") / 2**23)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_form_that_changes_within_a_stream_keeps_its_length_and_sound(width: int) -> None:
    sound = speak("do re")
    half = len(sound) // 2
    stereo = np.repeat(sound[half:].repeat(2)[:, None], 2, axis=1)  # 32 kHz
    converter = Converter(Form(16_000, width))
    octets = (np.rint(sound[:half] * 100) + 128).astype("u1").tobytes()
    first = {1: octets, 2: pcm(sound[:half]), 4: bytes(4 * half)}[width]
    written = converter.accept(first, converter.form)
    written += converter.accept(pcm(stereo.ravel()), Form(32_000, 2, 2))
    written += converter.accept(bytes(width * 10), converter.form)
    assert len(written) // width == pytest.approx(len(sound) + 10, abs=2)
    assert converter.accept(bytes(width), converter.form) == bytes(width)


def test_a_change_to_a_form_that_no_session_takes_is_an_error() -> None:
    converter = Converter(Form())
    with pytest.raises(WireError, match="width from 1 to 4, found 5"):
        converter.accept(b"", Form(16_000, 5))
