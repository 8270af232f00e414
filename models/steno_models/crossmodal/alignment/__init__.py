"""The rotation of one embedding space onto another.

Starts, none of which sees a label: adversarial.py (a discriminator is deceived),
gromov_wasserstein.py (similarities are coupled), self_learning.py (similarities are sorted).
csls.py who is whose neighbour; procrustes.py the best rotation for pairs; refinement.py pairs and
rotations in turn, and how well a map fits; alignment.py from a start to a map, the best of several
chosen by its fit alone; evaluation.py how often true partners are found; kernels.py loops.
"""
