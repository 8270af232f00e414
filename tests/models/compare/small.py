"""Small trainings of every family on a few seconds of tones, and a comparison of all of them."""

from pathlib import Path

from tests.models.hmm.tones import tones, words_bundle

_GMM = """
mono = {doublings = 1, flat_rounds = 6}
tri1 = {leaves = 120, gaussians = 130, rounds = 3, align_at = [2]}

[tri2]
leaves = 120
gaussians = 130
rounds = 3
align_at = [2]
rotate_at = [2]
context = 2
width = 13

[tri3]
leaves = 120
gaussians = 130
rounds = 2
align_at = []
adapt_at = [1]

[sgmm]
gaussians = 8
width = 6
passes = 1
"""
_ENCODER = "{width = 8, layers = 1, heads = 2, feed_forward = 8, kernel = 3}"
_HYBRID = f"""
kind = "hybrid"
folder = "hybrid"
gmm = "gmm.toml"
stage = "mono"
cache = "cache"
dev = ["train.jsonl"]
optim = {{total_steps = 4, warmup_steps = 2, ema_decay = 0.0}}
encoder = {_ENCODER}
states = {{leaves = 60, min_gain = 10.0, min_frames = 10.0}}
rounds = {{most = 1}}
sequence = {{steps = 2}}
run = {{frames_per_batch = 800, evaluate_every = 4, report_every = 2, bf16 = false, threads = 0}}
"""
_SPEECH = f"""
cache = "cache"
optim = {{total_steps = 2, warmup_steps = 1}}
encoder = {_ENCODER}
chunks = {{dev_chunk = 4, dev_left = 8}}
run = {{report_every = 1}}
[[corpora]]
manifest = "train.jsonl"
[[dev]]
manifest = "train.jsonl"
"""
_STAGES = """
[[stages]]
name = "first"
[[stages]]
name = "second"
"""
RECIPES = {
    "gmm": f'folder = "gmm"\nmanifests = ["train.jsonl"]\n{_GMM}',
    "hybrid": _HYBRID,
    "tandem": 'kind = "tandem"\nfolder = "tandem"\nhybrid = "hybrid.toml"\nwidth = 4\n'
    f'manifests = ["train.jsonl"]\n{_GMM}',
    "ctc": f'folder = "ctc"\n{_SPEECH}{_STAGES}',
    "rnnt": 'family = "rnnt"\nfolder = "rnnt"\nunits = { kind = "subwords", size = 29 }\n'
    f"transducer = {{ predictor_width = 8, joiner_width = 8 }}\n{_SPEECH}",
    "las": 'family = "las"\nfolder = "las"\nunits = { kind = "characters" }\n'
    "speller = { width = 8, attention = { width = 8, channels = 2, kernel = 3 } }\n"
    f"search = {{ labels_per_step = 0.2 }}\n{_SPEECH}",
}


def recipes(folder: Path) -> Path:
    """Write recordings, a bundle of words and all recipes; return the manifest."""
    words_bundle(folder / "words")
    for name, text in RECIPES.items():
        (folder / f"{name}.toml").write_text(text)
    return tones(folder)


def comparison(folder: Path, systems: str) -> Path:
    """Write a comparison of `systems`, lines "kind stage", with an empty stage as a dash."""
    text = 'folder = "compare"\nmanifest = "train.jsonl"\nlanguage_model = { bundle = "words" }\n'
    for line in systems.split(","):
        kind, stage = line.split()
        text += f'[[systems]]\nname = "{kind} {stage}"\nkind = "{kind}"\nrecipe = "{kind}.toml"\n'
        text += "" if stage == "-" else f'stage = "{stage}"\n'
    path = folder / "compare.toml"
    path.write_text(text)
    return path
