"""Unknown words on the caption page, in a real browser: marked, looked at, answered."""

from collections.abc import Sequence
from dataclasses import replace

from tests.daemon.browser import Chromium, page
from tests.daemon.fakes import FakeRecogniser, speak
from tests.daemon.serving import serving
from tests.daemon.showing import PLAIN_SOUND, address, finals, needs_chromium

from steno_daemon.config import Config, ServerConfig
from steno_models.recogniser import CandidateWord, State, UnknownWord, Update, Work

pytestmark = needs_chromium

GUESSES = tuple(
    CandidateWord(text, ("D", "AA", "M"), 0.6 / (i + 1), -1.0, -2.0, -9.0)
    for i, text in enumerate(["domino", "dominie", "d'aumie"])
)
FOUND = UnknownWord("do mi", 1, 6, ("D", "AH", "M", "IY"), 0.9, GUESSES)


class Doubtful(FakeRecogniser):
    """Calls the first words of each segment unknown."""

    def step(self, work: Sequence[Work]) -> Sequence[tuple[Update, State]]:
        return [
            (replace(update, unknown=(FOUND,)) if item.is_last and update.words else update, state)
            for item, (update, state) in zip(work, super().step(work), strict=True)
        ]


async def test_an_unknown_word_is_marked_and_answered(browser: Chromium) -> None:
    browser.hear(speak("do mi so"))
    config = Config(server=ServerConfig(resume_s=60))
    async with (
        serving(Doubtful(dropout_steps=2), config=config) as served,
        page(browser, address(served), before=PLAIN_SOUND) as shown,
    ):
        await shown.click("#speak")
        assert await finals(shown, 1) == ["do mi so"]
        await shown.until("document.querySelector('#log button.unknown')")
        assert await shown.text("#log button.unknown") == "do mi"
        await shown.click("#log button.unknown")
        await shown.until("document.querySelector('#unknown').matches(':popover-open')")
        assert await shown.text("#unknown-heard") == "d ah m iy"
        offered = "[...document.querySelectorAll('#unknown-candidates button')]"
        names = await shown.js(f"{offered}.map((one) => one.firstChild.textContent)")
        assert names == ["domino", "dominie", "d'aumie"]
        await shown.click("#unknown-candidates button")
        await shown.until("!document.querySelector('#unknown').matches(':popover-open')")
        # This daemon can add no words: the reader hears why, and sees again what was heard.
        await shown.until("/“domino” cannot be learnt: ./.test(document.body.innerText)")
        assert await shown.text("#log button.unknown") == "do mi"
        assert not await shown.js("document.querySelector('#log button.confirmed')")
        assert shown.faults == []
