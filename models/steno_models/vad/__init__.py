"""Where speech begins and ends in a stream of 16 kHz sound, cheaply enough to run all day.

A frame counts as speech if WebRTC's detector (Gaussian mixtures on six sub-band energies) says so
and its level stands clear of a noise floor, the lowest level of the last two seconds (the minimum
statistics of Martin 2001): steady noise, which WebRTC calls speech, sinks into its own floor.

    kernels.py   the compiled loops over a frame
    levels.py    noise floor and peak of what was heard lately: a value, and a meter that hears
    decision.py  votes of frames to starts and ends; options and events
    webrtc.py    VoiceActivityDetector: samples in, events out

What passes may still be music. Whether a segment is speech, the recogniser's posteriors tell:

    speech_gate.py   SpeechGate: a latch that withholds words until there is evidence of speech
"""
