"""`steno words` and `--phrase`: what is sent to a daemon, and what is shown of its answer."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.daemon.fakes import FakeRecogniser
from tests.daemon.serving import serving

from steno_clients.__main__ import main
from steno_clients.command_line import read_arguments
from steno_clients.websocket import NewWord, StenoClient
from steno_clients.words import WordListError, _confirmed, _words, lines_of, phrases_of
from steno_daemon import wire
from steno_daemon.wire import PronunciationSource

ANSWER = wire.DomainWords(
    name="general",
    version=2,
    words=(
        wire.TakenWord(
            text="kowalczyk", source=PronunciationSource.GUESSED, pronunciations=("K OW", "K AW")
        ),
        wire.TakenWord(text="tam", source=PronunciationSource.LEXICON),
    ),
)


def test_words_are_shown_with_how_they_sound() -> None:
    assert list(lines_of(ANSWER, as_json=False)) == [
        "kowalczyk  K OW | K AW  (guessed)",
        "tam        as the lexicon has it  (lexicon)",
        "until the daemon ends: its configuration names no engine.domains_directory",
    ]
    [line] = lines_of(ANSWER, as_json=True)
    assert msgspec.json.decode(line, type=wire.DomainWords) == ANSWER


def test_a_file_has_words_and_their_phones(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("# names\nkow K OW\nkow  K  AW\ntam\n\n")
    given = read_arguments(["words", "add", "general", "--file", str(file), "--boost", "2"])
    assert _words(given) == [
        NewWord(text="kow", pronunciations=("K OW", "K AW"), boost=2.0),
        NewWord(text="tam", boost=2.0),
    ]


@pytest.mark.parametrize(
    "options",
    [["kow", "tam", "--say", "K OW"], ["kow", "--boost", "21"], ["kow", "--boost", "-1"]],
)
def test_words_that_cannot_be_meant_are_refused(options: list[str]) -> None:
    with pytest.raises(WordListError, match=r"expected .*, found"):
        _words(read_arguments(["words", "add", "general", *options]))


def test_a_confirmed_word_sounds_as_it_was_heard_and_as_it_is_spelled() -> None:
    asked = ["words", "confirm", "general", "kow", "--heard", "K OW", "--boost", "3"]
    given = read_arguments(asked)
    assert _confirmed(given) == NewWord(text="kow", pronunciations=("*", "K OW"), boost=3.0)
    assert given.at == "segment"
    with pytest.raises(WordListError, match="expected 0 to 20, found 21"):
        _confirmed(read_arguments([*asked[:-1], "21"]))


def test_phrases_of_the_command_line_have_boosts() -> None:
    assert phrases_of(["sodium chloride", "tam=5"]) == (
        wire.Phrase(text="sodium chloride"),
        wire.Phrase(text="tam", boost=5.0),
    )
    for wrong in ("tam=0", "tam=loud", "=3", "tam=21"):
        with pytest.raises(WordListError, match="TEXT=BOOST"):
            phrases_of([wrong])


async def test_a_daemon_that_can_add_no_words_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with serving(FakeRecogniser()) as served:
        status = await asyncio.to_thread(
            main, ["words", "add", "general", "kow", "--url", served.url]
        )
        assert status == 1
        assert "words can be added to" in capsys.readouterr().err
        async with StenoClient.connect(served.url, rate=16_000) as client:
            await client.expect(["so long"])
            await client.add_words(["kow"], at="now")
            await client.stop()
            told = [event async for event in client if isinstance(event, wire.Vocabulary)]
    assert [[one.text for one in event.refused] for event in told] == [["so long"], ["kow"]]
