"""The program `stenod`: the daemon, as systemd or a person starts it."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steno_daemon.config import EngineConfig
    from steno_daemon.server import Model

EPILOG = """\
examples:
  stenod                            serve the default bundle on ws://127.0.0.1:8765
  stenod --port 0                   let the system choose the port; the line "ready:" names it
  stenod --bundle ./my-bundle       serve a model of your own, made by `steno-models bundle`
  stenod --config stenod.toml       every option, in TOML; options on the command line win
  stenod --check stenod.toml        try everything that it names, list all faults, leave
  stenod --new-token                make a token; its hash goes into [[security.tokens]]
  stenod --asyncapi                 print the protocol as an AsyncAPI document

Captions in a browser: http://127.0.0.1:8765/, for OBS /overlay. Clients: `steno transcribe FILE`,
`steno caption`, `steno watch`, or any WebSocket. Send {"type": "start", "rate": 16000}, then 16-bit
samples as binary frames, then {"type": "stop"}. /healthz says how the daemon is.

SIGTERM and SIGINT leave running sessions to the next daemon where a state_directory is set, and let
them have their last words where none is; a second one does not. SIGHUP reads configuration, tokens
and certificates again.
Exit status: 0 after a shutdown or a check that went well, 1 when something broke or a check found
faults, 2 when the command line, the configuration or the bundle is wrong.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = _parser().parse_args(arguments)
    from steno_daemon.errors import StenoDaemonError
    from steno_models.errors import StenoModelsError

    try:
        if options.asyncapi:
            from steno_daemon import asyncapi

            print(asyncapi.text(), end="")
            return 0
        if options.new_token:
            return _new_token()
        if options.hash_token:
            return _hash_token()
        if options.list_microphones:
            return _list_microphones()
        if options.check is not None:
            return _check(options)
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
        "--reuse-port", action="store_true", default=None, help="share the port with other daemons"
    )
    parser.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], help="what to log (info)"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--check",
        nargs="?",
        const="",
        metavar="FILE",
        help="load and try everything that the configuration names, then leave",
    )
    instead.add_argument("--asyncapi", action="store_true", help="print the protocol and leave")
    instead.add_argument("--new-token", action="store_true", help="make a token and leave")
    instead.add_argument(
        "--hash-token", action="store_true", help="print the hash of a token typed in, and leave"
    )
    instead.add_argument(
        "--list-microphones", action="store_true", help="show what [microphone] may name, and leave"
    )
    return parser


def _new_token() -> int:
    from steno_daemon.auth import hash_token, new_token

    token = new_token()
    print(f"token   {token}\nsha256  {hash_token(token)}")
    return 0


def _hash_token() -> int:
    """Read a token without showing it, so that it is in no history; print its hash."""
    import getpass

    from steno_daemon.auth import hash_token

    token = getpass.getpass("token: ") if sys.stdin.isatty() else sys.stdin.readline()
    print(hash_token(token.strip()))
    return 0


def _list_microphones() -> int:
    from steno_daemon.transports.ear import list_microphones

    print(*list_microphones(), sep="\n")
    return 0


def _check(options: argparse.Namespace) -> int:
    """Try everything that serving would need, without taking the port."""
    from steno_daemon.check import check

    file = Path(options.check) if options.check else options.config
    found = check(file, _overrides(options), _load)
    print(*found.all, "", found.summary, sep="\n")
    return 1 if found.faults else 0


def _serve(options: argparse.Namespace) -> int:
    """Load what is needed and serve."""
    import gc

    # Nearly all that is made until the daemon is ready stays: looking for garbage in it, over and
    # over, would take a fifth of the start.
    gc.disable()
    try:
        return _load_and_serve(options)
    finally:
        gc.enable()


def _load_and_serve(options: argparse.Namespace) -> int:
    import faulthandler
    import gc
    import signal

    from steno_daemon import activation, config, foreign, journal_log, memory, notify, server
    from steno_daemon.exposure import Exposure
    from steno_daemon.gathering import event_loop

    def reread() -> config.Config:
        return config.load(options.config, _overrides(options))

    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # a SIGABRT then shows where every thread was
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    memory.keep_large_apart()
    settings = reread()
    journal_log.install(settings.log.level)
    notify.starting(f"loading {settings.engine.bundle}")
    place = settings.server
    handed = activation.take_over()
    ports = foreign.own_ports(settings)
    own = [(one.name, one.bound) for one in handed if one.name in ports]
    bound = [one.bound for one in handed if one.name not in ports]
    try:
        bound = bound or [activation.bind(place.host, place.port, reuse_port=place.reuse_port)]
        own += [
            (name, activation.bind(place.host, ports[name], reuse_port=place.reuse_port))
            for name in sorted(ports.keys() - {name for name, _ in own})
        ]
        # What is wrong with it is known before anything takes long.
        Exposure(settings, [activation.host_of(one) for one in [*bound, *(s for _, s in own)]])
        engine = settings.engine
        model = _load(engine)

        def ready(url: str) -> None:
            gc.freeze()
            gc.enable()
            print(f"ready: {url} {model.name} {model.version}", flush=True)

        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(server.serve(reread, model, bound, ready=ready, own=own))
    finally:
        for one in [*bound, *(socket for _, socket in own)]:
            one.close()
    return 0


def _overrides(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Return what the command line says, as tables of the configuration."""
    tables: dict[str, dict[str, object]] = {
        "server": {"host": options.host, "port": options.port, "reuse_port": options.reuse_port},
        "engine": {"bundle": options.bundle, "max_sessions": options.max_sessions},
        "log": {"level": options.log_level},
    }
    return {
        name: {key: value for key, value in table.items() if value is not None}
        for name, table in tables.items()
    }


def _load(engine: "EngineConfig") -> "Model":
    """Return the configured bundle as what the daemon serves."""
    import torch

    from steno_daemon.candidates import preparing, telling_of_unknown_words
    from steno_daemon.server import Model
    from steno_models import bundle
    from steno_models.domain import loader_of
    from steno_models.punctuation.model import Punctuator
    from steno_models.vocabulary import Extender

    torch.set_num_threads(engine.threads)
    loaded = bundle.load(engine.bundle)
    recogniser, unknown_words = telling_of_unknown_words(
        loaded, engine.candidates, wished=engine.unknown_words
    )
    return Model(
        name=loaded.name,
        version=str(loaded.version),
        language_models=tuple(loaded.language_models),
        recogniser=recogniser,
        unknown_words=unknown_words,
        load_domain=preparing(loader_of(loaded), recogniser),
        punctuator=Punctuator.load() if loaded.description.language == "en" else None,
        extender=Extender.of(loaded),
        language=loaded.description.language,
    )


if __name__ == "__main__":
    sys.exit(main())
