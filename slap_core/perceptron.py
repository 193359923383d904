"""A scalar multilayer perceptron of one vector, and its gradient by matrix products alone.

With weights W_l and a smooth activation phi,

    h_1 = A x + c,    h_{l+1} = W_{l+1} phi(h_l) + b_{l+1},    f(x) = <w, phi(h_L)> + b.

One pass forwards keeps phi'(h_l); one pass backwards gives e_l = df/dh_l and the gradient,

    e_L = phi'(h_L) w,    e_l = phi'(h_l) W_{l+1}^T e_{l+1},    grad f = A^T e_1.

No autograd graph is built unless x or the weights ask for one. (Hessian products are left to autograd: written out
they are no faster, measured at 1.1 to 1.3 times.)

The first layer may differ between the problems of a batch, A = W + M diag(q) with a query q for each: x then goes
through W and q * x through M, and no matrix is made for each problem.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "ActivationName", "Perceptron", "changed", "derivatives"]

Function = TypeVar("Function")

ActivationName = Literal["silu", "softplus", "tanh"]

ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {"silu": nn.SiLU, "softplus": nn.Softplus, "tanh": nn.Tanh}
"""Smooth ones only: ReLU has no curvature bound."""


def changed(function: Function, change: Callable[[Tensor], Tensor]) -> Function:
    """A function that is a dataclass of tensors and of tuples of them, with each tensor changed."""

    def part(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(part(one) for one in value)
        return change(value) if isinstance(value, Tensor) else value

    return dataclasses.replace(function, **{name: part(value) for name, value in vars(function).items()})


def derivatives(activation: ActivationName, h: Float[Tensor, "*batch"], *, order: int) -> tuple[Tensor, ...]:
    """phi(h) and its derivatives up to `order` (at most 2)."""
    if activation == "tanh":
        t = torch.tanh(h)
        slope = 1 - t * t if order else None
        found = (t, slope, -2 * t * slope if order > 1 else None)
    elif activation == "softplus":
        s = torch.sigmoid(h) if order else None
        found = (nn.functional.softplus(h), s, s * (1 - s) if order > 1 else None)
    else:
        s = torch.sigmoid(h)
        value = h * s
        slope = s + value * (1 - s) if order else None
        found = (value, slope, (1 - s) * (s + slope - value * s) if order > 1 else None)
    return found[: order + 1]


@dataclasses.dataclass(frozen=True, eq=False)
class Perceptron:
    """The function f of x described above, its first layer fixed by what it was asked."""

    weight: Float[Tensor, "width dim"]
    """W of the first layer."""
    modulated: Float[Tensor, "width dim"] | None
    """M: acts on q * x; None where it is part of `weight`."""
    query: Float[Tensor, "*#batch dim"] | None
    """q, where there is M."""
    offset: Float[Tensor, "*#batch width"]
    """c: all of the first layer that does not depend on x."""
    hidden: tuple[tuple[Float[Tensor, "outputs inputs"], Float[Tensor, "outputs"]], ...]
    """W_l and b_l of the further layers."""
    output: Float[Tensor, "width"]
    constant: Float[Tensor, ""]
    activation: ActivationName

    def detach(self) -> "Perceptron":
        """The same function, its weights being constants to autograd."""
        return changed(self, Tensor.detach)

    def to(self, dtype: torch.dtype) -> "Perceptron":
        """The same function, computed in another precision."""
        return changed(self, lambda value: value.to(dtype))

    def select(self, index: Int[Tensor, "some"]) -> "Perceptron":
        """The function of the problems at `index`, where they differ: where there is a first axis of the batch."""
        if self.offset.ndim == 1:
            return self
        query = self.query if self.query is None else self.query[index]
        return dataclasses.replace(self, query=query, offset=self.offset[index])

    def value(self, x: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch"]:
        """f(x); autograd differentiates it as any other function."""
        (a,) = derivatives(self.activation, self.first(x), order=0)
        for weight, bias in self.hidden:
            (a,) = derivatives(self.activation, nn.functional.linear(a, weight, bias), order=0)
        return a @ self.output + self.constant

    def value_and_gradient(
        self, x: Float[Tensor, "*#batch dim"]
    ) -> tuple[Float[Tensor, "*#batch"], Float[Tensor, "*#batch dim"]]:
        """f(x) and grad f(x)."""
        a, slope = derivatives(self.activation, self.first(x), order=1)
        slopes = [slope]
        for weight, bias in self.hidden:
            a, slope = derivatives(self.activation, nn.functional.linear(a, weight, bias), order=1)
            slopes.append(slope)
        e = self.output * slopes[-1]
        for (weight, _), slope in zip(reversed(self.hidden), reversed(slopes[:-1]), strict=True):
            e = (e @ weight) * slope
        return a @ self.output + self.constant, self.returned(e)

    def first(self, x: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch width"]:
        """h_1."""
        if self.modulated is None and self.offset.ndim == 1:
            return nn.functional.linear(x, self.weight, self.offset)
        return self.turned(x) + self.offset

    def turned(self, v: Float[Tensor, "*#batch dim"]) -> Float[Tensor, "*#batch width"]:
        """A v."""
        turned = v @ self.weight.T
        return turned if self.modulated is None else turned + (self.query * v) @ self.modulated.T

    def returned(self, e: Float[Tensor, "*#batch width"]) -> Float[Tensor, "*#batch dim"]:
        """A^T e."""
        returned = e @ self.weight
        return returned if self.modulated is None else returned + self.query * (e @ self.modulated)
