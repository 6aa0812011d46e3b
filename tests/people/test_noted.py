"""Files on their way into a folder of the user's: the home knows of them until they are there."""

from __future__ import annotations

from streembit.disk.noted import NOTES, PREFIX
from tests.people.village import PeopleCase


class NotedTests(PeopleCase):
    def test_the_folder_of_a_transfer_is_noted_before_it_is_made(self) -> None:
        """By its path; a wipe needs no more, and has no key to read more."""
        self.village.acquaint(self.ann, self.bob)
        source, target = self.village.folder / "source", self.village.folder / "films"
        source.write_bytes(bytes(100))
        row = self.town.result(self.ann.desk.send_files(self.bob.key, [str(source)]))
        self.village.until(lambda: bool(self.town.result(self.bob.desk.list_files())))
        self.town.end(self.ann.node)
        self.town.result(self.bob.desk.accept_files(row.id, str(target)))
        (private,) = [path for path in target.iterdir() if path.name.startswith(PREFIX)]
        (note,) = (self.village.folder / NOTES).iterdir()
        self.assertEqual(note.read_bytes(), bytes(private))
