"""Names that strangers chose: what comes out can be borne by every disk and every reader."""

from __future__ import annotations

import unicodedata
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.files.names import MAX_NAME_BYTES, free_name, safe_name, safe_tree

# Each with what becomes of it.
HOSTILE: Final = (
    ("", "unnamed"),
    (".", "unnamed"),
    ("..", "unnamed"),
    ("...", "unnamed"),
    ("/", "unnamed"),
    ("\\", "unnamed"),
    ("//", "unnamed"),
    (" ", "unnamed"),
    ("\t\r\n", "unnamed"),
    ("\0", "unnamed"),
    ("../../etc/passwd", "passwd"),
    ("/etc/shadow", "shadow"),
    ("..\\..\\Windows\\win.ini", "win.ini"),
    ("C:\\autoexec.bat", "autoexec.bat"),
    ("C:autoexec.bat", "C_autoexec.bat"),
    ("\\\\server\\share\\x", "x"),
    ("a/../../b", "b"),
    ("a/..", "a"),
    ("a/.", "a"),
    ("a/", "a"),
    ("....//....//x", "x"),
    ("..\N{FRACTION SLASH}..\N{FRACTION SLASH}x", "x"),
    ("..\N{DIVISION SLASH}x", "x"),
    ("..\N{FULLWIDTH SOLIDUS}x", "x"),
    ("..\N{FULLWIDTH REVERSE SOLIDUS}x", "x"),
    ("..%2f..%2fx", "%2f..%2fx"),
    (".bashrc", "bashrc"),
    (".ssh/authorized_keys", "authorized_keys"),
    ("..x", "x"),
    ("-rf", "rf"),
    ("--help", "help"),
    ("-", "unnamed"),
    ("~", "unnamed"),
    ("~root", "root"),
    (" leading", "leading"),
    ("trailing ", "trailing"),
    ("trailing.", "trailing"),
    ("trailing. . .", "trailing"),
    ("a\0b.txt", "ab.txt"),
    ("a\nb\r\nc", "a b c"),
    ("a\x1b[2Jb", "a[2Jb"),
    ("a\x7fb\x85c\x9bd", "abcd"),
    ("\N{RIGHT-TO-LEFT OVERRIDE}txt.exe", "txt.exe"),
    ("photo\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "photogpj.exe"),
    ("\N{RIGHT-TO-LEFT ISOLATE}a\N{POP DIRECTIONAL ISOLATE}", "a"),
    ("a\N{ZERO WIDTH SPACE}\N{ZERO WIDTH JOINER}b", "ab"),
    ("\N{ZERO WIDTH NO-BREAK SPACE}a", "a"),
    ("a\N{SOFT HYPHEN}b", "ab"),
    ("a\N{LINE SEPARATOR}b\N{PARAGRAPH SEPARATOR}c", "abc"),
    ("\N{HANGUL FILLER}", "unnamed"),
    ("\N{BRAILLE PATTERN BLANK}", "unnamed"),
    ("a\N{VARIATION SELECTOR-16}b\U000e0100", "ab"),
    ("\N{TAG LATIN SMALL LETTER A}\N{CANCEL TAG}", "unnamed"),
    ("\ue000\uffff\U0010ffff", "unnamed"),
    ("\ud800", "unnamed"),
    ("a\udc80b", "ab"),
    ("e\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ("\N{COMBINING ACUTE ACCENT}a", "_\N{COMBINING ACUTE ACCENT}a"),
    ("CON", "_CON"),
    ("con.txt", "_con.txt"),
    ("nul .txt", "_nul.txt"),
    ("COM1", "_COM1"),
    ("lpt\N{SUPERSCRIPT ONE}.x", "_lpt\N{SUPERSCRIPT ONE}.x"),
    ("CONIN$", "_CONIN$"),
    ("a:b", "a_b"),
    ("file.txt::$DATA", "file.txt__$DATA"),
    ('a*b?c"d<e>f|g', "a_b_c_d_e_f_g"),
    ("\N{NO-BREAK SPACE}a\N{IDEOGRAPHIC SPACE}b", "a b"),
    ("x" * 5000, "x" * MAX_NAME_BYTES),
    ("x" * 5000 + ".tar.gz", "x" * MAX_NAME_BYTES),
    ("x" * 300 + ".tar.gz", "x" * (MAX_NAME_BYTES - 7) + ".tar.gz"),
    ("\N{PILE OF POO}" * 200, "\N{PILE OF POO}" * 60),
    ("a." + "x" * 400, "a." + "x" * 238),
)
TEXTS: Final = st.text(max_size=80) | st.text(
    alphabet="ab./\\ -~:\0\x1b\n\u202e\u200b\u0301\ufe0f\uff0fCONcon1\ud800", max_size=40
)


class SafeNameTests(SynchronousTestCase):
    """One name."""

    def test_L2_sixty_hostile_names(self) -> None:
        """Each becomes a name that stays where it is put and shows what it is."""
        self.assertGreaterEqual(len(HOSTILE), 60)
        for hostile, expected in HOSTILE:
            self.assertEqual(safe_name(hostile), expected, ascii(hostile))

    def test_usual_names_stay(self) -> None:
        """Nothing is done to what needs nothing."""
        for name in ("a", "Bericht 2026.pdf", "x.tar.gz", "a-b_c (1).txt", "日本語.txt", "#1 & co"):
            self.assertEqual(safe_name(name), name)

    @given(TEXTS)
    def test_L2_any_text(self, text: str) -> None:
        """Whatever it was, the rules hold, and a second time changes nothing."""
        name = safe_name(text)
        check(name)
        assert safe_name(name) == name

    @given(st.lists(TEXTS, min_size=1, max_size=6))
    def test_L2_any_path(self, parts: list[str]) -> None:
        """Each part stays one part."""
        (safe,) = safe_tree([[*parts, "end"]])
        assert len(safe) == len(parts) + 1
        for part in safe:
            check(part)


class FreeNameTests(SynchronousTestCase):
    """A name that something has already."""

    def test_the_number_comes_before_the_ending(self) -> None:
        """So that the type stays."""
        taken = {"a.tar.gz", "a (2).tar.gz", "b"}
        self.assertEqual(free_name("a.tar.gz", taken.__contains__), "a (3).tar.gz")
        self.assertEqual(free_name("b", taken.__contains__), "b (2)")
        self.assertEqual(free_name("c", taken.__contains__), "c")

    def test_a_long_name_is_cut_for_its_number(self) -> None:
        """It never outgrows the disk's limit."""
        long = "x" * (MAX_NAME_BYTES - 4) + ".txt"
        found = free_name(long, {long}.__contains__)
        self.assertEqual(len(found), MAX_NAME_BYTES)
        self.assertTrue(found.endswith(" (2).txt"))

    def test_it_gives_up(self) -> None:
        """A folder in which everything exists is not searched for ever."""
        with self.assertRaises(FileExistsError):
            free_name("a", lambda _name: True)


class TreeTests(SynchronousTestCase):
    """The paths of a whole list."""

    def test_L2_paths_that_become_the_same_are_told_apart(self) -> None:
        """By case, by form, by what was taken away, by being file and folder."""
        paths = [("a",), ("A",), ("a\0",), ("d", "x"), ("d",), ("D", "x"), ("..", "x"), (".", "x")]
        safe = safe_tree(paths)
        self.assertEqual(len({tuple(map(str.casefold, path)) for path in safe}), len(paths))
        self.assertEqual(safe[0], ("a",))
        self.assertEqual(safe[3], ("d", "x"))
        self.assertNotEqual(safe[4][0], safe[3][0])

    def test_files_of_one_folder_stay_together(self) -> None:
        """Also where the folder had to be renamed."""
        safe = safe_tree([("..", "x"), ("..", "y"), ("unnamed", "z")])
        self.assertEqual(safe[0][0], safe[1][0])
        self.assertNotEqual(safe[0][0], safe[2][0])

    def test_ten_thousand_of_one_name(self) -> None:
        """All are told apart, and soon."""
        safe = safe_tree([("x\0" + "\0" * (n % 50),) for n in range(10_000)])
        self.assertEqual(len(set(safe)), 10_000)

    @given(st.lists(st.lists(TEXTS, min_size=1, max_size=3), max_size=12))
    def test_L2_any_tree(self, paths: list[list[str]]) -> None:
        """All different without regard to case, no file is a folder, and the same each time."""
        safe = safe_tree(paths)
        assert safe == safe_tree(paths)
        bare = {path[:-1] for path in safe if not path[-1]}
        assert all(
            len(path) > 1 and not path[-1] for path, s in zip(paths, safe, strict=True) if not s[-1]
        )
        safe = [path for path in safe if path[-1]]
        folded = [tuple(fold(part) for part in path) for path in safe]
        assert len(set(folded)) == len(folded)
        folders = {path[:n] for path in folded for n in range(1, len(path))}
        folders |= {tuple(fold(part) for part in path) for path in bare}
        assert not folders & set(folded)
        for path in safe:
            for part in path:
                check(part)


def fold(name: str) -> str:
    """Return what a disk that ignores case sees."""
    return unicodedata.normalize("NFC", name.casefold())


def check(name: str) -> None:
    """Assert what every safe name keeps."""
    assert 1 <= len(name.encode()) <= MAX_NAME_BYTES, name
    assert name not in {".", ".."}
    assert name[0] not in " .-~"
    assert name[-1] not in " ."
    assert not set(name) & set('/\\:*?"<>|\0'), name
    assert unicodedata.is_normalized("NFC", name)
    bad = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not {unicodedata.category(char) for char in name} & bad, ascii(name)
