"""What an administrator of a daemon may do with its language models, one call each.

from steno_clients import admin
from steno_clients.connection import Door

door = Door(url="wss://captions.example.org", token="steno_…")
admin.load_domain(door, "legal")
admin.swap_domain(door, "1f3a…", "legal", at="now")
"""

from collections.abc import Sequence
from typing import TypeVar
from urllib.error import HTTPError

from steno_clients.connection import Door
from steno_clients.errors import ProtocolError, RefusedError
from steno_clients.fetch import FAILURES, MAX_BYTES, explained, refusal, request_of, urlopen
from steno_daemon.wire import (
    AddDomainWords,
    AdminAnswer,
    AdminCall,
    DeletePersonal,
    Domain,
    DomainLoaded,
    DomainRetired,
    Domains,
    DomainSwapped,
    DomainWords,
    ListDomains,
    ListDomainWords,
    ListPersonal,
    LoadDomain,
    NewWord,
    PersonalDeleted,
    PersonalModel,
    PersonalModels,
    Refused,
    RemoveDomainWords,
    RetireDomain,
    ShowDomain,
    SwapDomain,
    When,
    WireError,
    decode_answer,
    encode,
)

_PATH = "/admin"
_LOAD_TIMEOUT_S = 600.0
"""A large model takes its time; who asks for it waits."""
T = TypeVar("T")


def domains(door: Door) -> tuple[Domain, ...]:
    """Return every language model of the daemon, by name and version."""
    return _called(door, ListDomains(), Domains).domains


def personal_models(door: Door) -> tuple[PersonalModel, ...]:
    """Return every personal model that the daemon keeps, by owner and name."""
    return _called(door, ListPersonal(), PersonalModels).models


def delete_personal(door: Door, owner: str, name: str) -> PersonalDeleted:
    """Let the daemon forget a personal model.

    Args:
        door: where the daemon is; the token needs the scope admin.
        owner: the name of the token whose sessions have it.
        name: of the model.
    """
    return _called(door, DeletePersonal(owner=owner, name=name), PersonalDeleted)


def show_domain(door: Door, name: str) -> tuple[Domain, ...]:
    """Return the versions of a language model with all that is known of them."""
    return _called(door, ShowDomain(name=name), Domains).domains


def load_domain(door: Door, name: str) -> DomainLoaded:
    """Load a domain, or load it anew; return once it is there."""
    return _called(door, LoadDomain(name=name), DomainLoaded, at_least_s=_LOAD_TIMEOUT_S)


def retire_domain(door: Door, name: str) -> DomainRetired:
    """Let no further session have a domain."""
    return _called(door, RetireDomain(name=name), DomainRetired)


def swap_domain(
    door: Door, session: str, name: str, *, at: When | str = When.SEGMENT
) -> DomainSwapped:
    """Let a running session go on with another language model.

    Args:
        door: where the daemon is; the token needs the scope admin.
        session: its name, as `steno watch --list` shows it.
        name: of the language model.
        at: "segment" for the next one, "now" for the open one, too.
    """
    return _called(door, SwapDomain(session=session, name=name, at=When(at)), DomainSwapped)


def domain_words(door: Door, name: str) -> DomainWords:
    """Return the words that were added to a language model."""
    return _called(door, ListDomainWords(name=name), DomainWords)


def add_domain_words(
    door: Door, name: str, words: Sequence[NewWord], *, at: When | str | None = None
) -> DomainWords:
    """Add words to a language model, for good where the daemon has a folder of domains.

    Args:
        door: where the daemon is; the token needs the scope admin.
        name: of the language model.
        words: what to add.
        at: "segment" or "now" where sessions that run shall have them, too; None for those that
            begin or change from then on.
    """
    asked = AddDomainWords(name=name, words=tuple(words), at=None if at is None else When(at))
    return _called(door, asked, DomainWords)


def remove_domain_words(door: Door, name: str, words: Sequence[str]) -> DomainWords:
    """Take back words that were added to a language model."""
    return _called(door, RemoveDomainWords(name=name, words=tuple(words)), DomainWords)


def call(door: Door, asked: AdminCall, *, at_least_s: float = 0.0) -> AdminAnswer:
    """Return the daemon's answer to any call.

    Raises:
        ConnectionFailedError: nobody answers, or we may not ask.
        DeadlineError: not in time.
        ProtocolError: this is no answer of a daemon.
    """
    request = request_of(door, _PATH, encode(asked).encode())
    try:
        with urlopen(door, request, timeout_s=max(door.timeout_s, at_least_s)) as answer:
            return decode_answer(answer.read(MAX_BYTES))
    except HTTPError as error:
        with error:
            return _refused(door, error)
    except WireError as error:
        raise ProtocolError(f"expected an answer of a daemon from {door.url}: {error}") from None
    except FAILURES as error:
        raise explained(door, error) from None


def _called(door: Door, asked: AdminCall, kind: type[T], *, at_least_s: float = 0.0) -> T:
    answer = call(door, asked, at_least_s=at_least_s)
    if isinstance(answer, Refused):
        raise RefusedError(answer)
    if not isinstance(answer, kind):
        raise ProtocolError(f"expected {kind.__name__} from {door.url}, found {answer}")
    return answer


def _refused(door: Door, error: HTTPError) -> AdminAnswer:
    """Return the refusal that a daemon put into words, or raise what its status says."""
    try:
        return decode_answer(error.read(MAX_BYTES))
    except WireError:
        raise refusal(door, error, _PATH) from None
