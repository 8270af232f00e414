"""Programs that talk to a running daemon, and the client class that others import.

    from steno_clients.websocket import StenoClient

They know the daemon by `steno_daemon.wire` and how captions are cut by `steno_daemon.captions`, and
load neither models nor torch.

    websocket    StenoClient and transcribe(); encoding: samples as bytes
    link         one session over many connections; unacknowledged: what may have to be sent again,
                 inbox: what was heard, resumption: when to try again, connection: one WebSocket
    file         sound files as blocks of speech; microphone: the same from PortAudio
    live         one source to the daemon, its events to viewers: `steno caption`
    transcribe   many recordings, as fast as they are taken: `steno transcribe`
    growing      .srt and .vtt files that grow with a stream
    watch        captions of a session that somebody else holds: `steno watch`
    fetch        plain requests to a daemon; report: what a person reads of the answers
    render       what a terminal shows
    command_line what can be said to `steno`
    demo         starts a daemon and captions one recording: `make run`
"""
