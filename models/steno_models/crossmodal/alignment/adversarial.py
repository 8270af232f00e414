"""A map that makes one space's words pass for the other's (Conneau et al. 2018; Chung et al. 2018).

    L_D = -mean ln P(source | W x) - mean ln P(target | y)      the discriminator tells them apart
    L_W = -mean ln P(target | W x) - mean ln P(source | y)      the map deceives it
    W ← (1 + β) W - β (W Wᵀ) W                                  and stays near the orthogonal ones

Nothing says which of the runs have found the words' true partners but how near the partners are:
the map of the epoch with the highest mean CSLS is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from steno_models.crossmodal.alignment.keep import Keep
from steno_models.crossmodal.alignment.procrustes import nearest_orthogonal
from steno_models.crossmodal.alignment.refinement import Fit, fit
from steno_models.errors import ConfigError, DataError
from steno_models.types import FloatArray


class AdversarialOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How map and discriminator play against each other.

    Attributes:
        epochs: success often is a late jump; too few look like failure.
        samples: drawn from each space in an epoch.
        batch: of them at a time.
        discriminator_steps: for each step of the map.
        hidden: width of the discriminator's two layers.
        dropout: of its input.
        smoothing: of its labels: 0.1 asks for 0.9 and 0.1.
        rate: of both, by plain gradient descent.
        decay: of the rate, each epoch.
        shrink: of the rate, after an epoch whose map fits less well than the best.
        beta: how strongly the map is kept orthogonal.
        frequent: words that are drawn, the most frequent of each space.
        judged: words by which the map is judged.
    """

    epochs: int = 5
    samples: int = 1_000_000
    batch: int = 32
    discriminator_steps: int = 5
    hidden: int = 512
    dropout: float = 0.1
    smoothing: float = 0.1
    rate: float = 0.1
    decay: float = 0.98
    shrink: float = 0.5
    beta: float = 0.01
    frequent: int = 75_000
    judged: int = 10_000

    def __post_init__(self) -> None:
        """Refuse what cannot be played with."""
        for name in ("epochs", "samples", "batch", "discriminator_steps", "hidden", "frequent"):
            if getattr(self, name) < 1:
                raise ConfigError(f"expected {name} of 1 or more, found {getattr(self, name)}")
        if not 0.0 <= self.smoothing < 0.5 or not 0.0 <= self.dropout < 1.0:
            raise ConfigError(
                "expected smoothing below 0.5 and dropout below 1, "
                f"found {self.smoothing} and {self.dropout}"
            )


class Epoch(NamedTuple):
    """How the game stood after an epoch.

    Attributes:
        number: of the epoch, from 1.
        discriminator_loss: mean over it, in nats; ln 2 = 0.69 where it can only guess.
        fit: of the map, without labels.
    """

    number: int
    discriminator_loss: float
    fit: Fit


def adversarial(
    source: FloatArray,
    target: FloatArray,
    options: AdversarialOptions,
    *,
    seed: int,
    report: Callable[[Epoch], None] | None = None,
    keep: Keep | None = None,
) -> FloatArray:
    """Return the (D, D) orthogonal map of the best epoch.

    Args:
        source: (V, D) unit vectors, the most frequent first.
        target: (W, D) likewise.
        options: of the game.
        seed: of everything random; the same on one thread gives the same map.
        report: is told after each epoch.
        keep: where the game is kept after each epoch, and goes on from.

    Raises:
        DataError: the spaces have other dimensions, or the game ran away to infinity.
    """
    if source.shape[1] != target.shape[1]:
        raise DataError(
            f"expected spaces of as many dimensions, found {source.shape[1]}, {target.shape[1]}"
        )
    game = _Game(source, target, options, seed)
    best, best_fit, done = game.rotation(), -float("inf"), 0
    if keep is not None and (found := keep.read()) is not None:
        best, best_fit, done = game.go_on(found)
    for number in range(done + 1, options.epochs + 1):
        # Numbers too small to matter make some processors a hundred times slower; but elsewhere in
        # this process they may matter.
        torch.set_flush_denormal(True)
        try:
            loss = game.play_epoch()
        finally:
            torch.set_flush_denormal(False)
        rotation = game.rotation()
        measured = fit(source[: options.judged], target[: options.judged], rotation)
        if report is not None:
            report(Epoch(number, loss, measured))
        if measured.csls > best_fit:
            best, best_fit = rotation, measured.csls
            game.slow_down(options.decay)
        else:
            game.slow_down(options.decay * options.shrink)
        if keep is not None:
            keep.write(game.standing(best, best_fit, number))
    return best


