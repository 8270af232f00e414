"""The native messages: what client and daemon say to each other.

JSON text frames, told apart by their field `type`; audio travels as binary frames between them. A
client opens with `start`, sends audio and ends with `stop`; the daemon answers with `ready`,
numbers every event by `seq` and ends with `closed`. Times are seconds since the first sample of
the stream.

A client whose connection broke opens the next one with `resume`: the daemon answers with `resumed`,
says again what the client has not seen, and takes the audio from the sample that `resumed` names.
So does a client whose connection was closed with the code 1012: the daemon goes down and has left
the session to the next one.

What a client sends is read strictly: an unknown field is an error that names it. What the daemon
sends may grow fields, which older clients ignore. What administrators say has a place of its own,
`/admin`, see `admin.py`. This package imports msgspec and the standard
library alone, so that clients need nothing else.
"""

from steno_daemon.errors import WireError
from steno_daemon.wire.admin import (
    AdminAnswer,
    AdminCall,
    Domain,
    DomainLoaded,
    DomainRetired,
    Domains,
    DomainState,
    DomainSwapped,
    ListDomains,
    LoadDomain,
    Refused,
    RetireDomain,
    Share,
    ShowDomain,
    SwapDomain,
)
from steno_daemon.wire.client import (
    ClientMessage,
    Configure,
    Endpointing,
    Finalize,
    Ping,
    Resume,
    Start,
    Stop,
)
from steno_daemon.wire.codec import (
    decode_answer,
    decode_call,
    decode_client,
    decode_server,
    encode,
)
from steno_daemon.wire.names import (
    CHANNELS_MAX,
    MAX_TEXT_BYTES,
    PROTOCOL_VERSION,
    SAMPLE_RATE_MAX,
    SAMPLE_RATE_MIN,
    CloseReason,
    Encoding,
    EndpointReason,
    ErrorCode,
    When,
)
from steno_daemon.wire.server import (
    Acknowledged,
    Alternative,
    Closed,
    Endpoint,
    Error,
    Final,
    Finalized,
    Load,
    Partial,
    Pong,
    Ready,
    Resumed,
    ServerMessage,
    SpeechStarted,
    Switched,
    Word,
)

__all__ = [
    "CHANNELS_MAX",
    "MAX_TEXT_BYTES",
    "PROTOCOL_VERSION",
    "SAMPLE_RATE_MAX",
    "SAMPLE_RATE_MIN",
    "Acknowledged",
    "AdminAnswer",
    "AdminCall",
    "Alternative",
    "ClientMessage",
    "CloseReason",
    "Closed",
    "Configure",
    "Domain",
    "DomainLoaded",
    "DomainRetired",
    "DomainState",
    "DomainSwapped",
    "Domains",
    "Encoding",
    "Endpoint",
    "EndpointReason",
    "Endpointing",
    "Error",
    "ErrorCode",
    "Final",
    "Finalize",
    "Finalized",
    "ListDomains",
    "Load",
    "LoadDomain",
    "Partial",
    "Ping",
    "Pong",
    "Ready",
    "Refused",
    "Resume",
    "Resumed",
    "RetireDomain",
    "ServerMessage",
    "Share",
    "ShowDomain",
    "SpeechStarted",
    "Start",
    "Stop",
    "SwapDomain",
    "Switched",
    "When",
    "WireError",
    "Word",
    "decode_answer",
    "decode_call",
    "decode_client",
    "decode_server",
    "encode",
]
