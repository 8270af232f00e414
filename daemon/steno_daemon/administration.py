"""What administrators may ask about language models, and who does it."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from msgspec.structs import replace

from steno_daemon import wire
from steno_daemon.domains import Domains, Version
from steno_daemon.errors import DomainError, FixedModelError, UnknownModelError
from steno_daemon.library import Library, Shelf
from steno_daemon.personal import Kept, Memories
from steno_daemon.states import State
from steno_daemon.wire import DomainState, ErrorCode
from steno_daemon.wordbook import Wordbook

if TYPE_CHECKING:
    from steno_daemon.streams import Streams


class Administration:
    """Answers calls; lives on the event loop.

    Args:
        domains: the language models.
        library: the folder that they come from.
        streams: the sessions.
        words: that were added to the language models.
        memories: of what speakers said; None where nothing is kept.
    """

    def __init__(
        self,
        domains: Domains,
        library: Library,
        streams: "Streams",
        words: Wordbook,
        memories: Memories | None = None,
    ) -> None:
        self._words = words
        self._memories = memories
        self._domains = domains
        self._library = library
        self._streams = streams

    async def answer(self, call: wire.AdminCall) -> wire.AdminAnswer:
        """Do what a call says, or say why not."""
        try:
            if isinstance(call, wire.ListPersonal | wire.DeletePersonal):
                return await self._remembered(call)
            return await self._done(call)
        except UnknownModelError as error:
            return wire.Refused(
                id=call.id,
                code=ErrorCode.UNKNOWN_LANGUAGE_MODEL,
                message="there is no such language model",
                expected="one of " + ", ".join(error.expected),
                found=error.found,
            )
        except FixedModelError as error:
            return wire.Refused(id=call.id, code=ErrorCode.LANGUAGE_MODEL_FIXED, message=str(error))
        except DomainError as error:
            return wire.Refused(
                id=call.id, code=ErrorCode.LANGUAGE_MODEL_FAILED, message=str(error)
            )

    async def _done(self, call: wire.AdminCall) -> wire.AdminAnswer:
        match call:
            case wire.ListDomains():
                return wire.Domains(id=call.id, domains=tuple(self._listed()))
            case wire.ShowDomain(name=name):
                return self._shown(call.id, name)
            case wire.LoadDomain(name=name):
                version = await self._library.load(name)
                await self._words.restore()
                load_s = version.origin.load_s if version.origin else 0.0
                return wire.DomainLoaded(
                    id=call.id, name=name, version=version.number, load_ms=round(1000 * load_s)
                )
            case wire.RetireDomain(name=name):
                version = self._domains.retire(name)
                return wire.DomainRetired(
                    id=call.id, name=name, sessions=tuple(sorted(version.holders))
                )
            case wire.SwapDomain():
                return self._swapped(call)
            case wire.ListDomainWords(name=name):
                found = self._words.listed(name)
            case wire.RemoveDomainWords(name=name, words=words):
                found = await self._words.remove(name, words)
            case wire.AddDomainWords(name=name, words=new, at=at):
                former = self._domains.newest(name)
                found = await self._words.add(name, new)
                if at is not None:
                    self._renew(former, at)
        return replace(found, id=call.id)

    async def _remembered(
        self, call: wire.ListPersonal | wire.DeletePersonal
    ) -> wire.PersonalModels | wire.PersonalDeleted:
        """Tell what is remembered of speakers, or forget it."""
        memories = self._memories
        if isinstance(call, wire.ListPersonal):
            kept = [] if memories is None else await asyncio.to_thread(memories.kept)
            return wire.PersonalModels(id=call.id, models=tuple(map(_personal, kept)))
        if memories is None:
            raise DomainError("expected a daemon that keeps a state, found one that keeps none")
        await asyncio.to_thread(memories.delete, call.owner, call.name)
        return wire.PersonalDeleted(id=call.id, owner=call.owner, name=call.name)

    def _renew(self, former: Version, at: wire.When) -> None:
        """Let the sessions that have a former version go on with the newest one."""
        for holder in sorted(former.holders):
            stream = self._streams.named(holder)
            if stream is not None and stream.session.state is State.LISTENING:
                weights = stream.session.repertoire.weights
                wish = (
                    wire.Configure(language_model_weights=weights, at=at)
                    if len(weights) > 1
                    else wire.Configure(language_model=former.name, at=at)
                )
                stream.session.receive_configure(wish)
                stream.advance()

    def _shown(self, number: int, name: str) -> wire.AdminAnswer:
        found = tuple(one for one in self._listed() if one.name == name)
        if not found:
            names = dict.fromkeys(one.name for one in self._listed())
            raise UnknownModelError(expected=list(names), found=name)
        return wire.Domains(id=number, domains=found)

    def _swapped(self, call: wire.SwapDomain) -> wire.AdminAnswer:
        version = self._domains.newest(call.name)
        stream = self._streams.named(call.session)
        if stream is None or stream.session.state is not State.LISTENING:
            return wire.Refused(
                id=call.id,
                code=ErrorCode.UNKNOWN_SESSION,
                message="there is no such session that listens",
                expected="one of " + (", ".join(self._streams.listening) or "none: nobody speaks"),
                found=call.session,
            )
        stream.session.receive_configure(wire.Configure(language_model=call.name, at=call.at))
        stream.advance()
        return wire.DomainSwapped(
            id=call.id,
            session=call.session,
            name=call.name,
            version=version.number,
            at=call.at,
        )

    def _listed(self) -> list[wire.Domain]:
        """Return every version that is in memory, and what lies in the folder besides."""
        faults = {one.folder.name: one.fault for one in self._library.shelves if one.fault}
        loaded = [_of_version(version, faults) for version in self._domains.versions]
        present = {one.source for one in loaded if one.state is DomainState.LOADED}
        besides = [
            _of_shelf(shelf)
            for shelf in self._library.shelves
            if shelf.folder.name not in present and (shelf.fault or shelf.tried is not None)
        ]
        return sorted([*loaded, *besides], key=lambda one: (one.name, one.version))


def _of_version(version: Version, faults: dict[str, str]) -> wire.Domain:
    domain, origin = version.domain, version.origin
    state = DomainState.RETIRING if version.is_retired else DomainState.LOADED
    sessions = tuple(sorted(version.holders))
    if domain is None or origin is None:
        return wire.Domain(
            name=version.name,
            version=version.number,
            state=state,
            source="bundle",
            sessions=sessions,
        )
    made = domain.description
    return wire.Domain(
        name=version.name,
        version=version.number,
        state=state,
        source=origin.folder,
        sessions=sessions,
        loaded_s_ago=round(monotonic() - version.loaded_s, 1),
        load_ms=round(1000 * origin.load_s),
        size_bytes=domain.size_bytes,
        words=made.words,
        ngrams=made.ngrams,
        made=made.made,
        shares=tuple(wire.Share(source=one.source, weight=one.weight) for one in made.shares),
        perplexity=made.held_out.perplexity if made.held_out else None,
        unknown_rate=made.held_out.unknown_rate if made.held_out else None,
        fault=faults.get(origin.folder) if not version.is_retired else None,
    )


def _personal(kept: Kept) -> wire.PersonalModel:
    return wire.PersonalModel(
        owner=kept.owner,
        name=kept.name,
        finals=kept.finals,
        words=kept.words,
        changed_s_ago=kept.changed_s_ago,
    )


def _of_shelf(shelf: Shelf) -> wire.Domain:
    return wire.Domain(
        name=shelf.called,
        version=0,
        state=DomainState.FAILED if shelf.fault else DomainState.UNLOADED,
        source=shelf.folder.name,
        fault=shelf.fault or None,
    )
