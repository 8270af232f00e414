"""What writes captions as the configuration says."""

from steno_daemon.captions.cues import CueRules
from steno_daemon.captions.export import Exporter
from steno_daemon.captions.hls import Segmenting
from steno_daemon.config import CaptionsConfig


def exporter_of(captions: CaptionsConfig) -> Exporter:
    """Return what writes captions as the configuration says."""
    rules = CueRules(
        line_chars=captions.line_chars,
        lines=captions.lines,
        reading_chars_per_s=captions.reading_chars_per_s,
    )
    segmenting = Segmenting(segment_s=captions.hls_segment_s, mpegts=captions.hls_mpegts)
    return Exporter(rules, segmenting, delay_ms=captions.delay_ms)
