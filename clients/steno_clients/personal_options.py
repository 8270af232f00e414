"""What can be said to `steno personal`."""

import argparse

PERSONAL = """\
examples:
  steno caption --personal anna           a session whose words are remembered under that name
  steno personal list                     owner, name, finals, words, age
  steno personal delete ci-token anna     forget it, also what running sessions still hear

What is remembered is how often words and pairs of words were said, for the sessions of one token.
Where a daemon knows tokens, the scope admin is needed for these calls.
"""


def add_personal(parser: argparse.ArgumentParser, door: argparse.ArgumentParser) -> None:
    """Give `steno personal` its actions.

    Args:
        parser: of `steno personal`.
        door: the options of everything that asks a daemon.
    """
    parser.description = "What a daemon remembers of speakers who asked for it."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=help_text, description=help_text, parents=[door])
        action.add_argument("--json", action="store_true", help="as one line of JSON")
        return action

    add("list", "every personal model: owner, name, finals, words, age")
    delete = add("delete", "forget one for good")
    delete.add_argument("owner", metavar="OWNER", help="the name of the token that has it")
    delete.add_argument("name", metavar="NAME", help="of the personal model")
