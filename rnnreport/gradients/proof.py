"""A step of a derivation, proved in three ways: by SymPy for all values, by autograd and by differences in float64.

One line of code serves all three. It is written for arrays, and runs on letters as on numbers::

    prove = Proof(network, letters, numbers)
    prove("a", lambda v, t: (1 - v.h[t] ** 2) * v.d.h[t], t=2)
    prove.checked("(E)")  # ✓ (E): 1 derivative. SymPy equal, autograd 2e-16, differences 3e-10
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnreport.gradients.judges import by_autograd, by_differences, relative_difference
from rnnreport.gradients.symbolic import Letters, ProofError, Quantities, label
from rnnreport.shown import typeset

EXACT = 1e-12  # allowed relative difference from autograd: rounding
CLOSE = 1e-6  # and from differences, which are good to about 1e-9

Form = Callable[..., Any]


class Numbers(Quantities):
    """A network's quantities as float64 tensors. One of them may be moved, to see how the loss changes."""

    def __init__(self, given: Mapping[str, Tensor], moved: tuple[str, int | None] | None = None, by: Any = 0.0) -> None:
        """moved: the name and the step of the quantity to which ``by``, of its shape, is added."""
        super().__init__(tanh=torch.tanh, sigmoid=torch.sigmoid, exp=torch.exp, log=torch.log)
        self.d = Quantities()
        self._moved, self._by = moved, by
        for name, value in given.items():
            self.keep(name, value)

    def eye(self, size: int) -> Tensor:
        """The identity matrix."""
        return torch.eye(size, dtype=torch.float64)

    def keep(self, name: str, value: Tensor, t: int | None = None) -> Tensor:
        """The value, moved where it is the one to be moved."""
        return self.put(name, value + self._by if (name, t) == self._moved else value, t)


class Findings(NamedTuple):
    """What the three ways say of one form of a derivative, or of several: the worst of each."""

    equal: bool  # by SymPy
    autograd: float  # relative differences
    differences: float

    @property
    def hold(self) -> bool:
        """Whether all three let it pass."""
        return self.equal and self.autograd < EXACT and self.differences < CLOSE

    def __str__(self) -> str:
        verdict = "equal" if self.equal else "not equal"
        return f"SymPy {verdict}, autograd {self.autograd:.0e}, differences {self.differences:.0e}"


class Checked:
    """A line with a ✓ for what has been proved; the findings for each derivative unfold below it."""

    def __init__(self, equations: str, lines: Mapping[str, Findings]) -> None:
        derivatives = f"{len(lines)} derivative{'s' * (len(lines) != 1)}"
        self.summary = f"✓ {equations}: {derivatives}. {_worst([*lines.values()])}"
        self.lines = [f"{title}: {findings}" for title, findings in lines.items()]

    def __repr__(self) -> str:
        return "\n  ".join([self.summary, *self.lines])

    def _repr_html_(self) -> str:
        summary, *lines = map(typeset, (self.summary, *self.lines))
        return f'<details class="code"><summary>{summary}</summary><pre>{"<br>".join(lines)}</pre></details>'


