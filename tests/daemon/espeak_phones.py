"""How eSpeak NG says an English word, in phones of the CMU dictionary.

Its rules for letters are its own: of surnames it says every other one differently from what the
dictionary has. Who wants to know whether a word is recognised must know what was said.
"""

import ctypes
import re
from typing import Any

from steno_models.crossmodal.synthesis.espeak import _library

_SEPARATOR = "_"
_ASCII = ord(_SEPARATOR) << 8
_UTF8 = 1
_STRESSES = "',%=|"
_PHONES = {
    **{one: one.upper() for one in "bdfgklmnprstvwz"},
    "h": "HH",
    "j": "Y",
    "N": "NG",
    "S": "SH",
    "Z": "ZH",
    "T": "TH",
    "D": "DH",
    "x": "K",
    "dZ": "JH",
    "tS": "CH",
    "t#": "T",
    "t2": "T",
    "n-": "AH N",
    "r-": "R",
    "@": "AH",
    "@-": "AH",
    "@2": "AH",
    "V": "AH",
    "a#": "AH",
    "@L": "AH L",
    "3": "ER",
    "3:": "ER",
    "a": "AE",
    "aa": "AE",
    "E": "EH",
    "e@": "EH R",
    "I": "IH",
    "I2": "IH",
    "I#": "IH",
    "i": "IY",
    "i:": "IY",
    "i@": "IY AH",
    "i@3": "IH R",
    "0": "AA",
    "A:": "AA",
    "A@": "AA R",
    "O": "AO",
    "O2": "AO",
    "O:": "AO",
    "o@": "AO R",
    "O@": "AO R",
    "U": "UH",
    "U@": "UH R",
    "u:": "UW",
    "aI": "AY",
    "aI@": "AY AH",
    "aI3": "AY ER",
    "aU": "AW",
    "eI": "EY",
    "oU": "OW",
    "OI": "OY",
    "": "",
    ";": "",
    "?": "",
}


def spoken_phones(word: str) -> str:
    """Return the phones of a word as the American voice says it.

    Raises:
        KeyError: it says one that English has not.
    """
    library, _ = _library()
    library.espeak_SetVoiceByName(b"en-us")
    convert: Any = library.espeak_TextToPhonemes
    convert.restype = ctypes.c_char_p
    convert.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
    text = ctypes.create_string_buffer(word.encode())
    place = ctypes.c_void_p(ctypes.addressof(text))
    said = convert(ctypes.byref(place), _UTF8, _ASCII).decode()
    # A vowel before a glide is the glide's own.
    said = re.sub("I2?_;", "i", said)
    phones = (_PHONES[one.strip(_STRESSES)] for one in re.split(rf"[{_SEPARATOR}\s]+", said))
    return " ".join(phone for phone in phones if phone)
