"""What one step makes: tokens that meet become one, those that fall behind are dropped.

Idea: a token is offered to those that came up before it (token passing: Young, Russell & Thornton
1989). A hash table finds the one at the same place, with the same language-model and phrase states;
the better goes on, the other becomes its alternative in the word graph. The floor of the beam rises
with the best score so far, and histogram pruning (Steinbiss, Tran & Ney 1994) keeps the number of
tokens within what may survive.

Files: kernels.
"""
