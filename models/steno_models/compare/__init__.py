"""Every family of recogniser on the same recordings, in one table.

Error rates with the intervals of the bootstrap over utterances (Bisani & Ney 2004): of words, with
and without a language model, and of phones, which all families can be compared by.

config.py              what is compared: a TOML file
standing.py            what a system's training left, or how to train it
training_time.py       how long it took, by the trainings' own logs
measurement.py         what is measured of a system, and the files that remember it
bundles.py             a system as a bundle, with and without a language model
through_recogniser.py  runs a bundle as a stream hears it
through_decoder.py     runs hidden Markov models that know their speaker first
child.py               a process for each system, so that its memory is its own
parameters.py          how large it is
phones.py              the phone error rate of words
run.py                 trains what is missing, measures what is new
table.py plot.py       what people see
"""
