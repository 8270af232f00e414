"""Speech2Vec: its loss against plain loops, and a training as a user runs it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.crossmodal.spoken import planted, tones

from steno_models.__main__ import main
from steno_models.crossmodal.segmentation.segments import Span
from steno_models.crossmodal.speech import Speech
from steno_models.crossmodal.speech2vec import command
from steno_models.crossmodal.speech2vec.config import read_config
from steno_models.crossmodal.speech2vec.data import NeighbourBatches, NeighbourOptions, neighbours
from steno_models.crossmodal.speech2vec.embed import embed
from steno_models.crossmodal.speech2vec.loss import Form, neighbour_loss
from steno_models.crossmodal.speech2vec.model import Speech2Vec, Speech2VecOptions
from steno_models.crossmodal.speech2vec.task import Speech2VecTask
from steno_models.crossmodal.synthesis.shards import Recipe, make_shard
from steno_models.errors import ConfigError, DataError
from steno_models.training.data import Batch
from steno_models.training.distributed import Ranks
from steno_models.training.loop import FitOptions, fit
from steno_models.training.optim import OptimOptions
from steno_models.training.runlog import read_run_log

ALONE = Ranks(0, 1, torch.device("cpu"))
TINY = Speech2VecOptions(dimensions=6, width=8, longest_frames=15)


def pieces(speech: Speech) -> list[Span]:
    """Return spans of unlike lengths."""
    return [
        Span(place, first, min(first + 8 + 3 * (first % 5), speech.frames(place)))
        for place in range(len(speech))
        for first in range(0, speech.frames(place) - 8, 16)
    ]


def first_batch() -> Batch:
    speech, _ = planted(3)
    options = NeighbourOptions(window=2, pieces_per_batch=18, longest_frames=15)
    return next(NeighbourBatches(speech, pieces(speech), options, ALONE).epoch(0))


def model() -> Speech2Vec:
    torch.manual_seed(0)
    return Speech2Vec(TINY)


def test_neighbours_are_those_within_the_window_of_the_same_recording() -> None:
    found = neighbours(3, 2, before=10)
    assert found.tolist() == [[0, 0, 12, 13], [0, 11, 13, 0], [11, 12, 0, 0]]


@pytest.mark.parametrize("form", list(Form))
def test_the_loss_is_that_of_plain_loops(form: Form) -> None:
    batch, net = first_batch(), model()
    features, lengths = batch.features, batch.feature_lengths.tolist()
    vectors = [net.encode(features[b : b + 1, : lengths[b]], torch.tensor([lengths[b]]))
               for b in range(len(lengths))]  # fmt: skip
    losses = []
    for b, row in enumerate(batch.targets.tolist()):
        around = [place - 1 for place in row if place]
        if form is Form.CBOW:
            mean = torch.stack([vectors[n] for n in around]).mean(dim=0)
            pairs = [(mean, b)]
        else:
            pairs = [(vectors[b], n) for n in around]
        for vector, other in pairs:
            drawn = net.decode(vector, lengths[other])[0]
            losses.append((drawn - features[other, : lengths[other]]).square().sum(1).mean())
    found = neighbour_loss(net, batch, form)
    torch.testing.assert_close(found, torch.stack(losses).mean(), rtol=1e-5, atol=1e-5)


def test_batches_go_through_all_pieces_and_can_be_taken_up_anywhere() -> None:
    speech, _ = planted(7)
    spans = pieces(speech)
    batches = NeighbourBatches(speech, spans, NeighbourOptions(pieces_per_batch=20), ALONE)
    whole = list(batches.epoch(3))
    assert batches.count(3) == len(whole)
    keys = sorted(key for batch in whole for key in batch.keys)
    assert keys == sorted(f"r{span.place}@{span.first}" for span in spans)
    again = next(batches.epoch(3, 1))
    torch.testing.assert_close(again.features, whole[1].features, rtol=0, atol=0)
    dealing = NeighbourOptions(pieces_per_batch=20)
    shares = [
        NeighbourBatches(speech, spans, dealing, Ranks(rank, 2, ALONE.device)) for rank in range(2)
    ]
    dealt = sorted(key for each in shares for batch in each.epoch(3) for key in batch.keys)
    assert set(dealt) == set(keys)


def test_recordings_of_one_piece_have_no_neighbours() -> None:
    speech, _ = planted(2)
    with pytest.raises(DataError, match="expected recordings of two pieces or more"):
        NeighbourBatches(speech, [Span(0, 0, 9), Span(1, 0, 9)], NeighbourOptions(), ALONE)


def task() -> tuple[Speech2VecTask, NeighbourBatches]:
    """Return words whose neighbours say which they are."""
    speech, _ = planted(6, said=[0, 1, 2, 0, 1, 2, 0, 1])
    words = [Span(place, first, first + 15) for place in range(6) for first in range(0, 160, 20)]
    options = NeighbourOptions(window=1, pieces_per_batch=48, longest_frames=15)
    batches = NeighbourBatches(speech, words, options, ALONE)
    return Speech2VecTask(model(), Form.CBOW, batches), batches


def options(folder: Path, steps: int) -> FitOptions:
    return FitOptions(
        folder=folder,
        optim=OptimOptions(learning_rate=0.02, warmup_steps=5, total_steps=steps),
        report_every=10,
        evaluate_every=20,
        checkpoint_every=10,
        show_progress=False,
        draw_curves=False,
    )


def test_a_training_learns_and_goes_on_as_if_it_had_not_been_interrupted(tmp_path: Path) -> None:
    learning, batches = task()
    before = learning.evaluate()["error"]
    fit(learning, batches, options(tmp_path / "whole", 40))
    assert learning.evaluate()["error"] < 0.9 * before
    log = read_run_log(tmp_path / "whole" / "log.jsonl")
    assert [report.step for report in log] == [10, 20, 30, 40]

    checkpoints = tmp_path / "whole" / "checkpoints"
    for later in checkpoints.glob("step-*0[34]0.safetensors"):
        later.unlink()
    resumed, batches = task()
    fit(resumed, batches, options(tmp_path / "whole", 40))
    for name, value in learning.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=0, atol=0)


def test_vectors_do_not_depend_on_what_stands_beside_them(tmp_path: Path) -> None:
    speech, _ = planted(3)
    spans, net = pieces(speech), model()
    net.save(tmp_path)
    vectors = embed(Speech2Vec.load(tmp_path), speech, spans)
    alone = np.concatenate([embed(net, speech, [span]) for span in spans])
    np.testing.assert_allclose(vectors, alone, rtol=1e-4, atol=1e-5)


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a Speech2Vec model"):
        Speech2Vec.load(tmp_path)
    model().save(tmp_path)
    (tmp_path / "options.json").write_text('{"dimensions": 7, "width": 8}')
    with pytest.raises(DataError, match="expected a Speech2Vec model"):
        Speech2Vec.load(tmp_path)


def written(folder: Path, more: str = "") -> Path:
    """Write speech, its true words and a configuration into `folder`; return the latter."""
    sentences = ["one two three four"] * 4 + ["four three two one"] * 4
    for number in range(2):
        recipe = Recipe(texts=("t",), sentences=16, voices=2)
        make_shard(folder / "spoken", number, sentences, recipe, tones)
    for number, shard in enumerate(sorted((folder / "spoken" / "shards").glob("0000?"))):
        (folder / f"words{number}.jsonl").write_bytes((shard / "words.jsonl").read_bytes())
    path = folder / "small.toml"
    path.write_text(
        f"""family = "speech2vec"
        folder = "run"
        cache = "cache"
        speech = ["spoken"]
        segments = ["words0.jsonl", "words1.jsonl"]
        held_out = 0.2
        optim = {{ total_steps = 6, warmup_steps = 2 }}
        model = {{ dimensions = 4, width = 6 }}
        run = {{ pieces_per_batch = 16, evaluate_every = 3 }}
        {more}"""
    )
    return path


def test_one_command_trains_and_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    assert main(["train", str(path), "--device", "cpu"]) == 0
    assert Speech2Vec.load(tmp_path / "run" / "speech2vec").options.dimensions == 4
    assert main(["train", str(path), "--export", str(tmp_path / "model")]) == 0
    assert "written to" in capsys.readouterr().err
    assert (tmp_path / "run" / "learning-curves.png").is_file()


def test_the_recipe_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENO_RUNS", "/runs")
    config = read_config(Path(command.__file__).with_name("spoken_novels.toml"))
    assert config.speech == (Path("/runs/spoken"),)
    assert config.fit_options().optim.total_steps == 4500


def test_a_wrong_configuration_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(written(tmp_path, "windows = 3"))]) == 1
    assert "unknown field `windows`" in capsys.readouterr().err
    path = written(tmp_path / "other", "window = 2")
    with pytest.raises(ConfigError, match="expected measured checkpoints"):
        main_export(path)


def main_export(path: Path) -> None:
    """Ask for weights of a training that has not begun."""
    from steno_models.crossmodal.speech2vec.train import best_model

    best_model(read_config(path))
