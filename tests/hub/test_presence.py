"""Presence: nobody learns of whom they may not see, and each change is told once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import PresenceFull
from streembit.hub.presence import Shown, Watches
from streembit.wire.hub import Presence

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=200)
KEYS = ("ann", "bob", "eve", "sam")
SOME = st.sets(st.sampled_from(KEYS), max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("show"), st.sampled_from(KEYS), SOME),
        st.tuples(st.just("watch"), st.sampled_from(KEYS), SOME),
        st.tuples(st.just("leave"), st.sampled_from(KEYS), st.just(set[str]())),
    ),
    max_size=40,
)


class ShownTests(SynchronousTestCase):
    """Who may know."""

    def test_a_member_is_shown_to_whom_it_names(self) -> None:
        """Not to itself, not to those who show themselves to it, and not for ever."""
        shown = Shown()
        self.assertFalse(shown.may_know("bob", "ann"))
        shown.show("ann", ["bob", "eve"])
        self.assertTrue(shown.may_know("bob", "ann"))
        for watcher, key in (("ann", "bob"), ("ann", "ann"), ("sam", "ann")):
            self.assertFalse(shown.may_know(watcher, key))
        shown.show("ann", ["eve"])
        self.assertFalse(shown.may_know("bob", "ann"))
        shown.forget("ann")
        self.assertFalse(shown.may_know("eve", "ann"))

    def test_what_is_remembered_is_bounded(self) -> None:
        """Who asks for too much keeps what it had; what is given back can be used."""
        shown = Shown(max_pairs=3)
        shown.show("ann", ["bob", "bob", "eve"])
        self.assertRaises(PresenceFull, shown.show, "eve", ["ann", "bob"])
        self.assertRaises(PresenceFull, shown.show, "ann", ["1", "2", "3", "4"])
        self.assertTrue(shown.may_know("bob", "ann"))
        shown.show("ann", [])
        shown.show("eve", ["ann", "bob", "sam"])
        shown.forget("eve")
        shown.forget("eve")
        shown.show("sam", ["ann", "bob", "eve"])


class WatchesTests(SynchronousTestCase):
    """Who is told."""

    def test_each_change_is_told_once(self) -> None:
        """Coming, staying, going."""
        watches = Watches()
        watches.watch("ann", ["bob", "eve"])
        self.assertEqual(watches.news("ann", ["bob", "eve"], ["bob"]), Presence(["bob"], []))
        self.assertIsNone(watches.news("ann", ["bob"], ["bob"]))
        self.assertIsNone(watches.news("ann", ["eve"], []))
        both = watches.news("ann", ["bob", "eve"], ["eve"])
        self.assertEqual(both, Presence(["eve"], ["bob"]))
        self.assertIsNone(watches.news("ann", ["bob"], []))

    def test_what_was_not_asked_stays_as_it_was(self) -> None:
        """A look-up of some says nothing about the others."""
        watches = Watches()
        watches.watch("ann", ["bob", "eve"])
        watches.news("ann", ["bob", "eve"], ["bob", "eve"])
        self.assertIsNone(watches.news("ann", ["bob"], ["bob"]))
        self.assertEqual(watches.news("ann", ["bob"], []), Presence([], ["bob"]))

    def test_nobody_is_told_of_whom_it_does_not_watch(self) -> None:
        """Whatever was looked up, and whoever asks."""
        watches = Watches()
        watches.watch("ann", ["bob"])
        self.assertIsNone(watches.news("ann", ["sam"], ["sam"]))
        self.assertIsNone(watches.news("sam", ["bob"], ["bob"]))
        self.assertEqual(watches.watchers("sam"), frozenset())

    def test_watching_others_keeps_what_was_told_of_those_who_stay(self) -> None:
        """And forgets the rest: watched again, they are news again."""
        watches = Watches()
        watches.watch("ann", ["bob", "eve"])
        watches.news("ann", ["bob", "eve"], ["bob", "eve"])
        watches.watch("ann", ["bob"])
        self.assertIsNone(watches.news("ann", ["bob"], ["bob"]))
        self.assertEqual(watches.watchers("eve"), frozenset())
        watches.watch("ann", ["bob", "eve"])
        self.assertEqual(watches.news("ann", ["eve"], ["eve"]), Presence(["eve"], []))

    def test_who_left_watches_nobody(self) -> None:
        """And nothing of it is left behind."""
        watches = Watches(max_pairs=2)
        watches.watch("ann", ["bob", "eve"])
        watches.forget("ann")
        watches.forget("ann")
        self.assertEqual(watches.watched_by("ann"), frozenset())
        self.assertEqual(watches.watchers("bob"), frozenset())
        self.assertIsNone(watches.news("ann", ["bob"], ["bob"]))
        watches.watch("sam", ["bob", "eve"])

    def test_who_comes_back_is_told_anew(self) -> None:
        """What it was told before it left is not what it knows."""
        watches = Watches()
        watches.watch("ann", ["bob"])
        watches.news("ann", ["bob"], ["bob"])
        watches.forget("ann")
        watches.watch("ann", ["bob"])
        self.assertEqual(watches.news("ann", ["bob"], ["bob"]), Presence(["bob"], []))

    def test_C6_nothing_is_kept_of_who_left(self) -> None:
        """A million members who come and go leave no trace in a hub's memory."""
        shown, watches = Shown(), Watches()
        for number in range(100):
            key, other = f"member {number}", f"friend {number}"
            shown.show(key, [other])
            self.assertEqual(shown.to(key), {other})
            shown.show(key, [])
            shown.show(other, [key])
            shown.forget(other)
            watches.watch(key, [other])
            watches.forget(key)
        kept = [shown._to, watches._watching, watches._watchers, watches._told]
        self.assertEqual(kept, [{}, {}, {}, {}])

    def test_what_is_remembered_is_bounded(self) -> None:
        """Who asks for too much watches whom it did before."""
        watches = Watches(max_pairs=2)
        watches.watch("ann", ["bob"])
        self.assertRaises(PresenceFull, watches.watch, "eve", ["bob", "sam"])
        self.assertRaises(PresenceFull, watches.watch, "ann", ["1", "2", "3"])
        self.assertEqual(watches.watchers("bob"), {"ann"})
        watches.watch("ann", ["eve", "sam"])


