"""Random words are added to a session while others speak, and each is said next.

    python -m tests.daemon.word_additions --count 1000 --seed 1 --speakers 4
    python -m tests.daemon.word_additions --count 200 --ways given recorded

Runs a daemon with the shipped bundle. Bystanders hear clips, in turn, for as long as it lasts. Each
speaker adds a word that the general lexicon lacks and the CMU dictionary has, says it in a sentence
(eSpeak NG), and looks for it in the final; then the next, beside all before. That is done in up to
three ways: the word's sound is guessed from its spelling; it is given, as eSpeak says it; or a
recording is sent, of the word alone and said more slowly.

The model has never heard such a voice, so for each word a counterpart is said in the same sentence,
to a session without added words: a word of the vocabulary with as many phones, of the commonest
quarter. Told are how many words were recognised: all, those whose counterpart was, and those whose
guessed sound is the one that was said; what was said in the same voices is the dictionary's sound
for about half of them. Told is, too, whether any bystander's final was another than that of a
session that nobody disturbed.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from tests.daemon.espeak_phones import spoken_phones
from tests.daemon.random_domains import LEXICON
from tests.daemon.swaps import CLIPS, daemon

from steno_clients.errors import ServerError
from steno_clients.file import SAMPLE_RATE, read_blocks
from steno_clients.websocket import StenoClient
from steno_daemon.wire import ErrorCode, Final, Finalized, NewWord, Vocabulary
from steno_models.crossmodal.synthesis.espeak import Voice, say
from steno_models.errors import DataError
from steno_models.lm.ngram.kernels import ROOT
from steno_models.lm.ngram.model import NgramModel
from steno_models.text.lexicon import Lexicon
from steno_models.types import FloatArray

_Found = TypeVar("_Found")

CARRIERS = ("the name of this man is {}", "we were speaking about {} to them")
PAUSE = np.zeros(SAMPLE_RATE // 2, np.float32)
VOICE = Voice("en-us", "f2", 130, 50, 50)
"""Of fifteen, one of which the model understood most ordinary words, of another seed."""
RECORDING = Voice("en-us", "", 115, 45, 50)
RECORDED_SAMPLES = 22_000
MOST_WORDS = 200
"""That one session adds; the next one begins without any, and several are there at once."""


class Way(StrEnum):
    """Who says how an added word sounds."""

    GUESSED = "guessed"
    GIVEN = "given"
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class Addition:
    """A word to be added.

    Attributes:
        text: its spelling.
        said: its phones, as it is said.
        counterpart: a word of the vocabulary, as long.
    """

    text: str
    said: str
    counterpart: str

    def by(self, way: Way, boost: float | None) -> NewWord:
        """Return what is sent to add it."""
        given = (self.said,) if way is Way.GIVEN else ()
        sound = b""
        if way is Way.RECORDED:
            samples = np.clip(say([self.text], RECORDING).samples, -1, 1)[:RECORDED_SAMPLES]
            sound = (samples * 32767).astype("<i2").tobytes()
        return NewWord(text=self.text, pronunciations=given, boost=boost, recording=sound)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a word.

    Attributes:
        word: it.
        final: what was recognised.
        is_guessed: whether a guess is what was said; only asked where sounds are guessed.
        answer_s: how long the daemon took to answer the addition.
    """

    word: Addition
    final: str
    is_guessed: bool
    answer_s: float

    @property
    def is_heard(self) -> bool:
        """Whether the word is in the final."""
        return self.word.text in self.final.split()


@dataclass(slots=True)
class Tally:
    """What became of the words, by who said how they sound, and which counterparts were heard."""

    outcomes: dict[Way, list[Outcome]] = field(default_factory=dict)
    counterparts: dict[Addition, bool] = field(default_factory=dict)


def common_words(lexicon: Lexicon) -> dict[int, list[str]]:
    """The commonest quarter of the vocabulary, by their number of phones."""
    model = NgramModel.open(LEXICON.with_name("general.bin"))
    words = sorted(word for word in lexicon if word.isalpha() and len(word) > 3)
    log_probs = np.array([model.advance(ROOT, model.word_id(word))[1] for word in words])
    least = np.quantile(log_probs, 0.75)
    found: dict[int, list[str]] = defaultdict(list)
    for word, log_prob in zip(words, log_probs, strict=True):
        if log_prob > least:
            found[len(lexicon[word][0])].append(word)
    return found


