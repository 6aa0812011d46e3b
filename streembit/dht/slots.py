"""Sixteenths of a bucket, over which its nodes are spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from streembit.dht.keyspace import ID_BITS
from streembit.dht.peer import Node

SLOT_BITS: Final = 4  # a bucket of 20 is spread over 16 slots


def slot_size_bits(shared: int) -> int:
    """Return how many bits of an id are left behind the bits of its slot."""
    return max(0, ID_BITS - 1 - shared - SLOT_BITS)


def slot_of(node_id: int, shared: int) -> int:
    """Return which sixteenth of the bucket of `shared` bits the id lies in."""
    return node_id >> slot_size_bits(shared) & (1 << SLOT_BITS) - 1


def empty_slots(own_id: int, shared: int, held: Iterable[int]) -> list[int]:
    """Return the least id of each slot of a bucket of `own_id`'s in which none of `held` lies.

    An id of the slot is that one with any `slot_size_bits(shared)` bits at its end.
    """
    if shared + 1 + SLOT_BITS > ID_BITS:
        return []
    size_bits = slot_size_bits(shared)
    taken = {slot_of(node_id, shared) for node_id in held}
    first = (own_id >> ID_BITS - 1 - shared ^ 1) << SLOT_BITS
    return [(first | slot) << size_bits for slot in range(1 << SLOT_BITS) if slot not in taken]


def youngest_of_a_crowd(bucket: Mapping[int, Node], shared: int, newcomer_id: int) -> Node | None:
    """Return who came last into the fullest slot, for a newcomer whose own slot is empty.

    None where the slot is not empty, or every node has one to itself.
    """
    size_bits = slot_size_bits(shared)
    own_slot = newcomer_id >> size_bits
    if any(node_id >> size_bits == own_slot for node_id in bucket):
        return None
    slots: dict[int, list[Node]] = {}
    for node_id, node in bucket.items():
        slots.setdefault(node_id >> size_bits, []).append(node)
    crowd = max(slots.values(), key=len)
    return crowd[-1] if len(crowd) > 1 else None
