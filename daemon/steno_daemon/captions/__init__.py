"""Captions as an output: the events of a session for everybody who watches it.

    hub, topic       one session, many viewers: a bounded history, read by each at its own pace
    replacements     words that captions show as others
    cues             finals cut into captions that can be read in time: pure, clients use it too
    track            the cues of a session that runs: the older ones fixed for good
    webvtt, srt      the text of cues
    hls              the same in segments, for players of live video
    export           all of these for a topic: what the HTTP server answers with
    web              the caption page and the overlay

This file imports nothing, so that clients load what they need of it alone.
"""
