"""What can be said to `steno`, and what it makes of it."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from steno_clients.connection import DEFAULT_URL
from steno_clients.lm_options import LM, add_lm
from steno_clients.personal_options import PERSONAL, add_personal
from steno_clients.transcribe import Format
from steno_clients.watch import LIVE
from steno_clients.words_options import WORDS, add_words

_EPILOG = """\
examples:
  stenod &                            the daemon, on this machine
  steno caption                       what the microphone hears, while it is said
  steno transcribe talk.flac          what was said in a recording
  steno watch                         what somebody else is saying, in a session that runs
  steno status                        how the daemon does
  steno lm list                       its language models, for administrators
  steno words add general kowalczyk   a word that they lack, likewise
  steno personal list                 what it remembers of speakers, likewise

`steno COMMAND --help` has more. Every command takes --url, the address of a daemon elsewhere, and
--token, where it wants one; better than the option, which others on the machine can see, is the
variable STENO_TOKEN.

Exit status: 0 when all went well, also after Ctrl-C during captions; 1 when something went wrong,
which standard error names; 2 when the command line is wrong; 130 when Ctrl-C broke something off.
"""

_CAPTION = """\
examples:
  steno caption                                   from the microphone, until Ctrl-C
  steno caption --list-devices                    which microphones there are
  steno caption --device 3 --vtt talk.vtt         from one of them, into a file as well
  steno caption talk.flac                         from a file, as if it were spoken now
  steno caption --domain legal                    with another language model of the daemon
  steno caption --events | jq 'select(.type == "final").text'

On a terminal captions change until they are final; elsewhere every final is a line, behind the
time at which it begins. The first Ctrl-C ends the audio and waits for the last words, the second
one leaves at once.
"""

_TRANSCRIBE = """\
examples:
  steno transcribe talk.flac                      text, on standard output
  steno transcribe talk.flac --format srt > talk.srt
  steno transcribe talk.flac --plain              small letters without punctuation
  steno transcribe *.wav --format vtt --output captions --jobs 2
  steno transcribe talk.flac --format json | jq '.finals[].words[]'

Sound files are what libsndfile reads: wav, flac, ogg, mp3 and others, of any rate and number of
channels, which are mixed. Times in JSON are seconds from the beginning of the file. A file that
cannot be transcribed is named on standard error, the others are done, and the exit status is 1.
"""

_WATCH = """\
examples:
  steno watch                         the newest session, or the next one that begins
  steno watch --list                  which sessions there are: name, state, age, label
  steno watch 1f3a --srt talk.srt     one of them by its name, into a file as well
  steno watch --follow                one session after the other, until Ctrl-C
"""

_STATUS = """\
Where a daemon knows tokens, the scope admin sees everything, and everybody else the state, the
models and the number of sessions.

