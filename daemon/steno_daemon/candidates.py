"""Words that the bundle's lexicon lacks: whether the daemon can tell of them."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from steno_models.errors import StenoModelsError
from steno_models.unknown.attach import attach, folder_of
from steno_models.unknown.recogniser import UnknownWordRecogniser

if TYPE_CHECKING:
    from steno_daemon.library import LoadDomain
    from steno_models.bundle import Bundle
    from steno_models.domain import Domain
    from steno_models.recogniser import Recogniser

logger = logging.getLogger(__name__)


def telling_of_unknown_words(
    loaded: "Bundle", named: Path | None, *, wished: bool = True
) -> "tuple[Recogniser, str]":
    """Return the recogniser of a bundle, telling of unknown words if it can, and how that stands.

    Candidates that are missing or damaged leave it as it is: the log and `/healthz` say why.

    Args:
        loaded: the bundle.
        named: folder of candidates by the configuration; None for the bundle's own, if any.
        wished: whether the configuration has it tell of them at all.
    """
    folder = folder_of(loaded, named) if wished else None
    if folder is None:
        return loaded.recogniser, "off"
    try:
        return attach(loaded, folder), "ok"
    except StenoModelsError as error:
        logger.warning("nobody is told of unknown words: %s", error)
        return loaded.recogniser, f"failed: {error}"


def preparing(load: "LoadDomain | None", recogniser: "Recogniser") -> "LoadDomain | None":
    """Return `load`, with what a recogniser of unknown words must know of a domain known, too.

    It takes a tenth of a second, which the engine should not spend at the end of a segment.
    """
    if load is None or not isinstance(recogniser, UnknownWordRecogniser):
        return load

    def load_and_prepare(folder: Path) -> "Domain":
        domain = load(folder)
        recogniser.prepare(domain.model)
        return domain

    return load_and_prepare
