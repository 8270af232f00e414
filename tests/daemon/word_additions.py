"""Random words are added to a session while others speak, and each is said next.

    python -m tests.daemon.word_additions --count 1000 --seed 1

Runs a daemon with the shipped bundle. Bystanders hear clips, in turn, for as long as it lasts. A
speaker adds a word that the general lexicon lacks and the CMU dictionary has, its sound left to be
guessed, says it in a sentence (eSpeak NG), and looks for it in the final; then the next. Told are
how many were recognised, of those whose guessed sound is one of the dictionary's as well, and
whether any bystander's final was another than that of a session that nobody disturbed.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tests.daemon.swaps import CLIPS, LEXICON, daemon

from steno_clients.errors import ServerError
from steno_clients.file import SAMPLE_RATE, read_blocks
from steno_clients.websocket import StenoClient
from steno_daemon.wire import ErrorCode, Final, Finalized, NewWord, Vocabulary
from steno_models.crossmodal.synthesis.espeak import Voice, say
from steno_models.text.lexicon import Lexicon
from steno_models.types import FloatArray

CARRIERS = ("the name of this man is {}", "we were speaking about {} to them")
PAUSE = np.zeros(SAMPLE_RATE // 2, np.float32)
VOICE = Voice("en-us", "", 160, 50, 50)
MOST_WORDS = 200
"""That one session adds; the next one begins without any."""


@dataclass(slots=True)
class Tally:
    """What became of the words.

    Attributes:
        said: how many were added and said.
        heard: those that were in the final.
        well_guessed: those whose guessed sounds hold one of the dictionary's.
        well_heard: those of them that were in the final.
        answer_s: how long the daemon took to answer each addition.
        missed: some of the others: the word, and the final.
    """

    said: int = 0
    heard: int = 0
    well_guessed: int = 0
    well_heard: int = 0
    answer_s: list[float] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)


def chosen(count: int, seed: int) -> list[tuple[str, set[str]]]:
    """Random words that the bundle lacks, with how the dictionary says they sound."""
    known, dictionary = Lexicon.read(LEXICON), Lexicon.from_cmudict()
    several = sorted(
        word for word in dictionary if word not in known and word.isalpha() and len(word) > 3
    )
    words = random.Random(seed).sample(several, min(count, len(several)))
    return [(word, {" ".join(way) for way in dictionary[word]}) for word in words]


def sentence(number: int, word: str) -> FloatArray:
    """A word in a sentence, spoken, with a pause."""
    words = CARRIERS[number % len(CARRIERS)].format(word).split()
    return np.concatenate([PAUSE, say(words, VOICE).samples, PAUSE])


async def clip(url: str, file: Path) -> list[str]:
    """The finals of a session that hears a clip."""
    async with StenoClient.connect(url, rate=SAMPLE_RATE) as client:
        for block in read_blocks(file, block_ms=200):
            await client.send(block)
        await client.stop()
        return [event.text async for event in client if isinstance(event, Final)]


async def stand_by(url: str, files: Sequence[Path], calm: dict[Path, list[str]]) -> int:
    """Hear clips for ever; fails where one reads otherwise than before. Cancelled at the end."""
    number = 0
    while True:
        file = files[number % len(files)]
        try:
            found = await clip(url, file)
        except ServerError as error:
            if error.error.code is not ErrorCode.OVERLOADED:
                raise
            await asyncio.sleep(5.0)  # a busy machine lets nobody in for a while
            continue
        if found != calm[file]:
            raise AssertionError(f"expected {calm[file]} of {file.name}, found {found}")
        number += 1


async def speak(
    url: str, words: Sequence[tuple[str, set[str]]], boost: float, tally: Tally
) -> None:
    """Add words one after the other to one session, and say each."""
    async with StenoClient.connect(url, rate=SAMPLE_RATE) as client:
        for number, (word, ways) in enumerate(words):
            began_s = time.monotonic()
            await client.add_words([NewWord(text=word, boost=boost)])
            sounds, text = set[str](), ""
            await client.send(sentence(number, word))
            await client.finalize()
            async for event in client:
                if isinstance(event, Vocabulary):
                    tally.answer_s.append(time.monotonic() - began_s)
                    sounds = {way for one in event.words for way in one.pronunciations}
                elif isinstance(event, Final):
                    text = f"{text} {event.text}"
                elif isinstance(event, Finalized):
                    break
            is_heard, is_well_guessed = word in text.split(), bool(sounds & ways)
            tally.said += 1
            tally.heard += is_heard
            tally.well_guessed += is_well_guessed
            tally.well_heard += is_heard and is_well_guessed
            if not is_heard:
                tally.missed.append((word, text.strip()))
        await client.stop()


async def measure(given: argparse.Namespace) -> Tally:
    """Run the daemon, the bystanders and the speaker."""
    words, tally = chosen(given.count, given.seed), Tally()
    files = sorted(CLIPS.glob("*.flac"))[: given.bystanders]
    with tempfile.TemporaryDirectory() as made:
        async with daemon(Path(made), given.bystanders + 2) as url:
            calm = {file: await clip(url, file) for file in files}
            standing = [
                asyncio.create_task(stand_by(url, [*files[n:], *files[:n]], calm))
                for n in range(given.bystanders)
            ]
            for begin in range(0, len(words), MOST_WORDS):
                await speak(url, words[begin : begin + MOST_WORDS], given.boost, tally)
            for task in standing:
                if task.done():
                    task.result()  # what was disturbed says so
                task.cancel()
            await asyncio.gather(*standing, return_exceptions=True)
    return tally


def main() -> None:
    """Print what became of the words."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="of words (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bystanders", type=int, default=2, help="sessions beside (%(default)s)")
    parser.add_argument("--boost", type=float, default=0.0, help="of each word, nats (%(default)s)")
    given = parser.parse_args()
    tally = asyncio.run(measure(given))
    sys.stdout.write(
        f"{tally.heard} of {tally.said} words recognised ({tally.heard / tally.said:.1%}); "
        f"{tally.well_heard} of the {tally.well_guessed} whose guessed sound is the dictionary's\n"
        f"answered within {1000 * float(np.median(tally.answer_s)):.0f} ms (median), "
        f"{1000 * max(tally.answer_s):.0f} ms at most; no bystander was disturbed\n"
    )
    for word, text in tally.missed[:20]:
        sys.stdout.write(f"  {word}: {text}\n")


if __name__ == "__main__":
    main()
