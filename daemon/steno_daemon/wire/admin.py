"""What an administrator says about language models, and what the daemon answers.

One JSON text frame asks, one answers, with the same `id`. They travel over a WebSocket at `/admin`
or one at a time as the body of a POST there; the token needs the scope `admin`. Domains are named
as the daemon's configuration knows them; no name is a path, and none leads to one.
"""

from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

from steno_daemon.wire.names import ErrorCode, When
from steno_daemon.wire.words import NewWord, RefusedText, TakenWord, WordText

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class DomainState(StrEnum):
    """How a version of a domain stands."""

    LOADED = "loaded"
    """Sessions may name it."""
    RETIRING = "retiring"
    """Sessions that have it keep it; it leaves memory with the last of them."""
    FAILED = "failed"
    """It lies in the daemon's folder of domains and could not be loaded: `fault` says why."""
    UNLOADED = "unloaded"
    """It lies there and was retired."""


class _Call(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """What every call has in common."""

    id: int = 0
    """Comes back with the answer."""


class ListDomains(_Call, frozen=True, kw_only=True, tag="list_domains"):
    """Asks for every language model; `domains` answers."""


class ShowDomain(_Call, frozen=True, kw_only=True, tag="show_domain"):
    """Asks for all that is known of one; `domains` answers."""

    name: Name


class LoadDomain(_Call, frozen=True, kw_only=True, tag="load_domain"):
    """Loads a domain from the daemon's folder, also where it is loaded: `domain_loaded` answers.

    Sessions that begin or change from then on get the new version; if it cannot be loaded, the old
    one stays.
    """

    name: Name


class SwapDomain(_Call, frozen=True, kw_only=True, tag="swap_domain"):
    """Lets a running session go on with another language model; `domain_swapped` answers."""

    session: Name
    name: Name
    at: When = When.SEGMENT


class RetireDomain(_Call, frozen=True, kw_only=True, tag="retire_domain"):
    """Lets no more sessions have a domain; `domain_retired` answers."""

    name: Name


class AddDomainWords(_Call, frozen=True, kw_only=True, tag="add_words"):
    """Adds words to a language model for good; `domain_words` answers.

    Sessions that begin or change from then on know them; with `at`, those that run as well.
    """

    name: Name
    words: Annotated[tuple[NewWord, ...], msgspec.Meta(min_length=1)]
    at: When | None = None


class RemoveDomainWords(_Call, frozen=True, kw_only=True, tag="remove_words"):
    """Takes back words that were added to a language model; `domain_words` answers."""

    name: Name
    words: Annotated[tuple[WordText, ...], msgspec.Meta(min_length=1)]


class ListDomainWords(_Call, frozen=True, kw_only=True, tag="list_words"):
    """Asks which words were added to a language model; `domain_words` answers."""

    name: Name


class ListPersonal(_Call, frozen=True, kw_only=True, tag="list_personal"):
    """Asks which personal models are kept; `personal_models` answers."""


class DeletePersonal(_Call, frozen=True, kw_only=True, tag="delete_personal"):
    """Forgets a personal model, also what its sessions still hear; `personal_deleted` answers."""

    owner: Name
    """The name of the token whose sessions have it."""
    name: Name


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One text or model that a domain is a mixture of."""

    source: str
    weight: float


class Domain(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a language model."""

    name: str
    version: int
    """Counts up with every load; 0 where none was loaded."""
    state: DomainState
    source: str
    """The word "bundle", or the folder within the daemon's folder of domains."""
    sessions: tuple[str, ...] = ()
    """Those that have it."""
    loaded_s_ago: float | None = None
    load_ms: int | None = None
    size_bytes: int | None = None
    """Of its n-grams, which are mapped into memory."""
    words: int | None = None
    ngrams: tuple[int, ...] = ()
    """How many of each length."""
    made: str = ""
    """When it was made of its texts, in UTC."""
    shares: tuple[Share, ...] = ()
    perplexity: float | None = None
    """On text that it was not made of."""
    unknown_rate: float | None = None
    """Share of the words of that text that it does not know."""
    fault: str | None = None
    """Why the newest attempt to load it failed."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every answer has in common."""

    id: int = 0


class Domains(_Answer, frozen=True, kw_only=True, tag="domains"):
    """Language models, by name and version."""

    domains: tuple[Domain, ...]


class DomainLoaded(_Answer, frozen=True, kw_only=True, tag="domain_loaded"):
    """A domain is there."""

    name: str
    version: int
    load_ms: int


class DomainSwapped(_Answer, frozen=True, kw_only=True, tag="domain_swapped"):
    """A session goes on with it; `switched` in the session says from where on."""

    session: str
    name: str
    version: int
    at: When


class DomainRetired(_Answer, frozen=True, kw_only=True, tag="domain_retired"):
    """No more sessions get it."""

    name: str
    sessions: tuple[str, ...]
    """Those that still have it."""


class DomainWords(_Answer, frozen=True, kw_only=True, tag="domain_words"):
    """The words that were added to a language model: in answer to `add_words` those asked for."""

    name: str
    version: int
    words: tuple[TakenWord, ...] = ()
    refused: tuple[RefusedText, ...] = ()
    """What was not added or not there to be taken back, and why."""
    is_kept: bool = False
    """Whether they outlive the daemon: they lie in its folder of domains."""


class PersonalModel(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one speaker."""

    owner: str
    """The name of the token."""
    name: str
    finals: int
    """How many it was made of."""
    words: int
    """How many different ones it remembers."""
    changed_s_ago: float


class PersonalModels(_Answer, frozen=True, kw_only=True, tag="personal_models"):
    """Every personal model, by owner and name."""

    models: tuple[PersonalModel, ...]


class PersonalDeleted(_Answer, frozen=True, kw_only=True, tag="personal_deleted"):
    """It is forgotten."""

    owner: str
    name: str


class Refused(_Answer, frozen=True, kw_only=True, tag="refused"):
    """Nothing was done, and why."""

    code: ErrorCode
    message: str
    expected: str | None = None
    found: str | None = None


AdminCall: TypeAlias = (
    ListDomains
    | ShowDomain
    | LoadDomain
    | SwapDomain
    | RetireDomain
    | AddDomainWords
    | RemoveDomainWords
    | ListDomainWords
    | ListPersonal
    | DeletePersonal
)
AdminAnswer: TypeAlias = (
    Domains
    | DomainLoaded
    | DomainSwapped
    | DomainRetired
    | DomainWords
    | PersonalModels
    | PersonalDeleted
    | Refused
)
