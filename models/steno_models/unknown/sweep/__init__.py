"""The first look at a whole segment: the best word for every stretch, in one compiled search.

kernels.py  what could become of each node, the search of all stretches, how their words fit
"""
