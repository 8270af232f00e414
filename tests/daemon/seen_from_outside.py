"""What a daemon takes of its machine, as others see it."""

from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families


def memory_mb(pid: int) -> float:
    """The resident memory of a process, files that it maps included."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def mapped_files(pid: int, folder: Path) -> int:
    """How many mappings a process has of files of a folder."""
    return Path(f"/proc/{pid}/maps").read_text().count(f"{folder}/")


def engine_busy_s(url: str) -> float:
    """How long the engine of a daemon has decoded."""
    with urlopen(url.replace("ws://", "http://") + "/metrics") as answer:  # noqa: S310 — our own
        text = answer.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "steno_engine_busy_seconds_total"
    )
