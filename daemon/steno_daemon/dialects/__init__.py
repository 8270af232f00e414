"""Ways to speak with the daemon: each translates its messages to and from a `Session`.

A dialect does no input or output and knows nothing of speech. Files: `dialect.py` the role,
`native.py` the daemon's own JSON messages; `door.py` how clients come in, `closing.py` how they are
sent away, and those of other servers: `vosk.py`, `deepgram.py` (with `deepgram_request.py`,
`deepgram_results.py` and `riff.py`), `openai.py` (with `openai_messages.py` and `openai_items.py`)
and `sherpa.py`.

Beside WebSockets: `wyoming.py` (with `wyoming_events.py`) over TCP; over an MQTT broker `hermes.py`
(with `hermes_session.py`) and `broker.py`, the daemon's own topics: what these two have in common
is in `conversation.py`. `pcm.py` samples of any form, `growing.py` text that is only appended,
`catalogue.py` what clients ask for first.
"""
