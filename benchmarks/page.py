"""The networks that learn in the page, in training in node, whose WebAssembly is Chromium's."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import Any

from benchmarks.measure import Elsewhere
from benchmarks.networks import Parts
from benchmarks.tasks import Palindromes
from rnnreport import vendor
from rnnreport.experiments.speed import FULL_STEP
from rnnreport.widgets.kernels import computing
from rnnreport.widgets.page import module

OPEN_RATIO = 0.05  # of the gates, with periods log-uniform in 1…2T

# Node reads JSON lines: the modules; then settings, for a new network, or null, for a step of it. It answers with the
# kernels' name or the step's seconds.
SCRIPT = """
  import { createInterface } from "node:readline";
  let page, step;
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    if (!page) page = await import("data:text/javascript," + encodeURIComponent(asked));
    else if (asked) {
      const { settings, initial, T, recipe } = asked;
      const { make, name } = page.chosenKernels();
      const [net, draw] = [page.network(make, settings), page.draws(0)];
      page.initialise(net, initial, draw);
      step = () => net.step(page.palindromes(T, settings.B, "one-hot", draw), recipe);
      for (const start = performance.now(); performance.now() < start + 300; ) step(); // the engine optimises what runs
      console.log(JSON.stringify(name));
    } else {
      const start = performance.now();
      step();
      console.log((performance.now() - start) / 1000);
    }
  }
"""


def training(task: Palindromes) -> Parts:
    """A full step of training on a new batch. Raises RuntimeError where the kernels are not compiled."""
    settings = {
        "model": task.cell,
        "H": task.hidden_size,
        "B": task.batch_size,
        "S": task.length - 1,
        "D": task.classes,
        "K": task.classes,
    }
    recipe = {"optimizer": task.optimizer, "rate": task.learning_rate, "clip": task.clip_norm}
    initial = {"gate": {"from": 1, "to": 2 * task.length, "r_on": OPEN_RATIO}}
    kernels = _asked({"settings": settings, "initial": initial, "T": task.length, "recipe": recipe})
    if kernels != "WebAssembly":
        raise RuntimeError("the page's kernels are not compiled here; `rnnreport book` or `make test` does that")
    return {FULL_STEP: lambda: Elsewhere(_asked(None))}


def _asked(what: Any) -> Any:
    node = _node()
    assert node.stdin
    assert node.stdout
    print(json.dumps(what), file=node.stdin, flush=True)
    return json.loads(node.stdout.readline())


@cache
def _node() -> subprocess.Popen[str]:
    """Node, which ends with this process. It has one network at a time, the one last asked for."""
    command = [*vendor.command("node"), "--input-type=module", "--eval", SCRIPT]
    node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert node.stdin
    print(json.dumps(computing("network.js") + module("tasks.js")), file=node.stdin, flush=True)
    return node
