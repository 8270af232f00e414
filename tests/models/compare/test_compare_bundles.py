"""A bundle that is compared, with what its language models say and without."""

from pathlib import Path

import pytest
from tests.models import second_passes

from steno_models import bundle
from steno_models.compare.bundles import with_language_model, without_language_model
from steno_models.compare.config import Search

WORD_SCORE = -11.7


@pytest.mark.parametrize(("is_language", "stays"), [(True, False), (False, True)])
def test_without_a_language_model_no_second_pass_asks_one(
    tmp_path: Path, *, is_language: bool, stays: bool
) -> None:
    give = second_passes.give if is_language else second_passes.give_speller
    made = give(second_passes.ctc_of_subwords(tmp_path / "bundle"))
    alone = without_language_model(made, Search(), WORD_SCORE, tmp_path / "alone")
    described = bundle.describe(alone)
    assert (described.second_pass is not None) is stays
    assert (described.search.lm_weight, described.search.word_score) == (0.0, WORD_SCORE)
    assert bundle.load(alone).recogniser is not None
    whole = with_language_model(made, Search(beam=9.0), tmp_path / "whole")
    assert whole is not None
    assert bundle.describe(whole).second_pass == bundle.describe(made).second_pass
    assert bundle.describe(whole).search.beam == 9.0
