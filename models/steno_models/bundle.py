"""A trained model as a directory: the only file that knows all families.

    bundle.toml          what it is, how to decode with it, and the SHA-256 of every other file
    model.safetensors    weights, float16
    cmvn.safetensors     feature normalisation
    tokens.txt           "symbol id"
    lm/NAME.bin          an n-gram language model, mapped into memory
    lm/NAME.lexicon.txt  its vocabulary in the order of its word ids, "word P1 P2 …"
    second_pass/         models that rank finals anew, where there are any
    MODEL_CARD.md        where it comes from and what it was measured to do

Nothing is ever unpickled, and nothing is used whose hash is not the one in bundle.toml.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from steno_models.bundle_sections import (
    HmmSection,
    SecondPassSection,
    SpellerSection,
    TransducerSection,
)
from steno_models.encoders.build import EncoderOptions
from steno_models.encoders.section import Encoder, Table, with_encoder_kind
from steno_models.errors import BundleError, ConfigError, DataError
from steno_models.features.fbank import NUM_BINS
from steno_models.lexicon_recogniser import LexiconRecogniser
from steno_models.recogniser import BundledRecogniser, LanguageModel

if TYPE_CHECKING:
    from steno_models.search.tree import LexiconTree

BUNDLES = Path(__file__).parent / "bundles"
DESCRIPTION = "bundle.toml"
GENERAL = "general"
"""The language model that a stream gets which names none."""


class StreamingSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much the encoder sees at a time.

    Attributes:
        chunk_steps: steps of 40 ms of a chunk.
        left_steps: of the encoder's own, before a chunk.
    """

    chunk_steps: int
    left_steps: int


class SearchSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How wide to search and how to weigh; see `SearchOptions`."""

    beam: float
    max_tokens: int
    lm_weight: float
    word_score: float
    blank_penalty: float
    posterior_scale: float


class CalibrationSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The logistic regression from what the search knows of a word to its confidence."""

    weights: tuple[float, ...]
    bias: float


class SpeechGateSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The logistic regression from windows of posteriors to whether there is speech."""

    weights: tuple[float, ...]
    bias: float


class Description(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What bundle.toml holds; without a speech gate every segment's words are shown.

    The families ctc, rnnt and las have an encoder; rnnt has a transducer, las and hmm have a
    section of their name.
    """

    name: str
    version: str
    language: str
    family: str
    language_models: tuple[str, ...]
    encoder: Encoder | None = None
    streaming: StreamingSection
    search: SearchSection
    calibration: CalibrationSection
    speech_gate: SpeechGateSection | None = None
    transducer: TransducerSection | None = None
    las: SpellerSection | None = None
    hmm: HmmSection | None = None
    second_pass: SecondPassSection | None = None
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded bundle.

    Attributes:
        path: its directory.
        description: what bundle.toml says.
        recogniser: ready to decode.
        first_pass: the same, without the second pass where there is one.
    """

    path: Path
    description: Description
    recogniser: BundledRecogniser
    first_pass: BundledRecogniser

    @property
    def name(self) -> str:
        """Its name."""
        return self.description.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.description.version

    @property
    def language_models(self) -> tuple[str, ...]:
        """The names of its language models; decoding without any has a name, too."""
        return self.description.language_models or (GENERAL,)


def find(bundle: str | Path) -> Path:
    """Return the directory of `bundle`: a path, or the name of an embedded one.

    Raises:
        BundleError: there is none.
    """
    for path in (Path(bundle), BUNDLES / str(bundle)):
        if (path / DESCRIPTION).is_file():
            return path
    embedded = sorted(path.parent.name for path in BUNDLES.glob(f"*/{DESCRIPTION}"))
    raise BundleError(
        f"expected a directory with {DESCRIPTION} or the name of an embedded bundle "
        f"({', '.join(embedded) or 'none'}), found {bundle}"
    )


def describe(path: Path) -> Description:
    """Return what the bundle.toml in `path` says.

    Raises:
        BundleError: it is not TOML, or not of this form.
    """
    file = path / DESCRIPTION
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        return msgspec.convert(_with_encoder_kind(found), Description)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BundleError(f"expected a TOML file at {file}, found: {error}") from error
    except msgspec.ValidationError as error:
        raise BundleError(f"expected a bundle's description in {file}, found: {error}") from error


def _with_encoder_kind(found: Table) -> Table:
    """Return the table of a description, the kind of its encoder in it.

    Descriptions once told, too, how many mel bins the encoder hears: always as many as there are.
    """
    table, encoder = with_encoder_kind(found), found.get("encoder")
    if not isinstance(encoder, dict) or encoder.get("bins") != NUM_BINS:
        return table
    shape = {name: value for name, value in encoder.items() if name != "bins"}
    return with_encoder_kind({**found, "encoder": shape})


def encoder_options(path: Path, description: Description) -> EncoderOptions:
    """Return the shape of the encoder of the bundle in `path`.

    Raises:
        BundleError: it has none.
    """
    if description.encoder is None:
        raise BundleError(f"expected a section [encoder] in the description of {path}, found none")
    return description.encoder.options()


def check_files(path: Path, files: Mapping[str, str]) -> None:
    """Check that every file of the bundle is there and is the one that was bundled.

    Raises:
        BundleError: naming the files that are missing or changed.
    """
    wrong = [problem for name, digest in files.items() if (problem := _problem(path, name, digest))]
    if wrong:
        raise BundleError(f"bundle {path} is damaged: {'; '.join(wrong)}")


def _problem(path: Path, name: str, digest: str) -> str | None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return f"{name}: expected a path inside the bundle"
    file = path / name
    if not file.is_file():
        return f"{name}: expected a file, found none"
    found = file_digest(file)
    return (
        None if found == digest else f"{name}: expected sha256 {digest[:12]}…, found {found[:12]}…"
    )


def file_digest(file: Path) -> str:
    """Return the SHA-256 of `file` in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load(bundle: str | Path) -> Bundle:
    """Return the loaded bundle at a path or of an embedded name.

    Raises:
        BundleError: a file is missing, truncated or changed, or the family is unknown.
    """
    path = find(bundle)
    description = describe(path)
    check_files(path, description.files)
    try:
        first = _load_first_pass(path, description)
        if description.second_pass is None:
            return Bundle(path, description, first, first)
        from steno_models import bundle_second_pass  # noqa: PLC0415

        scale = description.search.posterior_scale
        both = bundle_second_pass.attach(path, description.second_pass, first, scale)
        return Bundle(path, description, both, both.first)
    except (ConfigError, DataError, RuntimeError, KeyError, ValueError) as error:
        raise BundleError(f"bundle {path} does not fit together: {error}") from error


