"""Programs that talk to a running daemon, and the client class that others import.

    from steno_clients.websocket import StenoClient

They know the daemon by `steno_daemon.wire` alone.
"""
