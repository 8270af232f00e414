"""What the speller thinks of texts that somebody else has found: a second pass (Sainath 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from steno_models.errors import DataError
from steno_models.las.model import Encoded, LasModel
from steno_models.las.speller import END, Speller

Texts = Sequence[Sequence[int]]


def spelling_log_probs(
    model: LasModel, encoded: Encoded, nbest: Sequence[Texts]
) -> list[list[float]]:
    """Return ln p(text | sound) by the model's own speller; see `speller_log_probs`."""
    return speller_log_probs(model.speller, encoded, nbest)


@torch.inference_mode()
def speller_log_probs(
    speller: Speller, encoded: Encoded, nbest: Sequence[Texts]
) -> list[list[float]]:
    """Return ln p(text | sound) by a speller of each text, its end included.

    Args:
        speller: it may look at the steps of any encoder of the width that it was made for.
        encoded: B utterances.
        nbest: token ids of the texts of each, any number of any length; one without tokens says
            that nothing was said.

    Raises:
        DataError: there are not as many lists as utterances, or a token is not the speller's.
    """
    if len(nbest) != len(encoded.steps):
        raise DataError(f"expected texts for {len(encoded.steps)} utterances, found {len(nbest)}")
    most = max(map(len, nbest), default=0)
    if most == 0:
        return [[] for _ in nbest]
    targets, lengths = _padded(nbest, most, speller.output.out_features)
    device = encoded.steps.device
    memory = speller.attention.memory(encoded.steps, encoded.lengths)
    logits, _ = speller(targets.to(device), memory)
    found = text_log_probs(logits, targets.to(device), lengths.to(device)).cpu()
    return [found[i, : len(texts)].tolist() for i, texts in enumerate(nbest)]


def text_log_probs(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Return ln p, (…), of texts and their ends.

    Args:
        logits: (…, U + 1, V) before each token and at the end.
        targets: (…, U) token ids, padded.
        lengths: (…) tokens of each.
    """
    place = torch.arange(logits.shape[-2], device=logits.device)
    ended = torch.nn.functional.pad(targets.long(), (0, 1), value=END)
    ended = ended.masked_fill(place >= lengths.unsqueeze(-1), END)
    log_probs = logits.double().log_softmax(dim=-1).gather(-1, ended.unsqueeze(-1)).squeeze(-1)
    return log_probs.masked_fill(place > lengths.unsqueeze(-1), 0.0).sum(dim=-1)


def _padded(nbest: Sequence[Texts], most: int, tokens: int) -> tuple[Tensor, Tensor]:
    """Return (B, K, U) ids and (B, K) lengths, with empty texts where there are fewer than K."""
    rows = [
        torch.tensor(text, dtype=torch.int64)
        for texts in nbest
        for text in [*texts, *([()] * (most - len(texts)))]
    ]
    for row in rows:
        if len(row) and not 0 < int(row.min()) <= int(row.max()) < tokens:
            raise DataError(f"expected tokens from 1 to {tokens - 1}, found {row.tolist()}")
    lengths = torch.tensor([len(row) for row in rows]).view(len(nbest), most)
    padded = pad_sequence(rows, batch_first=True)
    return padded.view(len(nbest), most, padded.shape[1]), lengths