def orthogonalised(weight: Tensor, beta: float) -> Tensor:
    """Return `weight`, (D, D), a step nearer to the orthogonal matrices (Conneau et al., eq. 7)."""
    return (1.0 + beta) * weight - beta * (weight @ weight.T) @ weight


def discriminator(D: int, options: AdversarialOptions) -> nn.Sequential:
    """Return (B, D) → (B, 1) logits of "this is a source word, mapped"."""
    return nn.Sequential(
        nn.Dropout(options.dropout),
        nn.Linear(D, options.hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(options.hidden, options.hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(options.hidden, 1),
    )


class _Game:
    """Map and discriminator, and where they stand."""

    def __init__(
        self, source: FloatArray, target: FloatArray, options: AdversarialOptions, seed: int
    ) -> None:
        self._options = options
        self._source = torch.from_numpy(source[: options.frequent])
        self._target = torch.from_numpy(target[: options.frequent])
        self._random = torch.Generator().manual_seed(seed)
        D = source.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._judge = discriminator(D, options)
        self._dropout_seed = seed
        self._weight = torch.eye(D, requires_grad=True)
        self._rate = options.rate
        kept, left = 1.0 - options.smoothing, options.smoothing
        self._labels = torch.tensor([kept] * options.batch + [left] * options.batch)

    def play_epoch(self) -> float:
        """Play as many turns as an epoch has; return the discriminator's mean loss."""
        turns = max(1, self._options.samples // self._options.batch)
        losses = torch.zeros(())
        with torch.random.fork_rng(devices=[]):
            self._dropout_seed += 1
            torch.manual_seed(self._dropout_seed)
            for _ in range(turns):
                for _ in range(self._options.discriminator_steps):
                    losses += self._teach_discriminator()
                self._teach_map()
        return float(losses) / (turns * self._options.discriminator_steps)

    def slow_down(self, factor: float) -> None:
        """Go on with `factor` of the learning rate."""
        self._rate *= factor

    def standing(self, best: FloatArray, best_fit: float, number: int) -> dict[str, Tensor]:
        """Return where the game stands after epoch `number`, with the best map so far."""
        numbers = torch.tensor([best_fit, self._rate, number], dtype=torch.float64)
        return {
            **{f"judge.{name}": weight for name, weight in self._judge.state_dict().items()},
            "weight": self._weight.detach(), "best": torch.from_numpy(best),
            "numbers": numbers, "random": self._random.get_state(),
        }  # fmt: skip

    def go_on(self, found: Mapping[str, Tensor]) -> tuple[FloatArray, float, int]:
        """Go on from what `standing` returned; return what it was given."""
        own = {n.removeprefix("judge."): w for n, w in found.items() if n.startswith("judge.")}
        self._judge.load_state_dict(own)
        with torch.no_grad():
            self._weight.copy_(found["weight"])
        self._random.set_state(found["random"])
        best_fit, self._rate, number = found["numbers"].tolist()
        self._dropout_seed += int(number)
        best: FloatArray = found["best"].numpy()
        return best, best_fit, int(number)

    def rotation(self) -> FloatArray:
        """Return the (D, D) orthogonal matrix nearest to the map."""
        return nearest_orthogonal(self._weight.detach().numpy())

    def _words(self) -> Tensor:
        """Return (2 · batch, D): source words, mapped, and then target words."""
        batch = self._options.batch
        drawn_x = torch.randint(len(self._source), (batch,), generator=self._random)
        drawn_y = torch.randint(len(self._target), (batch,), generator=self._random)
        return torch.cat([self._source[drawn_x] @ self._weight.T, self._target[drawn_y]])

    def _teach_discriminator(self) -> Tensor:
        self._judge.train()
        with torch.no_grad():
            words = self._words()
        loss = self._loss(words, self._labels)
        weights = list(self._judge.parameters())
        self._descend(weights, torch.autograd.grad(loss, weights))
        return loss.detach()

    def _teach_map(self) -> None:
        self._judge.eval()
        loss = self._loss(self._words(), 1.0 - self._labels)
        self._descend([self._weight], torch.autograd.grad(loss, [self._weight]))
        with torch.no_grad():
            self._weight.copy_(orthogonalised(self._weight, self._options.beta))

    def _loss(self, words: Tensor, labels: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(self._judge(words).squeeze(1), labels)

    @torch.no_grad()
    def _descend(self, weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(gradient, alpha=self._rate)
