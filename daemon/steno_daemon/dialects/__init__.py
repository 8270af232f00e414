"""Ways to speak with the daemon: each translates its messages to and from a `Session`.

A dialect does no input or output and knows nothing of speech. Files: `dialect.py` the role,
`native.py` the daemon's own JSON messages.
"""
