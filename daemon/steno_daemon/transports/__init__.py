"""Ways in: each pumps frames between its sockets and a `Stream`, and owns time-outs and limits.

Files: `websocket.py` a server for browsers and programs, with `/healthz` on the same port.
"""
