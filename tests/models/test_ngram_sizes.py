"""What a model loses as it is pruned, told and drawn."""

import json
import random
from pathlib import Path

import pytest

from steno_models.lm.ngram.build import main as build
from steno_models.lm.ngram.sizes import main as sizes


def test_pruning_makes_smaller_models_that_know_less(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(2)
    lines = [" ".join(chance.choices("abcdef", [6, 4, 3, 2, 1, 1], k=8)) for _ in range(200)]
    text, words, model = tmp_path / "text.txt", tmp_path / "words.txt", tmp_path / "lm.bin"
    text.write_text("\n".join(lines))
    words.write_text("a b c d e f")
    arguments = ["--text", str(text), "--vocabulary-file", str(words), "--out", str(model)]
    build(arguments, splitter=str.splitlines)
    capsys.readouterr()
    plot = tmp_path / "sizes.png"
    asked = [str(model), "--text", str(text), "--thresholds", "1e-2", "1e-4"]
    sizes([*asked, "--plot", str(plot), "--json"], splitter=str.splitlines)
    found = json.loads(capsys.readouterr().out)
    assert [each["threshold"] for each in found] == [0, 1e-4, 1e-2]
    assert found[0]["ngrams"] > found[1]["ngrams"] > found[2]["ngrams"]
    assert found[0]["perplexity"] < found[1]["perplexity"] < found[2]["perplexity"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    sizes(asked, splitter=str.splitlines)
    assert "perplexity" in capsys.readouterr().out
