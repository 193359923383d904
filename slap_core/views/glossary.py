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
}  # fmt: skip
"""By name: the definition, the formula, and the forms in which it stands in the text."""
