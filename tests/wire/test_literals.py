"""Sixty texts that readers of JSON disagree about, and what Streembit says to each."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadJson
from streembit.wire import codec

REFUSED: dict[str, bytes] = {
    # members
    "duplicate": b'{"a":1,"a":2}',
    "duplicate, same value": b'{"a":1,"a":1}',
    "duplicate, one escaped": b'{"a":1,"\\u0061":2}',
    "duplicate, inside": b'{"b":{"a":1,"a":2}}',
    "duplicate, in a list": b'[{"a":1,"a":2}]',
    "duplicate, empty name": b'{"":1,"":2}',
    # numbers
    "NaN": b"[NaN]",
    "Infinity": b"[Infinity]",
    "-Infinity": b"[-Infinity]",
    "nan": b"[nan]",
    "1e999": b"[1e999]",
    "-1e999": b"[-1e999]",
    "overflow without exponent": b"[" + b"9" * 400 + b".0]",
    "-0": b"[-0]",
    "-0.0": b"[-0.0]",
    "-0e1": b"[-0e1]",
    "2**53": b"[9007199254740992]",
    "-2**53": b"[-9007199254740992]",
    "2**64": b"[18446744073709551616]",
    "400 digits": b"[" + b"9" * 400 + b"]",
    "4301 digits": b"[" + b"9" * 4301 + b"]",
    "leading zero": b"[01]",
    "leading plus": b"[+1]",
    "hex": b"[0x10]",
    "no integer part": b"[.5]",
    "no fraction": b"[1.]",
    "no exponent": b"[1e]",
    "underscore": b"[1_000]",
    "full-width digit": "[\uff11]".encode(),
    # texts
    "lone high surrogate": b'["\\ud800"]',
    "lone low surrogate": b'["\\udc00"]',
    "surrogates reversed": b'["\\udc00\\ud800"]',
    "high surrogate and a letter": b'["\\ud800x"]',
    "lone surrogate as a name": b'{"\\ud800":1}',
    "surrogate in UTF-8": b'["\xed\xa0\x80"]',
    "overlong NUL": b'["\xc0\x80"]',
    "overlong slash": b'["\xc0\xaf"]',
    "beyond Unicode": b'["\xf4\x90\x80\x80"]',
    "cut UTF-8": b'["\xe2\x82"]',
    "Latin-1": b'["\xe9"]',
    "raw tab": b'["\t"]',
    "raw newline": b'["\n"]',
    "raw NUL": b'["\x00"]',
    "unknown escape": b'["\\x41"]',
    "short escape": b'["\\u12"]',
    "signed escape": b'["\\u+041"]',
    "single quotes": b"['a']",
    "unclosed text": b'["a]',
    # the whole
    "UTF-8 byte order mark": b"\xef\xbb\xbf[]",
    "UTF-16": "[1]".encode("utf-16"),
    "UTF-16 without mark": "[1]".encode("utf-16-le"),
    "UTF-32": "[1]".encode("utf-32"),
    "nothing": b"",
    "white space only": b" \n",
    "two values": b"[] []",
    "NUL behind": b"[]\x00",
    "letters behind": b"[]x",
    "comma behind": b"[1,]",
    "comma behind a member": b'{"a":1,}',
    "comma before": b"[,1]",
    "comment": b"[/**/1]",
    "line comment": b"[1] // one",
    "name without quotes": b"{a:1}",
    "number as a name": b"{1:1}",
    "True": b"[True]",
    "undefined": b"[undefined]",
    "no-break space": b"[\xc2\xa01]",
    "form feed": b"[\x0c1]",
}

READ: dict[bytes, object] = {
    b"[]": [],
    b" [ 1 , 2 ] \r\n\t": [1, 2],
    b"[9007199254740991,-9007199254740991]": [2**53 - 1, 1 - 2**53],
    b"[0,0.0,0e5,1E2,1e-999]": [0, 0.0, 0.0, 100.0, 0.0],
    b'["\\ud83d\\ude00"]': ["\U0001f600"],
    b'["\\u0000\\/\\b\\f"]': ["\x00/\b\f"],
    b'["\x7f"]': ["\x7f"],
    b'{"a":1,"A":2,"a ":3}': {"a": 1, "A": 2, "a ": 3},
    b'{"":{}}': {"": {}},
    b"[true,false,null]": [True, False, None],
    '["\ufeff\u2028"]'.encode(): ["\ufeff\u2028"],
    '{"\u00e9":1,"e\u0301":2}'.encode(): {"\u00e9": 1, "e\u0301": 2},
}


def is_read(text: bytes) -> bool:
    """Return whether a text is read; only a BadJson says that it is not."""
    try:
        codec.decode_any(text)
    except BadJson:
        return False
    return True


class LiteralTests(SynchronousTestCase):
    """One text, one meaning, or none."""

    def test_B5_texts_with_two_meanings_are_refused(self) -> None:
        """Each of the table is a BadJson, and nothing but a BadJson."""
        self.assertGreaterEqual(len(REFUSED), 60)
        self.assertEqual([name for name, text in REFUSED.items() if is_read(text)], [])

    def test_B5_texts_with_one_meaning_are_read(self) -> None:
        """Strictness does not refuse what is only unusual."""
        for text, value in READ.items():
            got = codec.decode_any(text)
            self.assertEqual(got, value)
            self.assertEqual(repr(got), repr(value))
