"""Models of speech and language, their training and their measurement.

Axes, in every docstring and every forward pass: B batch, N samples, T frames, S encoder steps,
F bins, D width, H heads, U target length, V vocabulary with blank, K beam.

Units: audio is float32 in [-1, 1]; times are counted in samples, frames (10 ms) or encoder
steps inside, and become seconds only at the border. Log probabilities are natural logarithms.

This file imports nothing, so that `import steno_models` costs nothing.
"""
