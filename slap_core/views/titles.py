"""The views by name, in the order of the page: what they are called, and what they will show."""

TITLES = {
    "strip": "Film strip",
    "map": "Latent map",
    "resonance": "Resonance curve",
    "energies": "Energies along the path",
    "concepts": "Concept timeline",
    "slots": "Slots",
    "objects": "X-ray",
    "sees": "What the path sees",
    "certificate": "Certificate",
}

PROMISES = {
    "strip": "The frames in order: those that are kept, and those that are taken away.",
    "map": "The video as a path through latent space, and how each method fills the gaps.",
    "resonance": "How the recovered path changes as the pull of the query grows.",
    "energies": "What moving costs along the path, and what the pull repays.",
    "concepts": "How near the frames are to your words over time, the true ones and the recovered ones.",
    "slots": "What the slots look at in the frames, and when.",
    "objects": "Where an object is believed to be while nothing shows it.",
    "sees": "Which known frames and words a recovered latent is nearest to, beside the frame that was really there.",
    "certificate": "What is mathematically known about the solution.",
}

TUNNEL_TITLES = {
    "guess": "What the camera saw",
    "beliefs": "What was behind it",
    "scan": "Resonance curve of this scene",
}
"""The views of the tunnel test's place."""

TUNNEL_PROMISES = {
    "guess": "A clip in which something may hide, and your guess. Choose a scene, or let yourself be surprised.",
    "beliefs": "The clip seen through the occluder, and what every method believes, frame by frame.",
    "scan": "How right SLAP is on this scene as λ grows.",
}
