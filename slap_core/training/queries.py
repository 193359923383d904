"""What each scene is asked about, in four ways; what is to be recovered is the same for all:

    true          what hides there (in an empty scene, what might have)
    distractor    something else that is in the picture
    absent        what no frame of the scene shows
    generic       an object of no kind

so that it has to come from the anchors and not from the words of the query.
"""

from typing import Final

from slap_core.tunnel_world import COLOURS, KINDS, Scenes, wording
from slap_core.tunnel_world import random as counter
from slap_core.tunnel_world.names import QUERIES

__all__ = ["QUERIES", "query_pairs", "query_words"]

GENERIC: Final = ("an object", "something")
_CHANNEL: Final = 1101
"""Of the hash that draws pairs and words: none of those that Tunnel World uses."""

Pair = tuple[int, int]
"""Kind and colour."""


def query_pairs(scenes: Scenes, *, extras: bool = True) -> list[tuple[Pair, Pair, Pair, None]]:
    """What the four queries about each scene are about, in the order of `QUERIES`; a function of the scenes' seeds.

    Args:
        scenes: the scenes.
        extras: whether a distractor is, where there is one, an object in front of the occluder.
    """
    found = []
    for row, u in enumerate(_draws(scenes)):
        there = scenes.present[row].nonzero().flatten().tolist()
        pairs = [(int(scenes.kind[row, j]), int(scenes.colour[row, j])) for j in range(scenes.kind.shape[1])]
        actors = [j for j in there if bool(scenes.actor[row, j])]
        first = actors[0] if actors else len(there)  # of an empty scene, one that is not there
        others = [j for j in there if j != first]
        kinds = {pairs[j][0] for j in [*there, first]}
        strangers = [k for k in range(len(KINDS)) if k not in kinds]
        absent = (strangers[int(u[0] * len(strangers))], int(u[1] * len(COLOURS)))
        spare = (strangers[int(u[2] * len(strangers))], int(u[3] * len(COLOURS)))
        distractor = pairs[others[int(u[4] * len(others))]] if others and extras else spare
        found.append((pairs[first], distractor, absent, None))
    return found


def query_words(scenes: Scenes, *, extras: bool = True) -> list[tuple[str, str, str, str]]:
    """The words of the four queries about each scene, as `query_pairs` has them."""

    def name(pair: Pair, pick: float) -> str:
        names = wording.NAMES[pair[0]][pair[1]]
        return names[int(pick * len(names))]

    return [
        (name(true, u[5]), name(distractor, u[6]), name(absent, u[7]), GENERIC[int(u[8] * len(GENERIC))])
        for (true, distractor, absent, _), u in zip(query_pairs(scenes, extras=extras), _draws(scenes), strict=True)
    ]


def _draws(scenes: Scenes) -> list[list[float]]:
    """The random numbers that decide about each scene's queries."""
    return counter.uniform(scenes.seed, _CHANNEL, 9).tolist()
