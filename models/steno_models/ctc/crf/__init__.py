"""CTC-CRF: what all label sequences weigh together, so that a recording's own must outweigh them.

Files: partition (the model of labels, ln Z, its gradient, the likeliest labels), kernels.
"""

from steno_models.ctc.crf.partition import LabelLm, log_partition, transcribe

__all__ = ["LabelLm", "log_partition", "transcribe"]
