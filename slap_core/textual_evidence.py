"""What is known of a clip, in words, for language models to which nothing has been projected.

At even times the phrases that the path is nearest to, marked as seen or recovered; and where the slots see objects.
"""

from collections.abc import Sequence

import torch

from slap_core import sphere
from slap_core.encoders import OpenClipEncoder
from slap_core.evidence import STEPS
from slap_core.object_paths import moments, sighted
from slap_core.pretrained import load_slots
from slap_core.types import Latents, Solution, Tokens

__all__ = ["seen_objects", "textual_evidence"]


def textual_evidence(
    encoder: OpenClipEncoder, seen: Latents, solution: Solution, phrases: Sequence[str], objects: Sequence[str] = ()
) -> str:
    """What is known of a clip, in words.

    Args:
        encoder: of words.
        seen: the kept frames.
        solution: what was recovered between them.
        phrases: that latents may be near to; none leaves the frames out.
        objects: sentences about what the slots hold.
    """
    lines = ["What a frozen image encoder finds in a video of which some frames were kept and the others recovered:"]
    if phrases:
        words = sphere.normalize(encoder.text(list(phrases)))
        times = torch.linspace(float(seen.times[0]), float(seen.times[-1]), STEPS, dtype=torch.float64)
        scores = sphere.normalize(solution.path(times).float()) @ words.mT
        near = (times[:, None] - seen.times).abs().amin(1) < 1e-3
        for time, row, known in zip(times.tolist(), scores, near.tolist(), strict=True):
            best = row.topk(min(2, len(phrases)))
            told = ", ".join(f"{phrases[int(k)]} ({v:.2f})" for k, v in zip(best.indices, best.values, strict=True))
            lines.append(f"- at {time:.1f} s ({'seen' if known else 'recovered'}): {told}")
    return "\n".join([*lines, *(f"- {sentence}" for sentence in objects)])


def seen_objects(encoder: OpenClipEncoder, looked: Tokens) -> list[str]:
    """Where the shipped slots see objects, in sentences; none for encoders without them."""
    slots = load_slots(encoder.name)
    if slots is None:
        return []
    found = []
    for one in sighted(slots, looked):
        centre, _ = moments(one.masks[one.seen])
        times = looked.times[one.seen]
        side = ("left", "middle", "right")[min(int(3 * float(centre[-1, 1])), 2)]
        found.append(
            f"an object (slot {one.slot + 1}) is seen from {float(times[0]):.1f} s to {float(times[-1]):.1f} s, at "
            f"last on the {side}"
        )
    return found
