"""What can be said to `steno words`."""

import argparse
from pathlib import Path

WORDS = """\
examples:
  steno words list general                          what was added, and how it is taken to sound
  steno words add general kowalczyk tamsulosin      pronounced as they are spelled
  steno words add legal kowalczyk --say "K OW V AE L CH IH K" --say "K AH W AA L CH IH K"
  steno words add legal siobhan --recording siobhan.wav
  steno words add legal --file names.txt --boost 2 --at segment
  steno words confirm legal kowalczyk --heard "K OW V AA L CH IH K"
  steno words remove legal kowalczyk

Phones are those of the CMU dictionary: AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N
NG OW OY P R S SH T TH UH UW V W Y Z ZH. A file has a word a line, or a word and its phones; several
lines of one word are several pronunciations.

Sessions that begin or change from then on know the words; with --at, those that run as well. Where
the daemon has a folder of domains, they outlive it. For one session alone a client adds words and
phrases itself: `add_words` and `expect` of StenoClient. Where a daemon knows tokens, the scope
admin is needed.

Exit status: 1 where a word was not taken; standard error says why.
"""


def add_words(parser: argparse.ArgumentParser, door: argparse.ArgumentParser) -> None:
    """Give `steno words` its actions.

    Args:
        parser: of `steno words`.
        door: the options of everything that asks a daemon.
    """
    parser.description = "Words added to the language models of a running daemon."
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=help_text, description=help_text, parents=[door])
        action.add_argument("name", metavar="MODEL", help="language model, see `steno lm list`")
        action.add_argument("--json", action="store_true", help="as one line of JSON")
        return action

    _describe_add(add("add", "add words, or pronunciations of words that are known"))
    _describe_confirm(
        add("confirm", "say what an unknown word is: running sessions know it at once")
    )
    gone = add("remove", "take words back that were added")
    gone.add_argument("words", nargs="+", metavar="WORD", help="its spelling")
    add("list", "the words that were added, and how they are taken to sound")


def _describe_add(new: argparse.ArgumentParser) -> None:
    """Give `steno words add` its options."""
    new.add_argument("words", nargs="*", metavar="WORD", help="its spelling")
    new.add_argument("--file", type=Path, metavar="FILE", help="more words, one a line")
    new.add_argument(
        "--say",
        action="append",
        default=[],
        metavar="PHONES",
        help="how the only WORD sounds; several times for several ways (from its spelling)",
    )
    new.add_argument(
        "--recording",
        type=Path,
        metavar="SOUND",
        help="the only WORD as somebody says it, up to 1.4 s: its sound is taken from there",
    )
    new.add_argument(
        "--boost",
        type=float,
        metavar="NATS",
        help="how much likelier than a rare word, 0 to 20: 2 is a nudge, 5 a push (by its length)",
    )
    new.add_argument(
        "--at",
        choices=["segment", "now"],
        help="let sessions that run have them, too: from the next segment on, or at once",
    )


def _describe_confirm(known: argparse.ArgumentParser) -> None:
    """Give `steno words confirm` its options."""
    known.add_argument("word", metavar="WORD", help="its spelling")
    known.add_argument(
        "--heard",
        action="append",
        required=True,
        metavar="PHONES",
        help='the "phones" of the unknown_word; several times for several that were heard',
    )
    known.add_argument("--boost", type=float, default=5.0, metavar="NATS", help="as of add (5)")
    known.add_argument(
        "--at",
        choices=["segment", "now"],
        default="segment",
        help="from the next segment of running sessions on, or scored again at once (segment)",
    )
