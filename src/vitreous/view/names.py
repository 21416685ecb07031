"""What a person says of slots: which are shown, and what they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool

LONGEST = 40  # letters of a name


@dataclass(frozen=True)
class Choices:
    """Of one session, for one upload.

    off    slots that are switched off
    names  what slots are called, of those that were named
    """

    off: frozenset[int] = frozenset()
    names: Mapping[int, str] = field(default_factory=dict)

    def on(self, slots: int) -> Bool[np.ndarray, " k"]:
        return np.array([slot not in self.off for slot in range(slots)])

    def name(self, slot: int) -> str:
        return self.names.get(slot) or f"slot {slot}"

    @staticmethod
    def told(cards: Sequence[Mapping[str, Any]], slots: int) -> "Choices":
        """What a browser says of its cards. It may say anything: what is no slot is not listened to."""
        known = {card["slot"]: card for card in cards if card.get("slot") in range(slots)}
        names = {slot: " ".join(str(card.get("name", "")).split())[:LONGEST] for slot, card in known.items()}
        off = frozenset(slot for slot, card in known.items() if not card.get("on", True))
        return Choices(off, {slot: name for slot, name in names.items() if name and name != f"slot {slot}"})