def chosen(count: int, seed: int) -> list[Addition]:
    """Random words that the bundle lacks, each with a counterpart that it has."""
    known, dictionary = Lexicon.read(LEXICON), Lexicon.from_cmudict()
    several = sorted(
        word for word in dictionary if word not in known and word.isalpha() and len(word) > 3
    )
    rng = random.Random(seed)
    words = rng.sample(several, min(count + count // 4, len(several)))
    common = common_words(known)
    found = []
    for word in [one for one in words if can_be_said(one)][:count]:
        sounds = spoken_phones(word)
        length = min(common, key=lambda phones: abs(phones - len(sounds.split())))
        as_long = rng.sample(common[length], len(common[length]))
        found.append(Addition(word, sounds, next(one for one in as_long if can_be_said(one))))
    return found


def can_be_said(word: str) -> bool:
    """Whether eSpeak NG takes it for a word of its own in every sentence."""
    try:
        for number in range(len(CARRIERS)):
            sentence(number, word)
    except DataError:
        return False
    return True


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


async def said(client: StenoClient, number: int, word: str) -> tuple[str, Vocabulary | None, float]:
    """What a session makes of a sentence, its answer to what was added, and when that came."""
    await client.send(sentence(number, word))
    await client.finalize()
    text, answer, answered_s = "", None, 0.0
    async for event in client:
        if isinstance(event, Vocabulary):
            answer, answered_s = event, time.monotonic()
        elif isinstance(event, Final):
            text = f"{text} {event.text}"
        elif isinstance(event, Finalized):
            break
    return text.strip(), answer, answered_s


async def side_by_side(
    speaker: Callable[[Sequence[Addition]], Awaitable[_Found]],
    words: Sequence[Addition],
    speakers: int,
) -> list[_Found]:
    """Let sessions have their share of the words each, so many at once; return what they found."""
    share = min(MOST_WORDS, -(-len(words) // speakers))
    room = asyncio.Semaphore(speakers)

    async def one(part: Sequence[Addition]) -> _Found:
        async with room:
            return await speaker(part)

    parts = [words[begin : begin + share] for begin in range(0, len(words), share)]
    return await asyncio.gather(*map(one, parts))


async def speak_counterparts(url: str, words: Sequence[Addition]) -> dict[Addition, bool]:
    """Say the counterparts to a session without added words; return which were heard."""
    heard = {}
    async with StenoClient.connect(url, rate=SAMPLE_RATE) as client:
        for number, word in enumerate(words):
            text, _, _ = await said(client, number, word.counterpart)
            heard[word] = word.counterpart in text.split()
        await client.stop()
    return heard


async def speak(
    url: str, words: Sequence[Addition], *, way: Way, boost: float | None
) -> list[Outcome]:
    """Add words one after the other to one session, and say each."""
    outcomes = []
    async with StenoClient.connect(url, rate=SAMPLE_RATE) as client:
        for number, word in enumerate(words):
            new = word.by(way, boost)
            began_s = time.monotonic()
            await client.add_words([new])
            text, answer, answered_s = await said(client, number, word.text)
            if answer is None or answer.refused:
                raise AssertionError(f"expected {word.text} to be taken, found {answer}")
            sounds = {sound for one in answer.words for sound in one.pronunciations}
            outcomes.append(Outcome(word, text, word.said in sounds, answered_s - began_s))
        await client.stop()
    return outcomes


async def measure(given: argparse.Namespace) -> Tally:
    """Run the daemon, the bystanders and the speaker."""
    words, tally = chosen(given.count, given.seed), Tally()
    files = sorted(CLIPS.glob("*.flac"))[: given.bystanders]
    with tempfile.TemporaryDirectory() as made:
        async with daemon(Path(made), given.bystanders + given.speakers + 1) as url:
            calm = {file: await clip(url, file) for file in files}
            for heard in await side_by_side(
                partial(speak_counterparts, url), words, given.speakers
            ):
                tally.counterparts |= heard
            standing = [
                asyncio.create_task(stand_by(url, [*files[n:], *files[:n]], calm))
                for n in range(given.bystanders)
            ]
            for way in given.ways:
                added = partial(speak, url, way=way, boost=given.boost)
                found = await side_by_side(added, words, given.speakers)
                tally.outcomes[way] = [outcome for part in found for outcome in part]
            for task in standing:
                if task.done():
                    task.result()  # what was disturbed says so
                task.cancel()
            await asyncio.gather(*standing, return_exceptions=True)
    return tally


def share(outcomes: Sequence[Outcome]) -> str:
    """How many of the words were heard."""
    heard = sum(one.is_heard for one in outcomes)
    return f"{heard} of {len(outcomes)} ({heard / max(1, len(outcomes)):.1%})"


def lines(tally: Tally) -> list[str]:
    """What is told."""
    plain = sum(tally.counterparts.values())
    told = [f"counterparts of the vocabulary: {plain} of {len(tally.counterparts)} recognised"]
    for way, several in tally.outcomes.items():
        easy = [one for one in several if tally.counterparts[one.word]]
        told.append(f"{way}: {share(several)} recognised; counterpart recognised: {share(easy)}")
        if way is Way.GUESSED:
            told.append(f"  guessed as said: {share([one for one in several if one.is_guessed])}")
        answers_s = [one.answer_s for one in several]
        told.append(
            f"  answered within {1000 * float(np.median(answers_s)):.0f} ms (median), "
            f"{1000 * max(answers_s):.0f} ms at most"
        )
        missed = [one for one in several if not one.is_heard][:20]
        told += [f"    {one.word.text} ({one.word.said}): {one.final}" for one in missed]
    return [*told, "no bystander was disturbed"]


def main() -> None:
    """Print what became of the words."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="of words (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bystanders", type=int, default=2, help="sessions beside (%(default)s)")
    parser.add_argument("--speakers", type=int, default=1, help="sessions that add words at once")
    parser.add_argument(
        "--ways", type=Way, nargs="+", choices=list(Way), default=[Way.GUESSED], metavar="WAY"
    )
    parser.add_argument("--boost", type=float, help="of each word, nats (by its length)")
    for line in lines(asyncio.run(measure(parser.parse_args()))):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
