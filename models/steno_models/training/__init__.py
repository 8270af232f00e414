"""The training library: from corpora on disk to weights; it knows no model family.

`manifest` (with `kaldi`, `corpora/` and `manifest_command`) lists utterances, `recordings` decodes
them, `augment` and `degrade` make others of them, `feature_cache` stores their features once,
`data` cuts shuffled, resumable batches. `optim` has AdamW, schedules and averaged weights,
`checkpoint` all that a run needs to go on, `distributed` joins processes, `stepper` takes one step
and `loop` all of them, `runlog` writes down and draws what happened. `toml_file` and `sections`
read what a user asks for, `contexts` draws how far a streaming encoder looks. What all models that
write need stands in `speech` (with `speech_sections` and `speech_command`), `varied` (features
changed at random), `start` (a trained encoder) and `error_rate`. A family brings a `loop.Task`: a
model, its loss and its evaluation.
"""
