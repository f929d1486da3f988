"""A tier before it is added: how many advocates would get it at once, and from which tier; seen first, then done just so."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from advocates import tiers
from advocates.tiers import Change, Tier, TierTaken
from core.access import Actor
from core.errors import Conflict
from hub.programmes import Programme


@dataclass(frozen=True)
class Effect:
    """Whom a tier would be given at once."""

    tier: Tier
    changes: Sequence[Change]

    @property
    def coming(self) -> list[tuple[Tier | None, int]]:
        """From which tier how many would come, the highest first; None: they have none."""
        held = {each.held.id: each.held for each in self.changes if each.held is not None}
        many = Counter(each.held.id if each.held else "" for each in self.changes)
        above = sorted(held.values(), key=lambda each: -each.place)
        from_tiers: list[tuple[Tier | None, int]] = [(each, many[each.id]) for each in above]
        return from_tiers + ([(None, many[""])] if many[""] else [])

    @property
    def digest(self) -> str:
        """Stands for exactly this tier and these advocates, each from the tier that they have."""
        tier = self.tier.model_dump(
            include={"programme_id", "name", "place", "counts", "at_least", "currency", "months"}
        )
        whom = [(each.membership_id, each.held and each.held.id) for each in self.changes]
        return hashlib.sha256(json.dumps([tier, whom], sort_keys=True).encode()).hexdigest()


class EffectChanged(Conflict):
    """Since you looked, others would get this tier. Nothing was done; please look again."""


def effect_of(tier: Tier, programme: Programme) -> Effect:
    """What adding a drafted tier would do now. Raises TierTaken."""
    if any(tier.name == each.name or tier.place == each.place for each in tiers.tiers_of(programme.id)):
        raise TierTaken
    changes = tiers.changes_in(programme, tier)
    return Effect(tier, [each for each in changes if each.due is tier])


def add_as_shown(tier: Tier, programme: Programme, *, seen: str, by: Actor) -> None:
    """Add it and give it to exactly those of the effect with this digest. Raises EffectChanged, TierTaken."""
    effect = effect_of(tier, programme)
    if effect.digest != seen:
        raise EffectChanged
    tiers.add(tier, programme, by=by)
    tiers.apply(effect.changes, programme)
