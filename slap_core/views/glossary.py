"""What the figures' terms mean: one line and a formula each, shown where a person points at the word.

The symbols are those of the papers and of `slap_core.action`; angles are in rad, times in units of the mean gap.
"""

from typing import Final

__all__ = ["TERMS"]

TERMS: Final = {
    "latent": ("a frame as the encoder sees it: a unit vector", "z ∈ ℝᵈ, |z| = 1", ("latents", "latent")),
    "anchor": ("the latent of a kept frame; every path goes through it", "z(tₖ) = zₖ", ("anchors", "anchor")),
    "gap": ("a run of dropped frames between two anchors", "tₖ < t < tₖ₊₁", ("gaps", "gap")),
    "drift": ("how far a recovered latent is from the true one; 0 is perfect", "1 − cos(z, z_true)", ("drift",)),
    "alignment": ("how well a latent agrees with the query", "cos(z, q)", ("alignment",)),
    "query": ("your words as the text encoder sees them; where the pull goes", "q ∈ ℝᵈ, |q| = 1", ("query",)),
    "action": ("what the path makes as small as it can", "S = Σ T − λ Σ w P", ("action",)),
    "kinetic energy": (
        "the cost of moving: angle between neighbours, squared, over time", "T = μ/(2h) d(z, z′)²",
        ("kinetic energy",),
    ),
    "potential": ("how well a latent agrees with the query, as a network says it", "P(z, q)", ("potential",)),
    "pull": ("the force of the query on the path", "λ ∇P(z, q)", ("pull",)),
    "λ": ("coupling: how hard the query pulls; about the radians of bending at mid-gap", "λ ≥ 0", ("λ",)),
    "Λ": (
        "how much softer than a free string the softest bend of the path is; at 1 it is no minimum any more",
        "Λ = λ M⁺/(μ σ₁), measured as 1 − the smallest eigenvalue", ("Λ",),
    ),
    "regime": (
        "what the pull does: ballistic, weak, resonance, strong, chaos, by how much of the best gain is reached",
        "p = (s − s₀)/(s* − s₀)", ("regimes", "regime"),
    ),
    "λ*": ("the coupling with the least drift, known only because the truth is", "argmin over λ of the drift", ("λ*",)),
    "ZOH": ("zero-order hold: the last kept frame stands still", "z(t) = zₖ", ("ZOH",)),
    "LERP": ("straight line through the sphere's inside, brought back to it", "z ∝ (1 − s) zₖ + s zₖ₊₁", ("LERP",)),
    "SLERP": (
        "the great circle, at even speed: least action without a pull",
        "z = [sin((1 − s)θ) zₖ + sin(sθ) zₖ₊₁] / sin θ", ("SLERP",),
    ),
    "SLAP": ("the path of least action towards your query", "δS = 0", ("SLAP",)),
    "PCA": ("the plane in which the points vary most", "the first two principal axes", ("PCA",)),
    "UMAP": ("a map that keeps neighbours together; far distances mean little", "", ("UMAP",)),
    "trustworthiness": (
        "how far neighbours on the map are neighbours in truth", "1 − (2 / (nk(2n − 3k − 1))) Σ (rank − k)",
        ("Trustworthiness", "trustworthiness"),
    ),
    "slow slot": (
        "a vector that competes for the tokens of a frame: an object, if all goes well",
        "softmax over slots of k · q / √d", ("slow slots", "slow slot"),
    ),
    "fast slot": (
        "a vector that competes for the moments of one cell of the picture: an event, if all goes well",
        "softmax over slots of k · q / √d", ("fast slots", "fast slot"),
    ),
    "projector": (
        "a small network that turns slots and latents into tokens of a language model", "", ("projected", "projector"),
    ),
    "textual evidence": (
        "what is known of the clip, in words: phrases that latents are near to, recovered stretches, objects",
        "", ("textual evidence",),
    ),
    "attention": ("how a token is divided among the slots; sums to 1", "Σ over slots = 1", ("attention",)),
    "converged": (
        "no small change of the path lowers its action any more", "|H⁻¹ ∇S| < tolerance",
        ("converge", "Converged", "converged"),
    ),
    "eigenvalue": (
        "the least curvature of the action around the path; above 0 it is a minimum", "min over v of vᵀHv / vᵀKv",
        ("eigenvalue",),
    ),
    "Hessian": ("how the action's slope changes around the path", "H = ∂²S/∂z²", ("Hessian",)),
    "Euler–Lagrange equation": (
        "Newton's law of the path: mass times acceleration is the pull", "μ z̈ = −λ ∇P", ("Euler–Lagrange equation",)
    ),
    "least action problem": (
        "ends known, the path between them not", "δS = 0 with z(tₖ) = zₖ", ("least action problem",),
    ),
    "encoder": ("a network that turns a picture, or words, into a latent", "z = f(frame)", ("encoder",)),
    "mass": ("the path’s inertia; only λ/μ matters for the path", "μ > 0", ("mass μ", "mass", "μ")),
    "T": ("kinetic energy; as a time, the mean length of the gaps", "T = μ/2 |ż|²", ("T",)),
    "P": ("the potential: large where a latent agrees with the query", "P(z, q)", ("λP", "P")),
    "T + λP": (
        "the energy, which an exact path keeps between two anchors", "d/dt (T + λP) = 0", ("T + λP",)
    ),
    "coupling": ("how hard the query pulls: λ", "λ ≥ 0", ("coupling",)),
    "open end": (
        "the frames after the last anchor: nothing to arrive at", "μ ż = 0 at the last frame",
        ("open ends", "open end", "free end"),
    ),
    "resonance curve": (
        "drift, alignment and action for every λ that was tried", "λ ↦ 1 − cos(z, z_true)", ("resonance curve",)
    ),
    "ballistic": ("the regime of hardly any pull: the path runs on by itself", "p ≤ 0.1", ("ballistic",)),
    "resonance": ("the regime in which pull and inertia help each other most", "p ≥ 0.95", ("resonance",)),
    "chaos": ("the regime in which the gain is gone, or paths are not found", "p < 0", ("chaos",)),
    "Latent ODE": (
        "a trained network whose flow carries the latent from anchor to anchor", "ż = f(z, t, q)", ("Latent ODE",)
    ),
    "autoregressive": (
        "a trained network that writes one latent after the other", "zᵢ₊₁ = f(z₁ … zᵢ, q)",
        ("Autoregressive", "autoregressive"),
    ),
    "regressor": (
        "a trained network that answers with the latent at once", "z(t) = f(anchors, t, q)",
        ("Direct regressor", "regressor"),
    ),
    "oracle": (
        "not a method: it reads the true latents, the best there can be", "z(t) = z_true(t)", ("Oracle", "oracle")
    ),
    "through the solver": (
        "of a potential: trained so that paths of least action end near what was hidden", "min over P of the drift",
        ("through the solver",),
    ),
    "attractor": (
        "a latent that pulls in one gap; a network finds eight of them", "P = log Σ exp(β(z · c + d))/β",
        ("attractors", "attractor"),
    ),
    "concept": (
        "words that are followed through the clip; only the query pulls", "cos(z, words)", ("concepts", "concept")
    ),
    "cosine": ("of the angle between two latents: 1 alike, 0 unrelated", "cos(a, b) = a · b", ("cosine", "cos")),
    "band": (
        "how far a recovered latent may be from the path, from the inverse Hessian", "σ² = diag H⁻¹",
        ("90 % band", "bands", "band"),
    ),
    "event": ("a stretch in which the fast slots look at the same", "", ("events", "event")),
    "object path": (
        "an object of a slow slot, carried by least action through the frames that do not show it: the x-ray",
        "δS = 0 between its sightings", ("object path", "x-ray"),
    ),
    "certificate": (
        "what is known of a path: converged or not, the least curvature, and from these one sentence", "",
        ("certificate",),
    ),
    "preconditioned step": (
        "how far the next step of the descent would go: 0 at the solution", "|H⁻¹ ∇S|, H of the string",
        ("preconditioned step",),
    ),
    "strict local minimum": (
        "every small change of the path raises its action", "∇S = 0, vᵀHv > 0",
        ("strict local minimum", "local minimum"),
    ),
    "saddle": ("a path that obeys the equation, but some small change lowers its action", "vᵀHv < 0", ("saddle",)),
    "Lanczos": ("a method that finds the extreme eigenvalues of a large matrix", "Tₖ = VᵀHV", ("Lanczos",)),
    "soft anchor": (
        "an anchor that a spring holds and not a nail", "S + Σ κ/2 d(z(tₖ), zₖ)²", ("soft anchors", "soft anchor")
    ),
    "occluder": ("what an object hides behind: a tunnel, a house, a lorry", "", ("occluder",)),
    "cut-away": ("the frame with the hidden object drawn over its occluder", "", ("cut-away", "cut open")),
    "permanence": (
        "how much of what hides is in the recovered latents, from 1 to 5", "1 + 4 · share", ("permanence",)
    ),
    "InfoNCE": (
        "how a network learns what belongs together: the right pair against the wrong ones",
        "−log exp(P₊)/Σ exp(P)", ("InfoNCE",),
    ),
    "Sobolev penalty": (
        "keeps a potential’s slope small while it learns", "γ |∇P|²", ("Sobolev penalty",)
    ),
    "spectral norm": (
        "the most by which a layer can stretch; held at 1, slopes stay bounded", "max |Wx|/|x|", ("spectral norm",)
    ),
    "accuracy": ("the share of frames in which what a latent says is right", "right / asked", ("accuracy",)),
}  # fmt: skip
"""By name: the definition, the formula, and the forms in which it stands in the text."""
