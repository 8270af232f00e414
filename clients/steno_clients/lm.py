"""`steno lm`: the language models of a daemon, as a table or as JSON."""

import argparse
from collections.abc import Iterator, Sequence

import msgspec

from steno_clients import admin
from steno_clients.connection import Door
from steno_clients.errors import ProtocolError
from steno_clients.render import clock
from steno_daemon.wire import Domain, DomainLoaded, DomainRetired, DomainSwapped, When

_HEAD = ("NAME", "VERSION", "STATE", "SESSIONS", "WORDS", "SIZE", "SOURCE")

Answer = tuple[Domain, ...] | DomainLoaded | DomainRetired | DomainSwapped


def perform(door: Door, given: argparse.Namespace) -> Iterator[str]:
    """Do what the command line says, and yield lines about it.

    Raises:
        StenoClientsError: the daemon does not do it, or there is none.
    """
    answer = _ask(door, given)
    if given.json:
        yield msgspec.json.encode(answer).decode()
    else:
        yield from lines_of(answer, whole=given.action == "show")


def lines_of(answer: Answer, *, whole: bool) -> Iterator[str]:
    """Yield what a person reads of an answer; of language models a table, or the `whole` truth."""
    match answer:
        case DomainLoaded():
            yield f"{answer.name} {answer.version} was loaded in {answer.load_ms / 1000:.2f} s"
        case DomainRetired():
            kept = f"; {len(answer.sessions)} sessions keep it" if answer.sessions else ""
            yield f"{answer.name} is retired{kept}"
        case DomainSwapped():
            when = "now" if answer.at is When.NOW else "from the next segment on"
            yield f"session {answer.session} has {answer.name} {answer.version} {when}"
        case _ if whole:
            for domain in answer:
                yield from _facts(domain)
        case _:
            yield from _table(answer)


def _ask(door: Door, given: argparse.Namespace) -> Answer:
    match given.action:
        case "list":
            return admin.domains(door)
        case "show":
            return admin.show_domain(door, given.name)
        case "load":
            return admin.load_domain(door, given.name)
        case "retire":
            return admin.retire_domain(door, given.name)
        case "swap":
            return admin.swap_domain(door, given.session, given.name, at=When(given.at))
        case other:
            raise ProtocolError(f"expected an action of steno lm, found {other}")


def _table(domains: Sequence[Domain]) -> Iterator[str]:
    """Yield a row for every version, and below it why the newest one could not be loaded."""
    rows = [_HEAD, *(_row(domain) for domain in domains)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    faults = [None, *(domain.fault for domain in domains)]
    for row, fault in zip(rows, faults, strict=True):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if fault:
            yield f"  not loaded: {fault}"


def _row(domain: Domain) -> tuple[str, ...]:
    return (
        domain.name,
        str(domain.version or "-"),
        domain.state.value,
        str(len(domain.sessions)),
        "-" if domain.words is None else f"{domain.words:,}",
        "-" if domain.size_bytes is None else _size(domain.size_bytes),
        domain.source,
    )


def _facts(domain: Domain) -> Iterator[str]:
    """Yield everything that is known of a version, a line each."""
    facts: Sequence[tuple[str, str | None]] = (
        ("name", domain.name),
        ("version", str(domain.version)),
        ("state", domain.state.value),
        ("source", domain.source),
        ("sessions", ", ".join(domain.sessions) or "none"),
        ("loaded", _ago(domain)),
        ("size", None if domain.size_bytes is None else _size(domain.size_bytes)),
        ("words", None if domain.words is None else f"{domain.words:,}"),
        ("n-grams", ", ".join(f"{n:,}" for n in domain.ngrams) or None),
        ("made", domain.made or None),
        ("mixed of", ", ".join(f"{s.source} {s.weight:.3f}" for s in domain.shares) or None),
        ("perplexity", None if domain.perplexity is None else f"{domain.perplexity:.1f}"),
        ("unknown", None if domain.unknown_rate is None else f"{domain.unknown_rate:.2%}"),
        ("fault", domain.fault),
    )
    for name, value in facts:
        if value is not None:
            yield f"{name:<10}  {value}"


def _ago(domain: Domain) -> str | None:
    if domain.loaded_s_ago is None:
        return None
    took = "" if domain.load_ms is None else f", in {domain.load_ms / 1000:.2f} s"
    return f"{clock(domain.loaded_s_ago)} ago{took}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
