"""A process for each system: its memory is its own, and what it compiled or cached goes with it."""

import multiprocessing
import signal
import sys
import traceback
from multiprocessing.connection import Connection

import torch

from steno_models.compare.measurement import Measurement, Request, Tick
from steno_models.errors import DataError, StenoModelsError


def measure(asked: Request, tick: Tick) -> Measurement:
    """Return what is measured of a system, in this process.

    Raises:
        StenoModelsError: a part of it cannot be read, or does not fit.
    """
    if asked.system.hears == "speaker":
        from steno_models.compare.through_decoder import decode  # noqa: PLC0415

        return decode(asked, tick)
    from steno_models.compare.through_recogniser import recognise  # noqa: PLC0415

    return recognise(asked, tick)


def measure_in_child(asked: Request, tick: Tick) -> Measurement:
    """Return what is measured of a system, by a process that does nothing else, on one thread.

    Raises:
        DataError: that process said what is wrong, or came to its end without a result.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, asked), daemon=True)
    process.start()
    sender.close()
    try:
        return _received(receiver, asked.system.name, tick)
    except EOFError:
        process.join()
        raise DataError(
            f"{asked.system.name}: expected a result, found that its process ended with status "
            f"{process.exitcode}"
        ) from None
    except BaseException:
        process.terminate()
        raise
    finally:
        receiver.close()
        process.join()


def _received(receiver: Connection, name: str, tick: Tick) -> Measurement:
    """Return the result that comes at last."""
    while True:
        match receiver.recv():
            case Measurement() as found:
                return found
            case (int(done), int(total)):
                tick(done, total)
            case complaint:
                raise DataError(f"{name}: {complaint}")


def _work(sender: Connection, asked: Request) -> None:
    """Send how far it is, and at the end what was measured or what is wrong."""
    # It ends when its parent says so, and leaves no files behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    torch.set_num_threads(1)
    try:
        sender.send(measure(asked, lambda done, total: sender.send((done, total))))
    except StenoModelsError as error:
        sender.send(str(error))
    except Exception:  # noqa: BLE001 - whatever it is, the parent must know of it
        sender.send(f"expected no error in our own program, found:\n{traceback.format_exc()}")
