"""What somebody says a word is, taken up at once: for the trial, as a session does it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from steno_models.errors import DataError
from steno_models.recogniser import LanguageModel
from steno_models.search.hypothesis import SearchWord
from steno_models.unknown.candidates import Candidate, Heard
from steno_models.unknown.trial import Said, is_hit
from steno_models.vocabulary import Guesser

_guess = Guesser()


def ways_of(
    event: Heard, candidates: Sequence[Candidate], word: str, symbols: Sequence[str]
) -> list[tuple[int, ...]]:
    """Return how a confirmed word sounds: as its candidate or its spelling, and as it was heard."""
    heard = tuple(event.phones.tolist())
    taken = [one.tokens for one in candidates if one.text == word]
    if not taken:
        numbers = {symbol: number for number, symbol in enumerate(symbols)}
        try:
            taken = [tuple(numbers[phone] for phone in way.split()) for way in _guess(word)]
        except DataError:
            taken = []
    return list(dict.fromkeys((*taken, heard)))


def with_words(
    model: LanguageModel, ways: Mapping[str, Sequence[tuple[int, ...]]], boost: float
) -> LanguageModel:
    """Return a language model that has words with such token ids, each expected by `boost` nats."""
    words = list(model.words)
    first = max(len(words), model.search.known_words)
    words += [""] * (first - len(words))
    numbers = {word: first + i for i, word in enumerate(ways)}
    expected = numbers.values() if boost > 0 else ()
    phrases: dict[tuple[int, ...], float] = {(number,): boost for number in expected}
    search = model.search.extended(
        {numbers[word]: list(several) for word, several in ways.items()},
        first + len(numbers),
        phrases,
    )
    return replace(model, search=search, words=(*words, *ways))


def is_among(said: Said, words: Sequence[SearchWord], model: LanguageModel) -> bool:
    """Return whether a word was recognised where it was said."""
    return any(
        model.words[one.word] == said.word and is_hit(one.start_step, one.end_step, said)
        for one in words
    )
