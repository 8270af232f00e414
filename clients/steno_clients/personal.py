"""`steno personal`: what a daemon remembers of speakers, as a table or as JSON."""

import argparse
from collections.abc import Iterator

import msgspec

from steno_clients import admin
from steno_clients.connection import Door
from steno_clients.render import clock

_ROW = "{:<24} {:<24} {:>7} {:>7} {:>10}"


def perform(door: Door, given: argparse.Namespace) -> Iterator[str]:
    """Do what the command line says, and yield lines about it.

    Raises:
        StenoClientsError: the daemon does not do it, or there is none.
    """
    if given.action == "delete":
        deleted = admin.delete_personal(door, given.owner, given.name)
        yield (
            msgspec.json.encode(deleted).decode()
            if given.json
            else f"{deleted.name} of {deleted.owner} is forgotten"
        )
        return
    models = admin.personal_models(door)
    if given.json:
        yield msgspec.json.encode(models).decode()
        return
    yield _ROW.format("OWNER", "NAME", "FINALS", "WORDS", "AGE")
    for one in models:
        age = clock(one.changed_s_ago)
        yield _ROW.format(one.owner, one.name, one.finals, one.words, age)
