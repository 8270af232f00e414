"""The recurrent neural network transducer (Graves 2012).

    p(y | x) = Σ over alignments a of y:  Π  p(a_i | x_t, y_1 … y_u),   a_i a label or the blank

A predictor reads the labels so far, a joiner puts it beside each encoder step. The blank goes on to
the next step, a label stays at it, so that t + u grows by one with every arc of the lattice.

    loss.py        the lattice, swept along its diagonals, and the exact gradient
    align.py       a text in the lattice: best path and all paths
    pruned.py      the loss on a few columns a step, found by a joiner that only adds
    predictor.py   recurrent (LSTM or GRU) and stateless (the last labels)
    joiner.py      one softmax, or the blank decided about first; the internal language model
    model.py       encoder, predictor, joiner, and their shape
    memory.py      the predictor's side of many hypotheses
    greedy.py      greedy search for many streams
    search.py      beam search for many streams
    fusion.py      language models beside the transducer, in the search
    fused.py       … beside its predictor: deep and cold fusion
    hypothesis.py  what searches return, and the words that subwords spell
    objective.py   all losses of a training, with CTC on the same encoder
    task.py        the losses over the course of a training, and the error rate of greedy search
    config.py      what a training's TOML file may say
    train.py       from a configuration to weights; command.py is its command line
"""
