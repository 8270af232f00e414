"""A real daemon with the English bundle: language models are mixed, and what is said remembered."""

from pathlib import Path

import pytest
from tests.daemon.serving import Served, serving, talking
from tests.daemon.test_domains_live import LEGAL, MEDICAL, english, sound, words
from tests.models.domains import write_domain

from steno_daemon import wire
from steno_daemon.config import Config, EngineConfig, ServerConfig
from steno_daemon.wire import ErrorCode
from steno_models.domain import Loader
from steno_models.vocabulary import Extender


@pytest.fixture
def config(tmp_path: Path) -> Config:
    folder = tmp_path / "domains"
    write_domain(folder / "legal", "legal", LEGAL)
    write_domain(folder / "medical", "medical", MEDICAL)
    return Config(
        server=ServerConfig(resume_s=0, state_directory=tmp_path / "state"),
        engine=EngineConfig(domains_directory=folder, degrade=False, batch_wait_ms=0),
    )


async def heard(served: Served, start: wire.Start) -> set[str]:
    async with talking(served.url) as talk:
        await talk.say(start, sound(), wire.Stop())
        await talk.rest()
    return words(talk)


async def test_a_mixture_hears_the_words_of_all_and_what_was_said_is_kept_and_forgotten(
    config: Config,
) -> None:
    load, extender = Loader(english()), Extender.of(english())
    weights = {"legal": 0.5, "medical": 0.5}
    start = wire.Start(language_model_weights=weights, personal="anna")
    recogniser = english().recogniser
    assert extender is not None
    # The first mixture of a machine compiles, for longer than anybody here waits.
    extender.mix([(next(iter(extender.own.values())), 1.0)])
    async with serving(recogniser, config=config, load_domain=load, extender=extender) as served:
        found = await heard(served, start)
        assert found & {"tort", "writ"}
        assert found & {"pill", "gland"}
        assert found <= {"tort", "writ", "pill", "gland"}
        await served.nobody_is_left()
        listed = wire.PersonalModels(models=())
        while not listed.models:
            answer = await served.call(wire.ListPersonal())
            assert isinstance(answer, wire.PersonalModels)
            listed = answer
        [kept] = listed.models
        assert (kept.name, kept.finals > 0) == ("anna", True)
        assert await heard(served, start) <= {"tort", "writ", "pill", "gland"}
        gone = await served.call(wire.DeletePersonal(owner=kept.owner, name="anna"))
        assert isinstance(gone, wire.PersonalDeleted)
        refused = await served.call(wire.DeletePersonal(owner=kept.owner, name="anna"))
        assert isinstance(refused, wire.Refused)
        assert refused.code is ErrorCode.LANGUAGE_MODEL_FAILED
        assert "expected one of the personal models (none), found anna" in refused.message
