"""The words of the lesson's five steps, as the place *Learn* and the worksheet say them.

Signs and units are those of `slap_core.action`: S = sum mu/(2h) |z' - z|^2 - lambda sum w P is minimised, so paths
linger at high P. mu = 1 throughout.
"""

import dataclasses
from typing import Final

__all__ = ["STEPS", "Step"]


@dataclasses.dataclass(frozen=True)
class Step:
    """The words of one step of the lesson."""

    name: str
    """By which the script knows it."""
    title: str
    lead: str
    """HTML."""
    equation: str
    """LaTeX."""
    plain: str
    """The same without markup, for paper."""
    terms: tuple[tuple[str, str], ...]
    """Each term: its name and formula, and its definition in one line; Markdown with LaTeX."""
    question: str
    choices: tuple[tuple[str, str], ...]
    """Value and words of the three predictions."""
    caption: str
    """What is drawn, how to read it, what to try next."""


STEPS: Final = (
    Step(
        name="line",
        title="The cheapest way across",
        lead="Two frames of a video are kept, the ones between are gone. A frame is a point z; the two kept ones "
        "are <em>anchors</em>, and the path has to get from one to the other in the time there is. Moving "
        "costs. Which path costs least?",
        equation=r"$$S[z] \;=\; \sum_i \frac{\mu}{2h_i}\,(z_{i+1}-z_i)^2$$",
        plain="S = ∑ μ/(2h) (z′ − z)²,   z and z′ neighbours, the time h apart",
        terms=(
            ("S, the action", "The one number that a whole path costs. Here there is no potential yet: $S = T$."),
            (
                r"T, kinetic energy, $\frac{\mu}{2h}(z_{i+1}-z_i)^2$",
                "The cost of a piece: its length squared over its time.",
            ),
            ("$h_i = t_{i+1}-t_i$", "The time from one frame to the next."),
            ("μ, the mass", "How much moving costs. It is 1 here."),
        ),
        question="Three paths cross the gap in the same time. Which has the least action?",
        choices=(
            ("ahead", "Run ahead, then wait for the anchor"),
            ("steady", "The same speed all the time"),
            ("late", "Wait, then catch up"),
        ),
        caption="Drawn: time to the right, place upwards; rings are the anchors, the vermillion dots are the lost "
        "frames. Drag a dot, or go to it with the tab key and press the arrow keys: up and down move it, "
        "left and right go to its neighbours. Read: the steeper a piece, the more it costs, and twice as "
        "steep costs four times as much. Try: make one piece flat and see what its neighbours have to pay.",
    ),
    Step(
        name="ball",
        title="A pull: the thrown ball",
        lead="Now some places are better than others. A <em>potential</em> P says how good a place is, and the "
        "path earns λP for every moment it spends there. For a ball in the air P is its height and λ is "
        "gravity, g: the least action is the path that a thrown ball really takes. It lingers high. In a "
        "video P is how well a frame agrees with your words.",
        equation=r"$$S[z] \;=\; \sum_i \frac{\mu}{2h_i}\,(z_{i+1}-z_i)^2 \;-\; \lambda\sum_i w_i\,P(z_i)$$",
        plain="S = ∑ μ/(2h) (z′ − z)² − λ ∑ w P(z),   here P(z) = z and λ = g",
        terms=(
            ("P, potential, here $P(z) = z$", "How good a place is. The path bends towards high P."),
            ("λ, the coupling, here $g$", "How hard P pulls."),
            ("U = λP, potential energy", r"What mechanics calls it: $S = T - U$, and $\mu\ddot z = -\lambda P'(z)$."),
            (r"$z(t) = \frac{g}{2}\,t\,(\tau-t)$", "The exact path: a parabola, which the nodes meet exactly."),
        ),
        question="On Earth (g = 9.81 m/s²) a ball is back in your hand after exactly 1 s. How high was it?",
        choices=(
            ("0.61", "0.61 m"),
            ("1.23", "1.23 m"),
            ("2.45", "2.45 m"),
        ),
        caption="Drawn: height over time; the hand is at 0 m at both ends. Drag the path to where you think the "
        "ball flies, then let it relax. Read: T wants the path straight, gravity's share earns for height, "
        "and the least action is where neither can win any more. Try: other planets, and g = 0.",
    ),
    Step(
        name="race",
        title="How to get there: pluck the string",
        lead="To find the path of least action, start anywhere and go downhill. Plain <em>gradient descent</em> "
        "moves each frame by itself, so news travels one frame per step. But the kinetic energy is a "
        "stretched string, and everyone knows how a plucked string gives way: as a triangle, all of it at "
        "once. Moving every frame by the triangles of all the others is the <em>plucked-string step</em>.",
        equation=r"$$\begin{aligned}G_{ij} \;&=\; \frac{(\min(t_i,t_j)-t_0)\,(t_{N+1}-\max(t_i,t_j))}{\mu\,\tau} \\ z "
        r"&\leftarrow\; z - G\,\nabla S\end{aligned}$$",
        plain="z ← z − G ∇S,   G(s, t) = s (τ − t) / (μτ) for times s ≤ t since the first anchor",
        terms=(
            ("∇S, the gradient", "The force left on each node; 0 at the path of least action."),
            ("G, Green's matrix", "How far node i gives way where node j is plucked with unit force: a triangle."),
            ("N, frames in the gap", "The unknowns. Gradient descent needs about $N^2$ steps."),
            (r"converged, $\max_i|(G\nabla S)_i| < 10^{-5}$", "No node would move any more: the same test for both."),
        ),
        question="The gap gets twice as many frames. How many more steps does gradient descent need?",
        choices=(
            ("1", "About as many as before"),
            ("2", "About twice as many"),
            ("4", "About four times as many"),
        ),
        caption="Drawn: above, the two paths from the same start, gradient descent grey and dashed, the plucked "
        "string vermillion; P is a bump around the gold line. Below, how far each still is from rest, over "
        "the gradients it has computed, one a step; both axes logarithmic. Read: a line that reaches 10⁻⁵ "
        "has converged. Gradient descent is given its best constant step. Try: drag a node to make a "
        "rougher start, and more frames.",
    ),
    Step(
        name="turn",
        title="Turn λ: one path, then many",
        lead="Pull harder and the least path bends more, until something else happens. Take a pendulum: z is its "
        "angle, hanging down is 0, and P = 1 − cos z is highest upside down. Hanging still is always a "
        "path that obeys the equation. Is it always the one of least action? Not beyond its first "
        "<em>conjugate point</em>, where neighbouring paths meet again: there the straight path becomes a "
        "saddle, and it buckles, to either side.",
        equation=r"$$\begin{gathered}\mu\,\ddot z = -\lambda \sin z, \qquad t_c = \pi\sqrt{\mu/\lambda}, \\ \lambda_c "
        r"= \mu\,(\pi/\tau)^2 \approx 9.87\end{gathered}$$",
        plain="μ z″ = −λ sin z,   conjugate point t = π √(μ/λ),   inside the gap for λ > μ (π/τ)² ≈ 9.87",
        terms=(
            (
                "conjugate point, $t_c$",
                r"Where Jacobi's field, $\mu\ddot J = -\lambda P''(z)\,J$ from $J = 0$, is 0 again.",
            ),
            ("Morse index", "In how many independent ways the action can fall: the Hessian's negative eigenvalues."),
            (r"ballistic, $\lambda < \lambda_c$", "Motion decides: one path, and every start finds it."),
            (
                r"resonance, $\lambda_c < \lambda < 4\lambda_c$",
                "Motion and pull balance: a little more λ bends the path a lot, to one of two sides.",
            ),
            (
                r"chaos, $\lambda > 4\lambda_c$",
                r"The paper's word: ever more paths obey the equation, two more at each $k^2\lambda_c$.",
            ),
        ),
        question="λ = 20, past the conjugate point. The path hangs straight; you nudge it up by a hair and let go. "
        "And then?",
        choices=(
            ("back", "It falls back to straight"),
            ("same", "It bends away, up"),
            ("other", "It bends away, to whichever side pays more"),
        ),
        caption="Drawn: angle over time. Blue: the straight path, dashed where it is a saddle. Thin lines: "
        "neighbouring motions that leave the anchor at other speeds, and the cross where they meet again. "
        "Vermillion: your path; drag it. Below, the angle at mid-gap of every least path, over λ: a "
        "pitchfork, which with these fifteen moments opens at 9.84. Try: relax from above and from below, "
        "then turn λ down through 9.8.",
    ),
    Step(
        name="clip",
        title="The same on the sphere, with a real clip",
        lead="An image encoder turns each frame into a unit vector: a point on a sphere. Straight lines become "
        "great circles (<em>SLERP</em>), (z′ − z)² becomes the angle squared, and P is a small network that "
        "says how well a latent agrees with your words. Nothing else changes. Here is a gap in which a "
        'boat passes behind a lorry, solved by the program that runs <a href="./">Explore</a>.',
        equation=r"$$\begin{aligned}S[z] \;&=\; \sum_i \frac{\mu}{2h_i}\,d(z_i,z_{i+1})^2 \;-\; \lambda\sum_i "
        r"w_i\,P(z_i,q) \\ |z_i| \;&=\; 1\end{aligned}$$",
        plain="S = ∑ μ/(2h) d(z, z′)² − λ ∑ w P(z, q),   d the angle, |z| = 1",
        terms=(
            (r"d, the angle, $\arccos\langle z, z'\rangle$", "The distance on the sphere, in radians."),
            ("q, the query", "Your words as a latent; the gold star shows where they pull to."),
            (r"SLERP, $\lambda = 0$", "The great circle between the anchors at constant speed."),
            (
                r"drift, $1-\langle z, z^{\text{true}}\rangle$",
                "How far the recovered frames are from the true ones; 0 is perfect.",
            ),
        ),
        question="You ask for what hides behind the lorry, and pull harder and harder. How does the path compare "
        "with the true frames?",
        choices=(
            ("better", "The harder, the closer"),
            ("between", "Closer at first, then past them"),
            ("worse", "Every pull takes it further away"),
        ),
        caption="Drawn: three of the latent's many coordinates, seen from outside the sphere. Rings: kept frames. "
        "Blue: SLERP. Vermillion diamonds: recovered frames. Ink: the true ones, which dip below the "
        "surface where they leave the three coordinates. Drag the sphere or use its arrow keys to turn it; "
        "point at a frame to see it. Try: the λ at which the path comes closest, then go past it. This gap "
        "was chosen because a pull helps in it; in most gaps of the bundled clips it does not, as README's "
        "table shows.",
    ),
)
