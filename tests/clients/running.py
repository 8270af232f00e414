"""`steno` as a process of its own."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path


async def start_steno(
    *words: str | Path, environment: Mapping[str, str] | None = None
) -> tuple[Process, asyncio.StreamReader]:
    """Start `steno`; return the process, and what it writes to standard output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "steno_clients", *words), env=environment, stdout=PIPE
    )
    assert process.stdout is not None
    return process, process.stdout