Exit status: 0 when the daemon lets sessions in, 1 when it does not or is not there.
"""


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says; leaves the program with a usage error if it cannot be."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if getattr(given, "mix", None):
        given.mix = _weights(parser, given.mix)
        if given.language_model is not None:
            parser.error("--mix: expected it or --domain, found both")
    match given.command:
        case "caption":
            if given.file is not None and given.device is not None:
                parser.error("--device: expected the microphone or a file, found both")
        case "transcribe":
            _check_output(parser, given)
        case "watch":
            _check_watch(parser, given)
    return given


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="steno",
        description="Captions and transcripts from a running daemon, `stenod`.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, help_text: str, parent: argparse.ArgumentParser, epilog: str
    ) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help_text,
            parents=[parent],
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    door, session = _door_options(), _session_options()
    nothing = argparse.ArgumentParser(add_help=False)  # of its own: each action asks a daemon
    _add_caption(add("caption", "live captions of the microphone or a file", session, _CAPTION))
    _add_transcribe(add("transcribe", "sound files to text or subtitles", session, _TRANSCRIBE))
    _add_watch(add("watch", "captions of a session that somebody else holds", door, _WATCH))
    _add_status(add("status", "how the daemon does", door, _STATUS))
    add_lm(add("lm", "list, load, swap and retire language models", nothing, LM), door)
    add_words(
        add("words", "add words to language models, and take them back", nothing, WORDS), door
    )
    add_personal(add("personal", "what is remembered of speakers", nothing, PERSONAL), door)
    return parser


def _weights(parser: argparse.ArgumentParser, said: Sequence[str]) -> dict[str, float]:
    """Return the weights of language models that are mixed."""
    weights: dict[str, float] = {}
    for one in said:
        name, _, weight = one.partition("=")
        try:
            weights[name] = float(weight)
        except ValueError:
            parser.error(f"--mix: expected NAME=WEIGHT, such as legal=0.7, found {one}")
    return weights


def _door_options() -> argparse.ArgumentParser:
    """Return the options of everything that asks a daemon."""
    door = argparse.ArgumentParser(add_help=False)
    door.add_argument(
        "--url", default=DEFAULT_URL, help="where stenod listens, ws://… or wss://… (%(default)s)"
    )
    door.add_argument(
        "--token",
        default=os.environ.get("STENO_TOKEN"),
        help="what the daemon knows us by (the variable STENO_TOKEN, which nobody else sees)",
    )
    door.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="certificates in PEM to trust for wss:// (the system's)",
    )
    return door


def _session_options() -> argparse.ArgumentParser:
    """Return the options of what opens a session of its own."""
    session = argparse.ArgumentParser(add_help=False, parents=[_door_options()])
    session.add_argument(
        "--language-model",
        "--domain",
        metavar="NAME",
        help="one of the models that `steno status` lists (the daemon's choice)",
    )
    session.add_argument(
        "--mix",
        action="append",
        default=[],
        metavar="NAME=WEIGHT",
        help="several of them instead, each with its weight, 0 to 1 and 1 together; to be repeated",
    )
    session.add_argument(
        "--personal",
        metavar="NAME",
        help="let the daemon remember under this name which words are said, and expect them again "
        "(nothing is remembered)",
    )
    session.add_argument(
        "--plain",
        action="store_true",
        help="the words as they are recognised: no punctuation, no capitals, no figures",
    )
    session.add_argument(
        "--chunk-ms",
        type=int,
        metavar="MS",
        help="sound that is decoded at a time, 40 to 5000 ms: less is earlier, and heavier for "
        "the daemon (its own choice)",
    )
    session.add_argument(
        "--phrase",
        action="append",
        default=[],
        metavar="TEXT[=BOOST]",
        help="words that are likely to be said, with how much likelier, 0 to 20; may be repeated "
        "(2: for each word, in nats)",
    )
    session.add_argument(
        "--trailing-silence-ms",
        type=int,
        metavar="MS",
        help="silence that ends an utterance, 100 to 10000 ms (the daemon's choice)",
    )
    return session


def _add_caption(parser: argparse.ArgumentParser) -> None:
    parser.description = "Live captions of the microphone, or of a file at the speed of speech."
    parser.add_argument("file", nargs="?", type=Path, help="sound file; without it the microphone")
    parser.add_argument(
        "--device", metavar="NAME", help="microphone: number or part of its name (the system's)"
    )
    parser.add_argument("--list-devices", action="store_true", help="show microphones and leave")
    _add_outputs(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--events", action="store_true", help="every event as a line of JSON, times in seconds"
    )
    parser.add_argument("--srt", type=Path, metavar="FILE", help="write SubRip captions as well")
    parser.add_argument("--vtt", type=Path, metavar="FILE", help="write WebVTT captions as well")


def _add_transcribe(parser: argparse.ArgumentParser) -> None:
    parser.description = "Transcripts of sound files, as fast as the daemon takes them."
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="sound file")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="files at a time (1)")
    parser.add_argument(
        "--format",
        type=Format,
        choices=list(Format),
        default=Format.TXT,
        help="a line of text for each utterance, subtitles, or JSON with every word (txt)",
    )
    parser.add_argument(
        "--output",
        default="-",
        metavar="DIR",
        help="folder for a file of the same name each (-: standard output)",
    )


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.description = "Captions of a session that somebody else holds, until it ends."
    parser.add_argument(
        "session",
        nargs="?",
        default=LIVE,
        metavar="SESSION",
        help="its name; without it the newest that runs, or the next one that begins",
    )
    parser.add_argument("--list", action="store_true", help="show the sessions there are and leave")
    parser.add_argument("--follow", action="store_true", help="go on with the sessions after it")
    _add_outputs(parser)


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.description = "How the daemon does: its state, models, sessions and viewers."
    parser.add_argument("--json", action="store_true", help="as one line of JSON")


def _check_output(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Leave with a usage error where one transcript would overwrite or spoil another."""
    if given.jobs < 1:
        parser.error(f"--jobs: expected at least 1, found {given.jobs}")
    if given.output == "-":
        if len(given.files) > 1 and given.format in {Format.SRT, Format.VTT}:
            parser.error(f"--format {given.format}: expected --output DIR for several files")
        return
    stems = [path.stem for path in given.files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        parser.error(f"--output: expected files of different names, found twice: {twice[0]}")


def _check_watch(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Leave with a usage error where sessions would spoil each other's captions."""
    if not given.follow:
        return
    if given.session != LIVE:
        parser.error("--follow: expected it without a session, found one")
    if given.srt is not None or given.vtt is not None:
        parser.error("--follow: expected no --srt or --vtt, which hold one session, found both")
