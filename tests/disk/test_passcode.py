"""Where the passcode comes from, and where it never does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.passcode import MAX_FILE_BYTES, Source, password
from streembit.errors import BadConfig


def nobody(prompt: str) -> str:
    """Fail: nobody should be asked."""
    raise AssertionError(f"asked: {prompt}")


class SourceTests(SynchronousTestCase):
    """File, credential, terminal: in this order."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, content: bytes, mode: int = 0o600) -> Path:
        """Make a file of this content and mode."""
        path = self.folder / "secret"
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def credential(self, content: bytes) -> dict[str, str]:
        """Return the environment of a unit with this credential."""
        (self.folder / "passcode").write_bytes(content)
        return {"CREDENTIALS_DIRECTORY": str(self.folder)}

    def typing(self, *words: str) -> tuple[Callable[[str], str], list[str]]:
        """Return somebody who types these words, and the prompts that he sees."""
        waiting, prompts = list(words), []

        def ask(prompt: str) -> str:
            prompts.append(prompt)
            return waiting.pop(0)

        return ask, prompts

    def test_a_file_first(self) -> None:
        """Its last line feed is not part of the passcode; spaces are."""
        for content, passcode in (
            (b"Abcdef1!", "Abcdef1!"),
            (b"Abcdef1!\n", "Abcdef1!"),
            (b"Abcdef1!\r\n", "Abcdef1!"),
            (b" Abc def1! \n", " Abc def1! "),
            ("Größe1!x\n".encode(), "Größe1!x"),
        ):
            source = Source(self.file(content), self.credential(b"other"), nobody)
            self.assertEqual(source.passcode("bob"), passcode)

    def test_then_the_credential(self) -> None:
        """What systemd keeps is used whatever its mode."""
        source = Source(None, self.credential(b"Abcdef1!\n"), nobody)
        self.assertEqual(source.passcode("bob"), "Abcdef1!")

    def test_then_the_terminal(self) -> None:
        """The account is named; a unit without our credential asks nobody's."""
        ask, prompts = self.typing("Abcdef1!")
        source = Source(None, {"CREDENTIALS_DIRECTORY": str(self.folder)}, ask)
        self.assertEqual(source.passcode("bob"), "Abcdef1!")
        self.assertEqual(prompts, ["Passcode of bob: "])

    def test_a_new_one_is_typed_twice(self) -> None:
        """Two that differ are refused."""
        self.assertEqual(Source(None, {}, self.typing("a", "a")[0]).passcode("b", new=True), "a")
        self.assertRaises(
            BadConfig, Source(None, {}, self.typing("a", "b")[0]).passcode, "b", new=True
        )

    def test_nobody_to_ask(self) -> None:
        """The three ways are named."""
        with self.assertRaises(BadConfig) as refused:
            Source(None, {}, None).passcode("bob")
        for way in ("--passcode-file", "credential", "--no-passcode"):
            self.assertIn(way, str(refused.exception))

    def test_L7_a_file_that_others_can_read_is_refused(self) -> None:
        """Each of the bits alone is enough."""
        for mode in (0o640, 0o620, 0o610, 0o604, 0o602, 0o601):
            source = Source(self.file(b"Abcdef1!", mode), {}, nobody)
            with self.assertRaises(BadConfig) as refused:
                source.passcode("bob")
            self.assertIn("chmod 600", str(refused.exception))

    def test_L7_the_passcode_is_in_no_error(self) -> None:
        """Refused content is not shown."""
        for content in (b"\xffSecret1!", b"Secret1!" * MAX_FILE_BYTES):
            with self.assertRaises(BadConfig) as refused:
                Source(self.file(content), {}, nobody).passcode("bob")
            self.assertNotIn("Secret1!", str(refused.exception))

    def test_L7_the_environment_is_no_source(self) -> None:
        """Names that other programs use mean nothing here."""
        environ = {"PASSCODE": "Abcdef1!", "STREEMBIT_PASSCODE": "Abcdef1!"}
        self.assertRaises(BadConfig, Source(None, environ, None).passcode, "bob")

    def test_a_file_that_is_not_there(self) -> None:
        """It is named."""
        with self.assertRaises(BadConfig) as refused:
            Source(self.folder / "absent", {}, nobody).passcode("bob")
        self.assertIn("absent", str(refused.exception))

    def test_L7_a_password_of_another_server(self) -> None:
        """From a file that only we can read, else from a credential, else there is none."""
        environ = self.credential(b"-")
        (self.folder / "redis").write_bytes(b"from systemd\n")
        path = self.file(b"from a file\n")
        self.assertEqual(password(path, "redis", environ), "from a file")
        self.assertEqual(password(None, "redis", environ), "from systemd")
        self.assertEqual(password(None, "other", environ), "")
        self.assertEqual(password(None, "redis", {}), "")
        path.chmod(0o640)
        error = self.assertRaises(BadConfig, password, path, "redis", environ)
        self.assertIn("others can read the password", str(error))
        path.unlink()
        self.assertRaises(BadConfig, password, path, "redis", environ)
