"""SymPy's part in a proof: a network whose every quantity is a letter, differentiated equation by equation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Symbol


class ProofError(AssertionError):
    """A form of a derivative that is not equal to the form before it, or cannot be judged yet."""


class Sigmoid(sympy.Function):
    """σ, of which only the slope is known: σ' = σ (1 - σ)."""

    def fdiff(self, argindex: int = 1) -> Expr:
        """σ (1 - σ)."""
        return self * (1 - self)


class Exp(sympy.Function):
    """exp, of which only the slope is known: SymPy's own turns products of it into sums of arguments."""

    def fdiff(self, argindex: int = 1) -> Expr:
        """Itself."""
        return self


class Quantities(SimpleNamespace):
    """What a network is given and computes, by name: ``v.W_hh``, or ``v.h[t]`` for what belongs to a step.

    Beside them stand the functions tanh, sigmoid, exp, log and eye of the kind of arrays at hand, and in ``v.d``, under
    the same names, the loss by each quantity, once that is proved.
    """

    def put(self, name: str, value: Any, t: int | None = None) -> Any:
        """Store a value under its name, and return it."""
        if t is None:
            setattr(self, name, value)
        else:
            vars(self).setdefault(name, {})[t] = value
        return value

    def get(self, name: str, t: int | None = None) -> Any:
        """The value of that name, at step t where it has steps."""
        value = getattr(self, name)
        return value if t is None else value[t]


def label(name: str, t: int | None = None) -> str:
    """How a quantity is called in words: ``W_hh``, ``h(2)``."""
    return name if t is None else f"{name}({t})"


def letters(name: str, *shape: int) -> Any:
    """An object array of SymPy letters: ``letters("W", 2, 3)`` has W[0,0] to W[1,2]."""
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        array[index] = Symbol(f"{name}[{','.join(map(str, index))}]")
    return array


def one_hot_letters(batch_size: int, classes: int) -> Any:
    """Letters y (B, K) that sum to one over the classes, and of which nothing else is known."""
    y = letters("y", batch_size, classes)
    y[:, -1] = 1 - y[:, :-1].sum(1)
    return y


class Letters(Quantities):
    """A network's quantities as object arrays of letters, each with its meaning in the letters before it.

    SymPy differentiates every equation in which a letter stands. What follows from there to the loss is a letter too,
    ∂L/∂h(2)[0,1], with its own meaning once it has been proved; so that a proof stays as short as its step.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        """given: the arrays (of letters, if the loss is to be differentiated by them) that the network starts from."""
        functions = {"tanh": sympy.tanh, "sigmoid": Sigmoid, "exp": Exp, "log": sympy.log}
        super().__init__(**{name: np.frompyfunc(function, 1, 1) for name, function in functions.items()}, **given)
        self.d = Quantities()
        self._meaning: dict[Symbol, Expr] = {}
        self._plain: dict[Symbol, Expr] = {}  # the letters that mean nothing but another, or its tanh, σ or exp
        self._uses: defaultdict[Symbol, list[Symbol]] = defaultdict(list)  # the letters in whose meaning one stands
        self._by: dict[Symbol, Symbol] = {}  # the letter of the loss by a letter
        self._derived: list[dict[Symbol, Expr]] = []  # and its meaning, quantity by quantity as they were learnt

    def eye(self, size: int) -> Any:
        """The identity matrix."""
        return np.eye(size, dtype=int).astype(object)

    def keep(self, name: str, value: Any, t: int | None = None) -> Any:
        """New letters that mean this value."""
        new = letters(label(name, t), *value.shape)
        for letter, meaning in zip(new.flat, value.flat):
            self._meaning[letter] = meaning
            if meaning.is_Function or meaning.is_Symbol:
                self._plain[letter] = meaning
            for used in meaning.free_symbols:
                self._uses[used].append(letter)
        return self.put(name, new, t)

    def loss_by(self, loss: Expr, name: str, t: int | None = None) -> Any:
        """The loss by a quantity: each equation in which it stands, differentiated, times the loss by what it defines.

        Raises ProofError where that has not been learnt yet.
        """

        def by(letter: Symbol) -> Expr:
            later = self._uses[letter]
            unknown = [str(user) for user in later if user not in self._by]
            if unknown:
                raise ProofError(f"∂L/∂{letter} needs ∂L/∂{unknown[0]}, which is not proved yet")
            return sympy.diff(loss, letter) + sum(self._by[user] * self._meaning[user].diff(letter) for user in later)

        return np.frompyfunc(by, 1, 1)(self.get(name, t))

    def value_by(self, values: Any, name: str, t: int | None = None) -> Any:
        """Values (…) by a quantity (shape): (…, *shape), through all equations between them."""

        def by(value: Expr, letter: Symbol) -> Expr:
            between = value.free_symbols & self._meaning.keys()
            return value.diff(letter) + sum(value.diff(m) * by(self._meaning[m], letter) for m in between)

        return np.frompyfunc(by, 2, 1).outer(values, self.get(name, t))

    def learn(self, name: str, derivative: Any, t: int | None = None) -> None:
        """Take this as proved to be the loss by a quantity, and give it letters of its own."""
        quantity = self.get(name, t)
        new = letters(f"∂L/∂{label(name, t)}", *quantity.shape)
        self._by.update(zip(quantity.flat, new.flat))
        self._derived.append(dict(zip(new.flat, derivative.flat)))
        self.d.put(name, new, t)

    def equal(self, left: Expr, right: Expr) -> bool:
        """Whether two expressions are the same for all values of their letters.

        Tried with the letters as they stand, and with the meaning of those of quantities. Where letters of derivatives
        are in the way, those learnt last are opened, then those learnt before them, until the two are equal or nothing
        is left to open. A step of the usual size takes none or one.
        """
        difference = sympy.sympify(left - right)
        while True:
            plain = difference.xreplace(self._plain)
            if _vanishes(plain) or _vanishes(plain.xreplace(self._meaning)):
                return True
            opened = self._opened(difference)
            if opened == difference:
                return False
            difference = opened

    def _opened(self, expression: Expr) -> Expr:
        """With the meaning of those of its letters of derivatives that were learnt last."""
        for meanings in reversed(self._derived):
            if expression.free_symbols & meanings.keys():
                return expression.xreplace(meanings)
        return expression


def _vanishes(expression: Expr) -> bool:
    """Whether a rational expression of letters and functions of letters is zero, each function taken as a letter."""
    expression = expression.xreplace({function: sympy.Dummy() for function in expression.atoms(sympy.Function)})
    somewhere = {letter: sympy.Integer(2 + place) for place, letter in enumerate(expression.free_symbols)}
    if expression.xreplace(somewhere).is_zero is False:  # one exact value that is not zero settles it, and quickly
        return False
    if sympy.expand(expression) == 0:
        return True
    numerator, _ = sympy.fraction(sympy.together(expression))
    return sympy.expand(numerator) == 0
