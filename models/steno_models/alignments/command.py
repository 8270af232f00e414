"""`steno-models alignments`: what all ways of a text through a recording look like."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steno_models import bundle, pictures
from steno_models.alignments.dictionary import Dictionary, english_dictionary, read_dictionary
from steno_models.alignments.force_align_command import file_job
from steno_models.alignments.route import Job, Route
from steno_models.errors import ConfigError, DataError
from steno_models.features.fbank import fbank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from steno_models.las.trained import TrainedLas

MOST_S = 60.0  # more could not be seen in one picture
PANELS = ("hmm", "ctc", "rnnt", "las", "sound")

_DESCRIPTION = """Draw where a known text is in a recording, as each model sees it.

For HMMs, CTC and transducers a panel shows the trellis, position in the text against time: the log
occupancy of all paths together as an image, and the best path over it; its title tells what all
paths score and what the best one does. For LAS it shows the attention. Beneath are the spectrogram
and the words and phones in time.
"""

_EXAMPLE = """examples:

  steno-models alignments hello.wav --text "Hello, Mr. Smith!" --out hello.png
  steno-models alignments hello.wav --text hello.txt --system hmm/mono.npz \\
      --bundle en my-transducer --las las.toml --panels hmm ctc rnnt las sound --out hello.svg
"""


class _Drawn:
    """The models that were asked for, and what they say of one recording."""

    def __init__(self, asked: argparse.Namespace, dictionary: Dictionary) -> None:
        from steno_models.alignments.ctc_route import CtcRoute  # noqa: PLC0415
        from steno_models.alignments.hmm_route import HmmRoute  # noqa: PLC0415
        from steno_models.rewriting_recogniser import unwrapped  # noqa: PLC0415
        from steno_models.text.tokens import TokenTable  # noqa: PLC0415
        from steno_models.transducer_recogniser import TransducerRecogniser  # noqa: PLC0415

        self.hmm = HmmRoute.read(asked.system, dictionary) if asked.system else None
        self.las = _las(asked.las) if asked.las else None
        self.ctc: CtcRoute | None = None
        self.rnnt: tuple[TransducerRecogniser, TokenTable] | None = None
        for name in asked.bundle or ([] if asked.system else ["en"]):
            loaded = bundle.load(name)
            recogniser = unwrapped(loaded.first_pass)
            if isinstance(recogniser, TransducerRecogniser):
                self.rnnt = (recogniser, TokenTable.read(loaded.path / "tokens.txt"))
            else:
                self.ctc = CtcRoute.of(loaded)

    @property
    def panels(self) -> list[str]:
        """Which panels there are models for, and that of the sound."""
        return [name for name in PANELS if name == "sound" or getattr(self, name) is not None]

    @property
    def aligner(self) -> Route:
        """What says where the marked words are."""
        found = self.hmm or self.ctc
        if found is None:
            raise ConfigError("expected a bundle with a CTC model or --system, found neither")
        return found


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models alignments`."""
    asked = _parser().parse_args(arguments)
    if asked.out.suffix.lower() not in pictures.ENDINGS:
        raise ConfigError(f"expected a picture that ends in .png or .svg, found {asked.out}")
    dictionary = read_dictionary(asked.lexicon) if asked.lexicon else english_dictionary()
    job = file_job(asked.audio, asked.text, dictionary)
    if job.duration_s > MOST_S:
        raise DataError(f"expected at most {MOST_S:.0f} s to draw, found {job.duration_s:.1f} s")
    drawn = _Drawn(asked, dictionary)
    panels = asked.panels or drawn.panels
    if lacking := [name for name in panels if name not in drawn.panels]:
        raise ConfigError(
            f"expected a model for each panel, found none for {', '.join(lacking)} (see --help)"
        )
    figure = _figure(drawn, job, panels)
    pictures.save(figure, asked.out)
    sys.stdout.write(f"{asked.out}\n")
    return 0


def _las(config: Path) -> "TrainedLas":
    """Return what the training of the file `config` has written."""
    from steno_models.las.config import read_config  # noqa: PLC0415
    from steno_models.las.trained import TrainedLas  # noqa: PLC0415

    return TrainedLas.load(read_config(config))


def _figure(drawn: _Drawn, job: Job, panels: Sequence[str]) -> "Figure":
    from steno_models.alignments import plots, trellises  # noqa: PLC0415

    [outcome] = drawn.aligner.align([job], lambda _what, _share: None)
    if isinstance(outcome.found, DataError):
        raise outcome.found
    samples = np.concatenate(list(job.open()))
    features = fbank(samples)
    found, said = {}, [ways[0] for ways in job.ways]
    # The later of these two says how the words are said: what marks them below is the first.
    if drawn.ctc is not None:
        found["ctc"], said = trellises.ctc_trellis(drawn.ctc, job, features)
    if drawn.hmm is not None:
        found["hmm"], said = trellises.hmm_trellis(drawn.hmm, job, samples)
    if drawn.rnnt is not None:
        found["rnnt"] = trellises.rnnt_trellis(*drawn.rnnt, job, features, said)
    if drawn.las is not None:
        found["las"] = trellises.las_trellis(drawn.las, job, features)
    edges_s = trellises.frame_edges(len(features))
    shown = features if "sound" in panels else None
    return plots.draw(
        [found[name] for name in panels if name != "sound"],
        outcome.found,
        shown,
        edges_s,
        job.name,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models alignments",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("audio", type=Path, metavar="AUDIO", help="a recording of up to a minute")
    parser.add_argument("--text", required=True, metavar="FILE|WORDS", help="what is said in it")
    parser.add_argument(
        "--bundle",
        nargs="+",
        help="bundles of CTC and transducers (en, unless there is --system)",
    )
    parser.add_argument(
        "--system", type=Path, metavar="FILE.npz", help="GMM-HMMs of `steno-models hmm train`"
    )
    parser.add_argument(
        "--las", type=Path, metavar="CONFIG.toml", help="the file that LAS was trained from"
    )
    parser.add_argument("--lexicon", type=Path, metavar="FILE.txt", help="as of force-align")
    parser.add_argument(
        "--panels", nargs="+", choices=PANELS, help="from the top (all that there are models for)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png|FILE.svg")
    return parser