class TogetherTests(SynchronousTestCase):
    """Both, as a hub uses them, against plain sets."""

    @QUICK
    @given(STEPS)
    def test_each_watcher_knows_who_shows_itself_and_nobody_else(
        self, steps: list[tuple[str, str, set[str]]]
    ) -> None:
        """After any steps, what the watchers were told is what is so."""
        shown, watches = Shown(), Watches()
        shows: dict[str, set[str]] = {}
        knows: dict[str, set[str]] = {}
        watching: dict[str, set[str]] = {}
        for name, key, keys in steps:
            concerned = {key}
            if name == "show":
                shown.show(key, keys)
                shows[key] = keys
            elif name == "watch":
                watches.watch(key, keys)
                watching[key], concerned = keys, keys
                knows[key] = knows.get(key, set()) & keys
            else:
                shown.forget(key)
                watches.forget(key)
                for each in (shows, knows, watching):
                    each.pop(key, None)
            watchers = (
                {key} if name == "watch" else {w for k in concerned for w in watches.watchers(k)}
            )
            for watcher in watchers:
                visible = [k for k in concerned if shown.may_know(watcher, k)]
                news = watches.news(watcher, sorted(concerned), visible)
                if news is not None:
                    knows[watcher] |= set(news.here)
                    knows[watcher] -= set(news.away)
        for watcher, keys in watching.items():
            expected = {k for k in keys if watcher in shows.get(k, ())}
            self.assertEqual(knows[watcher], expected)
