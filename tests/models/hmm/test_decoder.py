"""Words from GMM-HMMs against trying every sentence; two passes against one."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from steno_models.errors import DataError
from steno_models.hmm import kernels
from steno_models.hmm.frames import FrontEnd
from steno_models.hmm.gmm import DiagonalGmm
from steno_models.hmm.model import PhoneModel
from steno_models.hmm.speech import Recording
from steno_models.hmm.system import System
from steno_models.hmm.topology import NUM_PHONES, SILENCE, Monophones, utterance_graph
from steno_models.hmm.tree import TiedStates
from steno_models.hmm_command import main
from steno_models.hmm_decoder import Dictionary, HmmDecoder, spelled_in_states
from steno_models.hmm_evaluate import Setting, decode_adapted, decode_once
from steno_models.lm.ngram.counts import count
from steno_models.lm.ngram.kneser_ney import estimate
from steno_models.lm.ngram.model import NgramModel
from steno_models.search.options import SearchOptions
from steno_models.search.pronunciations import Pronunciations
from steno_models.types import FloatArray

D = 4
WIDE = SearchOptions(beam=1e4, max_tokens=20_000, lm_weight=1.5, word_score=-0.5)
WORDS = {"one": [[1]], "both": [[2], [1, 2]], "same": [[2, 1]]}


def _dictionary() -> Dictionary:
    vocabulary = (*WORDS, "<s>", "</s>", "<unk>")
    text = ["<s>", "one", "both", "</s>", "<s>", "same", "one", "</s>", "<s>", "both", "</s>"]
    tokens = np.array([vocabulary.index(word) for word in text], np.int32)
    model = estimate(count(tokens, vocabulary=vocabulary, order=2))
    return Dictionary(NgramModel.from_backoff(model), Pronunciations.of(list(WORDS.values())))


def _tied(rng: np.random.Generator) -> TiedStates:
    """Return two leaves for each part of the phones 1 and 2, one for all others."""
    table = np.zeros((NUM_PHONES, 2, NUM_PHONES, NUM_PHONES), np.int32)
    table[1:] = 1
    for i, (phone, part) in enumerate(product((1, 2), (0, 1))):
        table[phone, part] = 2 + 2 * i + rng.integers(0, 2, (NUM_PHONES, NUM_PHONES))
    return TiedStates(table)


def _system(seed: int) -> System:
    rng = np.random.default_rng(seed)
    units = _tied(rng)
    S = units.num_states
    gmm = DiagonalGmm.uniform(
        np.log(rng.dirichlet(np.ones(2), S)),
        rng.normal(size=(S, 2, D)),
        rng.uniform(0.5, 2.0, (S, 2, D)),
    )
    return System(units, PhoneModel(gmm, rng.uniform(0.2, 0.8, S)), FrontEnd())


def _score(system: System, frames: FloatArray, words: tuple[int, ...], lm: NgramModel) -> float:
    """Return the score of `words` from the alignment with their graph and the language model."""
    state, total = lm.start_state, 0.0
    for word in words:
        state, log_prob = lm.advance(state, word)
        total += WIDE.lm_weight * log_prob + WIDE.word_score
    total += WIDE.lm_weight * lm.advance(state, lm.end_word)[1]
    ways = [list(WORDS.values())[word] for word in words]
    graph = utterance_graph(ways, units=system.units)
    emissions, columns = system.model._emissions(frames, graph)
    loops, arcs, _ = system.model._transitions(graph)
    # The search gives silence and its lack, and each way to say a word, no price.
    arcs = arcs - graph.arc_log_probs
    free = [
        np.where(np.isfinite(p), 0.0, p) for p in (graph.start_log_probs, graph.final_log_probs)
    ]
    links = (graph.arc_offsets, graph.arc_sources, arcs)
    return total + float(kernels.viterbi(emissions, columns, loops, *links, *free)[1])


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_beam_finds_the_best_of_all_sentences_and_alignments(seed: int) -> None:
    system, dictionary = _system(seed), _dictionary()
    frames = np.random.default_rng(100 + seed).normal(size=(8, D)).astype(np.float32)
    decoder = HmmDecoder.build(system, dictionary, WIDE, acoustic_scale=1.0)
    (found,) = decoder.search.finish(
        decoder.search.step(decoder.log_likelihoods(frames), decoder.search.start())
    )
    sentences = [s for length in (1, 2, 3, 4) for s in product(range(3), repeat=length)]
    scores = {s: _score(system, frames, s, dictionary.model) for s in sentences}
    best = max(scores, key=scores.__getitem__)
    assert tuple(word.word for word in found.words) == best
    assert found.log_score == pytest.approx(scores[best], abs=1e-2)
    assert decoder.decode(frames) == list(best)


def test_words_are_spelled_in_the_states_of_their_phones_in_context() -> None:
    units = _tied(np.random.default_rng(0))
    known = Pronunciations.of([[[1, 2], [2]], [], [[1, 2, 1]], [[]]])
    assert spelled_in_states(known, units).of_words(range(4)) == [
        [
            [*units.states(SILENCE, 1, 2), *units.states(1, 2, SILENCE)],
            units.states(SILENCE, 2, SILENCE),
        ],
        [],
        [[*units.states(SILENCE, 1, 2), *units.states(1, 2, 1), *units.states(2, 1, SILENCE)]],
        [[]],
    ]
    nothing = spelled_in_states(Pronunciations.of([[]]), units)
    assert nothing.of_words([0]) == [[]]


def test_a_dictionary_reads_what_words_of_the_language_model_sound_like(tmp_path: Path) -> None:
    made = _dictionary()
    made.model.write(tmp_path / "few.bin")
    (tmp_path / "few.lexicon.txt").write_text("one AA\nboth AE\nboth AA AE\nsame AE AA\n")
    read = Dictionary.open(tmp_path, "few")
    assert read.words == ("one", "both", "same")
    assert read.pronunciations.of_words(range(3)) == list(WORDS.values())
    (tmp_path / "few.lexicon.txt").write_text("one AA\nboth XX\n")
    with pytest.raises(DataError, match=r"few.lexicon.txt:2, found 'XX'"):
        Dictionary.open(tmp_path, "few")


def test_no_frames_are_no_words() -> None:
    decoder = HmmDecoder.build(_system(0), _dictionary(), WIDE)
    assert decoder.decode(np.zeros((0, D), np.float32)) == []


def test_a_silence_of_several_states_is_refused() -> None:
    system = _system(0)
    units = Monophones(3, silence_states=3)
    with pytest.raises(DataError, match="expected silence to be the state 0"):
        HmmDecoder.build(System(units, system.model, system.front_end), _dictionary(), WIDE)


def _clear_system() -> System:
    """Return a system of far apart states on features of which the first half are cepstra."""
    units = _tied(np.random.default_rng(0))
    S, width = units.num_states, 9
    means = np.zeros((S, 1, width))
    means[:, 0, :3] = 6.0 * np.random.default_rng(1).normal(size=(S, 3))
    gmm = DiagonalGmm.uniform(np.zeros((S, 1)), means, np.ones((S, 1, width)))
    return System(units, PhoneModel(gmm, np.full(S, 0.8)), FrontEnd())


def _said(system: System, words: list[int], speaker: int, shift: float) -> Recording:
    rng = np.random.default_rng(speaker)
    states = [0] * 10
    for word in words:
        ways = spelled_in_states(Pronunciations.of([list(WORDS.values())[word]]), system.units)
        states += [state for state in ways.of_words([0])[0][0] for _ in range(8)]
    states += [0] * 10
    means = system.model.gmm.means[states, :3]
    cepstra = means + shift + 0.3 * rng.normal(size=means.shape)
    return Recording(f"s{speaker}", speaker, cepstra.astype(np.float32))


def test_two_passes_decode_twice_and_understand_a_moved_voice() -> None:
    system, setting = _clear_system(), Setting(_dictionary(), WIDE, acoustic_scale=0.2)
    ticks: list[None] = []

    def tick() -> None:
        ticks.append(None)

    said = [[0, 1, 2], [2, 0], [1, 0]] * 4
    speech = [_said(system, words, 0, shift=0.5) for words in said]
    assert decode_once(system, speech, setting, tick) == said
    adapted = replace(system, adapted=True)
    assert decode_adapted((system, adapted), speech, setting, tick) == said
    assert len(ticks) == 3 * len(said)


def test_without_a_command_the_commands_are_listed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([]) == 0
    assert "evaluate" in capsys.readouterr().out
    assert main([str(tmp_path)]) == 2
    assert "expected a command" in capsys.readouterr().err
