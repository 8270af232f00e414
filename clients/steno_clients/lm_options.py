"""What can be said to `steno lm`."""

import argparse

LM = """\
examples:
  steno lm list                           name, version, state, sessions, words, size
  steno lm load legal                     what `steno-models lm build --name legal` wrote anew
  steno lm swap 1f3a5c legal --at now     a session that runs, at once
  steno lm retire legal                   sessions that have it keep it to their end
  steno lm show legal --json | jq '.[].perplexity'

Domains lie in the folder that the daemon's configuration names, engine.domains_directory; the
daemon finds by itself what is put there. Where a daemon knows tokens, the scope admin is needed.
"""


def add_lm(parser: argparse.ArgumentParser, door: argparse.ArgumentParser) -> None:
    """Give `steno lm` its actions.

    Args:
        parser: of `steno lm`.
        door: the options of everything that asks a daemon.
    """
    parser.description = "The language models of a running daemon, for its administrators."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=help_text, description=help_text, parents=[door])
        action.add_argument("--json", action="store_true", help="as one line of JSON")
        return action

    add("list", "every language model: version, state, sessions, size")
    show = add("show", "all that is known of one: its texts, weights, perplexity, sessions")
    load = add("load", "load a domain that lies in the daemon's folder, or load it anew")
    retire = add("retire", "let no further session have a domain; its memory is returned")
    for action in (show, load, retire):
        action.add_argument("name", metavar="NAME", help="of the domain")
    swap = add("swap", "let a running session go on with another language model")
    swap.add_argument("session", metavar="SESSION", help="its name, see `steno watch --list`")
    swap.add_argument("name", metavar="NAME", help="of the language model")
    swap.add_argument(
        "--at",
        choices=["segment", "now"],
        default="segment",
        help="from the next segment on, or with the open one scored again (segment)",
    )