def _load_first_pass(path: Path, description: Description) -> BundledRecogniser:
    """Return the recogniser of a bundle of any family."""
    match description.family:
        case "ctc":
            return _load_ctc(path, description)
        case "rnnt":
            from steno_models import bundle_transducer  # noqa: PLC0415

            return bundle_transducer.load(path, description)
        case "hmm":
            from steno_models import bundle_hmm  # noqa: PLC0415

            return bundle_hmm.load(path, description)
        case "las":
            from steno_models import bundle_speller  # noqa: PLC0415

            return bundle_speller.load(path, description)
        case other:
            raise BundleError(
                f"expected a model family of: ctc, hmm, las, rnnt, found {other} in {path}"
            )


def _load_ctc(path: Path, description: Description) -> BundledRecogniser:
    from safetensors.torch import load_file  # noqa: PLC0415

    from steno_models.ctc.model import CtcModel  # noqa: PLC0415
    from steno_models.encoders.layout import lay_out  # noqa: PLC0415
    from steno_models.encoders.protocol import Context  # noqa: PLC0415
    from steno_models.encoders.whole import for_streams  # noqa: PLC0415
    from steno_models.features.cmvn import GlobalCmvn  # noqa: PLC0415
    from steno_models.rewriting_recogniser import streamed  # noqa: PLC0415
    from steno_models.search.confidence import Calibration  # noqa: PLC0415
    from steno_models.text.tokens import TokenTable  # noqa: PLC0415
    from steno_models.vad.speech_gate import SpeechGate  # noqa: PLC0415

    encoder = encoder_options(path, description)
    tokens = TokenTable.read(path / "tokens.txt")
    model = CtcModel(encoder, len(tokens)).eval().requires_grad_(requires_grad=False)
    weights = load_file(path / "model.safetensors")
    model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    lay_out(model.encoder)
    model.encoder = for_streams(model.encoder)
    streaming, gate = description.streaming, description.speech_gate
    recogniser = LexiconRecogniser(
        acoustic=model,
        cmvn=GlobalCmvn.load(path / "cmvn.safetensors"),
        language_models={
            name: load_language_model(path / "lm", name, tokens.symbols, description.search)
            for name in description.language_models
        },
        context=Context(streaming.chunk_steps, streaming.left_steps),
        calibration=Calibration(
            weights=description.calibration.weights, bias=description.calibration.bias
        ),
        blank=tokens.blank,
        speech_gate=SpeechGate(weights=gate.weights, bias=gate.bias) if gate else None,
    )
    return streamed(recogniser, model.encoder)


def load_language_model(
    folder: Path,
    name: str,
    symbols: tuple[str, ...],
    section: SearchSection,
    *,
    tree: "LexiconTree | None" = None,
) -> LanguageModel:
    """Return the language model NAME.bin of `folder` with its lexicon, ready to search.

    Args:
        folder: where NAME.bin and NAME.lexicon.txt are.
        name: the language model's name.
        symbols: the tokens of the acoustic model, by id.
        section: how to search.
        tree: of the lexicon, where it is made already; one of other words is made anew.
    """
    from steno_models.lm.ngram.model import NgramModel  # noqa: PLC0415
    from steno_models.search.options import SearchOptions  # noqa: PLC0415
    from steno_models.search.pronunciations import Pronunciations  # noqa: PLC0415
    from steno_models.search.search import BeamSearch  # noqa: PLC0415
    from steno_models.search.topology import ctc  # noqa: PLC0415
    from steno_models.search.tree import LexiconTree  # noqa: PLC0415

    model = NgramModel.open(folder / f"{name}.bin")
    words = model.vocabulary[:-3]
    if tree is None or tree.num_words != len(words):
        file = folder / f"{name}.lexicon.txt"
        tree = LexiconTree.build(Pronunciations.read(file, words, symbols))
    search = BeamSearch(
        tree,
        model.arrays,
        topology=ctc(len(symbols)),
        start_state=model.start_state,
        end_word=model.end_word,
        unknown_word=model.unknown_word,
        options=SearchOptions(**msgspec.structs.asdict(section)),
    )
    return LanguageModel(search, words)
