"""What a connection may do: the parts of the configuration that transports look at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of every connection.

    Attributes:
        max_frame_bytes: the largest message; a larger one ends the connection with code 1009.
        idle_timeout_s: after so long without any message a session ends.
        messages_per_s: text messages a second, in the mean.
        max_connections: sessions' connections at once; further ones get the HTTP status 503.
        max_viewers: connections that watch at once.
    """

    max_frame_bytes: int = 4 * 1024 * 1024
    idle_timeout_s: float = 300.0
    messages_per_s: int = 50
    max_connections: int = 100
    max_viewers: int = 500
