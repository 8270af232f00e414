"""Language models beside a transducer: shallow fusion without what the transducer knows itself.

    score = ln p(y | x) + λ ln p_LM(y) − μ ln p_internal(y) + ρ |y|

The internal language model's share: Meng et al. (2021) and, for the factorised joiner, Variani et
al. (2020).
"""

from dataclasses import dataclass

from steno_models.search.fusion import ShallowFusion, check_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion(ShallowFusion):
    """How a language model takes part.

    Attributes:
        internal_weight: μ, subtracts what the transducer has learnt of its training texts.
    """

    internal_weight: float = 0.0

    def __post_init__(self) -> None:
        """Check the weights."""
        ShallowFusion.__post_init__(self)
        check_weight("internal_weight", self.internal_weight)
