"""The daemon: audio comes in over a transport, captions go out over the same one.

The way of one second of speech: `transports` → `dialects` → `session` → `engine` →
`steno_models.recogniser`, and the events back. `server` puts the pieces together. This file imports
nothing: clients import `steno_daemon.wire` alone, without torch.
"""
