"""DNN-HMM: a network tells the states of phones apart, an HMM puts them in order.

The network is trained to classify frames by the tied state that a forced alignment has there
(Bourlard & Morgan 1994; Dahl et al. 2012). By Bayes' rule what it says takes the place of the
likelihood, up to a factor that all states share:

    log p(x[t] | a)  =  log P(a | x[t]) - log P(a) + constant

model.py the network, whole and streaming; system.py states, priors and network as one acoustic
model on disk; states.py the states and the steps that they are told apart at; loss.py, sequence.py,
task.py the training's losses and measures, phones.py the phone error; data.py features with labels,
changes.py what they are changed into; start.py the first alignment, by Gaussians; train.py one
network; rounds.py network after network, each on the alignment of the one before; config.py and
command.py `steno-models hmm hybrid`.
"""
