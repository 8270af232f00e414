"""`steno personal`, `--personal` and `--mix`: what is sent to a daemon, and what is shown."""

import asyncio
from pathlib import Path

import pytest
from tests.daemon.fakes import FakeRecogniser
from tests.daemon.serving import serving

from steno_clients.__main__ import main
from steno_clients.command_line import read_arguments
from steno_daemon.config import Config, ServerConfig
from steno_daemon.personal import Memories


def test_weights_of_the_command_line_are_numbers_by_name() -> None:
    given = read_arguments(["caption", "--mix", "general=0.3", "--mix", "legal=0.7"])
    assert given.mix == {"general": 0.3, "legal": 0.7}
    assert read_arguments(["caption", "--personal", "anna"]).personal == "anna"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mix", "legal"], "--mix: expected NAME=WEIGHT, such as legal=0.7, found legal"),
        (["--mix", "legal=much"], "found legal=much"),
        (["--mix", "legal=1", "--domain", "legal"], "--mix: expected it or --domain, found both"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read_arguments(["caption", *options])
    assert message in capsys.readouterr().err


async def test_what_is_remembered_is_listed_and_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memories = Memories(tmp_path)
    memory = memories.of("everybody")("anna")
    memory.hear(["do", "re"])
    memory.save()
    memories.close()
    config = Config(server=ServerConfig(resume_s=0, state_directory=tmp_path))
    async with serving(FakeRecogniser(), config=config) as served:

        async def said(*words: str) -> tuple[int, str, str]:
            status = await asyncio.to_thread(main, ["personal", *words, "--url", served.url])
            return status, *capsys.readouterr()

        status, out, _ = await said("list")
        assert status == 0
        head, row = out.splitlines()
        assert head.split() == ["OWNER", "NAME", "FINALS", "WORDS", "AGE"]
        assert row.split()[:4] == ["everybody", "anna", "1", "3"]
        assert (await said("delete", "everybody", "anna"))[:2] == (
            0,
            "anna of everybody is forgotten\n",
        )
        status, _, err = await said("delete", "everybody", "anna")
        assert status == 1
        assert "expected one of the personal models (none), found anna of everybody" in err
        assert (await said("list", "--json"))[1] == "[]\n"
