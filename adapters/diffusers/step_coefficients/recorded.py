"""The operators on samples in a method of upstream's, apart from the scalars that they take.

The updates of DPM-Solver and DEIS have many forms: by order, algorithm, solver and prediction. In all of them the control flow
depends on the configuration alone, and the result is a short chain of operators between samples and scalars. So upstream's own
method is run with stand-ins for its samples, which note each operator on a sample and each scalar in it. What is noted is one
program for each form, and scalars for each schedule and position. A step then runs the program on the samples: the operators
and the scalars that upstream's method would run and compute, in its order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Operator = Callable[[Any, Any], Any]
_CONSTANTS = (int, float, tuple)


class Program(NamedTuple):
    """A chain of operators.

    Attributes:
        constants: operands that are written in upstream's code: numbers, slices.
        operators: each with the places of its operands among samples, constants, scalars and results, one after the other.
        result: the place of what upstream's method returns.
    """

    constants: tuple[Any, ...]
    operators: tuple[tuple[Operator, int, int], ...]
    result: int

    def run(self, samples: Sequence[Any], scalars: Sequence[Any]) -> Any:
        """Run it on samples, with the scalars of a position."""
        values = [*samples, *self.constants, *scalars]
        for function, one, other in self.operators:
            values.append(function(values[one], values[other]))
        return values[self.result]


class StandIn:
    """A sample, or what is computed from some."""

    __array_ufunc__ = None
    """A scalar of numpy's leaves operators to this class."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __add__(self, other: Any) -> StandIn:
        return self._recorder.note(operator.add, self, other)

    def __sub__(self, other: Any) -> StandIn:
        return self._recorder.note(operator.sub, self, other)

    def __mul__(self, other: Any) -> StandIn:
        return self._recorder.note(operator.mul, self, other)

    def __rmul__(self, other: Any) -> StandIn:
        return self._recorder.note(operator.mul, other, self)

    def __truediv__(self, other: Any) -> StandIn:
        return self._recorder.note(operator.truediv, self, other)

    def __getitem__(self, key: Any) -> StandIn:
        return self._recorder.note(operator.getitem, self, key)


class Recorder:
    """Notes what is done with stand-ins.

    Attributes:
        samples: the stand-ins to hand to upstream's method.
        scalars: the operands that are computed, in order.
    """

    def __init__(self, samples: int) -> None:
        self.samples = [StandIn(self) for _ in range(samples)]
        self.scalars: list[Any] = []
        self._constants: list[Any] = []
        self._operators: list[tuple[Operator, Any, Any, StandIn]] = []

    def note(self, function: Operator, one: Any, other: Any) -> StandIn:
        """Note an operator; returns the stand-in of its result."""
        for operand in (one, other):
            if not isinstance(operand, StandIn):
                (self._constants if type(operand) in _CONSTANTS else self.scalars).append(operand)
        result = StandIn(self)
        self._operators.append((function, one, other, result))
        return result

    def program(self, result: StandIn) -> Program:
        """Return what was noted."""
        results = [made for *_, made in self._operators]
        order = [id(one) for one in (*self.samples, *self._constants, *self.scalars, *results)]
        operators = tuple((function, order.index(id(one)), order.index(id(other))) for function, one, other, _ in self._operators)
        return Program(tuple(self._constants), operators, order.index(id(result)))
