"""A recogniser of letters for a language with minutes of transcripts, by CTC (Graves et al. 2006).

    P(letters | steps) = Σ over all paths that spell them  Π over steps  P(symbol of the path)

What it hears are steps of 40 ms: four frames of the filter bank, or what the encoder of another
language makes of them, whose weights stay as they are (transfer without any cost in training). On
these stands the same small network, so that a comparison is of what is heard alone.

alphabet.py  letters as tokens      steps.py  what is heard      model.py task.py train.py  network
words.py     spelled words, and which known word a stretch of steps is best explained by
"""
