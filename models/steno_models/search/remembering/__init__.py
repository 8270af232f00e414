"""What looking ahead remembers, shared by searches of one language model and of several.

Idea: how likely the best word below a node is, given a history, is asked for again and again; each
pair of both has one place in a table, where the newest answer stands.

Files: kernels.
"""
