"""What a person reads about a daemon: its sessions, and how it does."""

from collections.abc import Iterable, Iterator, Mapping

from steno_clients.fetch import SessionInfo
from steno_clients.render import clock

_FIRST = ("status", "version", "protocol", "bundle", "models", "sessions", "viewers")


def session_lines(sessions: Iterable[SessionInfo]) -> Iterator[str]:
    """Yield a line for every session: its name, whether it runs, since when, and what it is."""
    for session in sessions:
        about = [session.label, session.language_model]
        if session.channels > 1:
            about.append(f"{session.channels} channels")
        yield "  ".join(
            (
                session.session,
                "live " if session.live else "ended",
                f"began {clock(session.started_s_ago)} ago",
                ", ".join(part for part in about if part),
            )
        )


def status_lines(facts: Mapping[str, object]) -> Iterator[str]:
    """Yield a line for every fact, those that matter most first."""
    facts = dict(facts)
    most = facts.pop("max_sessions", None)
    if most is not None and "sessions" in facts:
        facts["sessions"] = f"{facts['sessions']} of {most}"
    names = [*(name for name in _FIRST if name in facts), *(n for n in facts if n not in _FIRST)]
    rows = [row for name in names for row in _rows(name.replace("_", " "), facts[name])]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        yield f"{name:<{width}}  {value}"


def _rows(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield a fact as names and values; of a table, every entry."""
    match value:
        case Mapping():
            for inner, each in value.items():
                yield from _rows(f"{name} {str(inner).replace('_', ' ')}", each)
        case list() | tuple():
            yield name, ", ".join(_plain(each) for each in value) or "none"
        case _:
            yield name, _plain(value)


def _plain(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case float():
            return f"{value:.4g}"
        case Mapping():
            return " ".join(f"{name}={_plain(each)}" for name, each in value.items())
        case _:
            return str(value)
