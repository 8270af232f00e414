"""The training library: from corpora on disk to weights; it knows no model family.

`manifest` (with `kaldi` and `corpora/`) lists the utterances, `recordings` decodes them,
`feature_cache` stores their features once, `data` cuts shuffled, resumable batches, `optim`
holds AdamW, schedules and averaged weights, `checkpoint` keeps all that a run needs to go on,
`distributed` joins processes, `loop` drives a `Task`, `runlog` writes down and draws what
happened. A family supplies the `Task`: a model, its loss and its measure.
"""
