"""Tunnel World: a procedural world of moving objects and things to hide behind, with exact ground truth.

    scenes   = sample(seeds("test", 8), outcome="stays")
    pictures = render(scenes, size=96, layers=("observed", "cut_away", "empty"))
    truth    = describe(scenes, pictures, layer="cut_away")
    text     = caption(truth.rows()[0], variant=3)

A seed determines a scene to the last pixel, on the CPU and on a GPU (pictures agree to 1/255). Files, in the order of
the ideas: `names`, `random`, `splits`, `scenes` (what there is), `choreography` (who is where, and when), `sampling`,
`motion`, `shapes`, `objects`, `occluders`, `canvas`, `backgrounds` (how it looks), `patches`, `painting`,
`visibility`, `rendering`, `description` (what is to be seen), `wording`, `language`, `questions`, `film`.
"""

from slap_core.tunnel_world.description import Description, Row, Thing, describe, place_of
from slap_core.tunnel_world.film import film, truth
from slap_core.tunnel_world.language import COARSE_PLACES, NOTHING, caption, coarse_place, prompt, vocabulary, words
from slap_core.tunnel_world.motion import State, state
from slap_core.tunnel_world.names import (
    BACKGROUNDS,
    COLOURS,
    HELD_OUT_BACKGROUND,
    HELD_OUT_COLOUR,
    HELD_OUT_OCCLUDER,
    KINDS,
    LAYERS,
    MAX_OBJECTS,
    MOTIONS,
    OCCLUDERS,
    OUTCOMES,
    PLACES,
    RELATIONS,
)
from slap_core.tunnel_world.questions import Question, questions
from slap_core.tunnel_world.rendering import Rendered, render
from slap_core.tunnel_world.sampling import sample
from slap_core.tunnel_world.scenes import Scenes
from slap_core.tunnel_world.splits import HELD_OUT, SPLITS, seeds, split_of

__all__ = ["BACKGROUNDS", "COARSE_PLACES", "COLOURS", "HELD_OUT", "HELD_OUT_BACKGROUND", "HELD_OUT_COLOUR"]
__all__ += ["HELD_OUT_OCCLUDER", "KINDS", "LAYERS", "MAX_OBJECTS", "MOTIONS", "NOTHING", "OCCLUDERS", "OUTCOMES"]
__all__ += ["PLACES", "RELATIONS", "SPLITS", "Description", "Question", "Rendered", "Row", "Scenes", "State", "Thing"]
__all__ += ["caption", "coarse_place", "describe", "place_of", "prompt", "questions", "render", "sample", "seeds"]
__all__ += ["film", "split_of", "state", "truth", "vocabulary", "words"]