class Proof:
    """Proves derivatives of one network's loss, from the output backwards.

    network: writes the equations down. It takes :class:`~rnnreport.gradients.symbolic.Quantities`, keeps each quantity
        by ``v.keep(name, value, t)`` and returns the loss, with nothing but what NumPy and PyTorch spell the same.
    letters: what the network is given, as small object arrays of SymPy letters; numbers: the same as float64 tensors.
    """

    def __init__(
        self, network: Callable[[Any], Any], letters: Mapping[str, Any], numbers: Mapping[str, Tensor]
    ) -> None:
        self.network, self.given = network, numbers
        self.letters, self.numbers = Letters(letters), Numbers(numbers)
        self.loss = network(self.letters)
        network(self.numbers)
        self.proved: list[str] = []
        self._ticks: dict[str, int] = {}  # how many derivatives each ✓ is for
        self._lines: dict[str, Findings] = {}  # since the last ✓
        self._forms: dict[str, tuple[Form, ...]] = {}

    def __call__(self, name: str, *forms: Form, t: int | None = None, of: tuple[str, int | None] | None = None) -> None:
        """Prove that ∂L/∂name equals each of these forms, and know it from now on as ``v.d.name``.

        A form takes the quantities v, and the step t where the quantity has steps. The first must equal SymPy's
        derivative and every other the form before it, for all values of the letters; all must equal autograd and
        differences in numbers. of: prove the derivative of this quantity instead of that of the loss, summed over the
        batch, its first dimension, whose sequences do not mix. Raises ProofError.
        """
        title = f"∂{label(*of) if of else 'L'}/∂{label(name, t)}"
        findings = self._prove(title, name, forms, t, of)
        self._lines[f"{title}, each of {len(forms)} forms" if len(forms) > 1 else title] = findings

    def again(self, *names: str, t: int) -> None:
        """Prove derivatives at another step by the forms that proved them last. Raises ProofError."""
        for name in names:
            self(name, *self._forms[name], t=t)

    def refusal(self, name: str, form: Form, t: int | None = None) -> str:
        """Why this form of ∂L/∂name is wrong, in one sentence; nothing where it is right, and proved from now on."""
        try:
            self(name, form, t=t)
        except ProofError as reason:
            return str(reason)
        return ""

    def checked(self, equations: str) -> Checked:
        """The ✓ of these equations, with all that was proved since the last one."""
        lines, self._lines = self._lines, {}
        self._ticks[equations] = len(lines)
        return Checked(equations, lines)

    def summary(self) -> str:
        """How many derivatives have a ✓, in all and by equation."""
        by_equation = "; ".join(f"✓\u00a0{equations}: {number}" for equations, number in self._ticks.items())
        return f"{sum(self._ticks.values())} derivatives equal by SymPy, autograd and differences. {by_equation}."

    def _prove(
        self, title: str, name: str, forms: tuple[Form, ...], t: int | None, of: tuple[str, int | None] | None
    ) -> Findings:
        step = () if t is None else (t,)
        in_letters, in_numbers = ([form(v, *step) for form in forms] for v in (self.letters, self.numbers))
        before, *judged = self._derivatives(name, t, of)
        findings = []
        for place, (line, value) in enumerate(zip(in_letters, in_numbers), 1):
            if np.shape(line) != before.shape or value.shape != judged[0].shape:
                raise ProofError(
                    f"form {place} of {title} has shape {tuple(value.shape)}, not {tuple(judged[0].shape)}"
                )
            equal = all(self.letters.equal(*pair) for pair in zip(line.flat, before.flat))
            findings.append(Findings(equal, *(relative_difference(value, derivative) for derivative in judged)))
            if not findings[-1].hold:
                raise ProofError(f"form {place} of {title} is wrong: {findings[-1]}")
            before = line
        self.proved.append(title)
        if of is None:
            self._forms[name] = forms
            self.letters.learn(name, in_letters[-1], t)
            self.numbers.d.put(name, in_numbers[-1], t)
        return _worst(findings)

    def _derivatives(self, name: str, t: int | None, of: tuple[str, int | None] | None) -> tuple[Any, Tensor, Tensor]:
        """By SymPy in letters, by autograd and by differences in numbers."""

        def moved(by: Tensor) -> Tensor:
            v = Numbers(self.given, (name, t), by)
            loss = self.network(v)
            return v.get(*of).sum(0) if of else loss

        v, still = self.letters, torch.zeros_like(self.numbers.get(name, t))
        by_sympy = v.value_by(v.get(*of).sum(0), name, t) if of else v.loss_by(self.loss, name, t)
        return by_sympy, *by_autograd(moved, still), *by_differences(moved, still)


def _worst(findings: list[Findings]) -> Findings:
    equal, autograd, differences = zip(*findings)
    return Findings(all(equal), max(autograd), max(differences))
