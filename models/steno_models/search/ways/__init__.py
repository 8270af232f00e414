"""Ways back through a word graph, the best first.

Idea: a way is known by the words from some link to its end, and no way on from there is better than
the one that made that link; so what it will be worth is known when it has come half way (A* with a
perfect estimate, Soong & Huang 1991).

Files: kernels (the search, over the graph of links/).
"""
