"""Ways in: each pumps frames between its sockets and a `Stream`, and owns time-outs and limits.

Files: `websocket.py` a server for browsers and programs, with `/healthz` on the same port.
`tcp.py` Wyoming, over TCP and at a path, `announcing.py` by zeroconf; `mqtt.py` a broker: with
`mqtt_link.py` the connection, `posting.py` what waits for it, `voice.py` one session.
"""
