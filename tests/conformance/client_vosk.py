"""Runs the published `vosk-transcriber` without the local model that it loads and never asks."""

import sys

from vosk.transcriber import transcriber
from vosk.transcriber.cli import main

transcriber.Model = lambda **_: None
sys.argv[0] = "vosk-transcriber"
main()
