"""Looks at a process of this machine from outside, by way of /proc."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

LISTENING = "0A"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """One process."""

    pid: int

    @property
    def _folder(self) -> Path:
        return Path("/proc") / str(self.pid)

    def is_alive(self) -> bool:
        """Whether it runs, and is not only left to be waited for."""
        try:
            state = (self._folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state != "Z"

    def resident_bytes(self) -> int:
        """How much memory it takes."""
        return int((self._folder / "statm").read_text().split()[1]) * PAGE_BYTES

    def open_files(self) -> int:
        """How many files and sockets it has open."""
        return len(list((self._folder / "fd").iterdir()))


def listener(port: int) -> Process:
    """The process that listens on a TCP port.

    Raises:
        LookupError: there is none that may be looked at.
    """
    inodes = _listening_sockets(port)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            for file in (folder / "fd").iterdir():
                found = re.fullmatch(r"socket:\[(\d+)\]", str(file.readlink()))
                if found and found[1] in inodes:
                    return Process(int(folder.name))
        except OSError:
            continue  # gone, or somebody else's
    raise LookupError(f"expected a process of ours that listens on port {port}, found none")


def _listening_sockets(port: int) -> set[str]:
    """The inodes of the sockets that listen on a port."""
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path("/proc/net", name).read_text().splitlines()[1:]
    ]
    return {
        fields[9]
        for fields in lines
        if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == LISTENING
    }
