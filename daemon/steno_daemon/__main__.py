"""The program `stenod`: the daemon, as systemd or a person starts it."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steno_daemon.server import Model

EPILOG = """\
examples:
  stenod                            serve the default bundle on ws://127.0.0.1:8765
  stenod --port 0                   let the system choose the port; the line "ready:" names it
  stenod --bundle ./my-bundle       serve a model of your own, made by `steno-models bundle`
  stenod --config stenod.toml       every option, in TOML; options on the command line win
  stenod --check                    load everything, decode a little, say how it went, leave
  stenod --asyncapi                 print the protocol as an AsyncAPI document

Clients: `steno transcribe FILE`, `steno caption`, or any WebSocket. Send
{"type": "start", "rate": 16000}, then 16-bit samples as binary frames, then {"type": "stop"}.
http://127.0.0.1:8765/healthz says how the daemon is.

SIGTERM and SIGINT let running sessions have their last words; a second one does not.
Exit status: 0 after a shutdown or a check that went well, 1 when something broke, 2 when the
command line, the configuration or the bundle is wrong.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    if options.asyncapi:
        from steno_daemon import asyncapi

        print(asyncapi.text(), end="")
        return 0
    from steno_daemon.errors import StenoDaemonError
    from steno_models.errors import StenoModelsError

    try:
        return _serve(options)
    except (StenoDaemonError, StenoModelsError) as error:
        print(f"stenod: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        prog="stenod",
        description="Streaming speech recognition as a service: audio in, captions out.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="address to listen on (127.0.0.1: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (8765); 0 chooses one")
    parser.add_argument("--bundle", help="name of a shipped bundle or path of a directory (en)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with any option")
    parser.add_argument(
        "--max-sessions", type=int, metavar="N", help="sessions at once (measured at the start)"
    )
    parser.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], help="what to log (info)"
    )
    parser.add_argument("--check", action="store_true", help="load and try everything, then leave")
    parser.add_argument("--asyncapi", action="store_true", help="print the protocol and leave")
    return parser


def _serve(options: argparse.Namespace) -> int:
    """Load what is needed and serve, or only try it out."""
    import torch

    from steno_daemon import activation, config, server

    def reread() -> config.Config:
        return config.load(options.config, _overrides(options))

    settings = reread()
    logging.basicConfig(
        level=settings.log.level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if options.check:
        torch.set_num_threads(settings.engine.threads)
        model = _load(settings.engine.bundle)
        ladder = server.measured_ladder(settings.engine, model)
        print(f"ok: {model.name} {model.version}, up to {ladder.most} sessions")
        return 0
    handed = [listener.bound for listener in activation.take_over()]
    place = settings.server
    bound = handed or [server.bind(place.host, place.port, reuse_port=place.reuse_port)]
    try:
        torch.set_num_threads(settings.engine.threads)
        model = _load(settings.engine.bundle)

        def ready(url: str) -> None:
            print(f"ready: {url} {model.name} {model.version}", flush=True)

        asyncio.run(server.serve(reread, model, bound, ready=ready))
    finally:
        for one in bound:
            one.close()
    return 0


def _overrides(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Return what the command line says, as tables of the configuration."""
    tables: dict[str, dict[str, object]] = {
        "server": {"host": options.host, "port": options.port},
        "engine": {"bundle": options.bundle, "max_sessions": options.max_sessions},
        "log": {"level": options.log_level},
    }
    return {
        name: {key: value for key, value in table.items() if value is not None}
        for name, table in tables.items()
    }


def _load(name: str) -> "Model":
    """Return the bundle of that name or path as what the daemon serves."""
    from steno_daemon.server import Model
    from steno_models import bundle

    loaded = bundle.load(name)
    return Model(
        name=loaded.name,
        version=str(loaded.version),
        language_models=tuple(loaded.language_models),
        recogniser=loaded.recogniser,
    )


if __name__ == "__main__":
    sys.exit(main())
