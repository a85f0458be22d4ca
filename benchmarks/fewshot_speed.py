"""Seconds of one outer step of second-order MAML, beside a plain torch loop, `higher`, learn2learn.

    python -m benchmarks.fewshot_speed [--device cuda] [--rounds 7]

Protocol: 5-way 1-shot, 15 queries a class, images of 28 x 28, four blocks of 32 channels, the same
module for all; 4 tasks with one inner step, and 16 tasks with five; float32, one thread on a CPU.
What is timed is the gradient of the mean query loss with respect to the first weights and one step
of Adam; episodes are drawn before. The candidates take turns, `--rounds` rounds after one that is
not counted; median and least seconds stand beside each other. A peer that is not installed is
named. Each candidate's gradient must agree with the plain loop's to 1e-3 of its size.
On a GPU also: episodes a second with 32 tasks, peak memory, and the share of the card's rate of
multiplying matrices of 4,096 that a step reaches.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from benchmarks.machine import write
from optimizers.fewshot.episode import Episodes, Examples
from optimizers.fewshot.maml import MAML
from optimizers.fewshot.networks import by_batch, conv4

RATE, SHAPES = 0.4, ((4, 1), (16, 5))

Step = Callable[[Episodes], list[Tensor]]
"""One outer step: the gradient that it took."""


def drawn(tasks: int, device: str) -> Episodes:
    rng = Generator().manual_seed(0)
    y = torch.arange(5)
    made = Episodes(
        Examples(torch.rand(tasks, 5, 1, 28, 28, generator=rng), y.repeat(tasks, 1)),
        Examples(
            torch.rand(tasks, 75, 1, 28, 28, generator=rng),
            y.repeat_interleave(15).repeat(tasks, 1),
        ),
    )
    return made.to(device)


def network(device: str) -> nn.Module:
    return by_batch(conv4((1, 28, 28), outputs=5, width=32)).to(device)


def ours(steps: int, device: str) -> Step:
    learner = MAML(network(device), steps=steps, rate=RATE, device=device)
    taken: list[Tensor] = []
    inner = learner.outer._optimizer.step

    def kept(*args: Any, **options: Any) -> Any:
        taken[:] = [w.grad.clone() for w in learner.learnt.values() if w.grad is not None]
        return inner(*args, **options)

    learner.outer._optimizer.step = kept  # type: ignore[method-assign]

    def step(episodes: Episodes) -> list[Tensor]:
        learner.step(episodes)
        return taken

    return step


def plain(steps: int, device: str) -> Step:
    """A loop over tasks as one writes it down from the paper."""
    module = network(device)
    adam = torch.optim.Adam(module.parameters(), lr=1e-3)

    def step(episodes: Episodes) -> list[Tensor]:
        adam.zero_grad()
        loss = torch.zeros((), device=device)
        for i in range(len(episodes)):
            weights = dict(module.named_parameters())
            for _ in range(steps):
                inner = cross_entropy(
                    functional_call(module, weights, (episodes.support.x[i],)),
                    episodes.support.y[i],
                )
                slopes = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
                weights = {
                    n: w - RATE * g for (n, w), g in zip(weights.items(), slopes, strict=True)
                }
            after = functional_call(module, weights, (episodes.query.x[i],))
            loss = loss + cross_entropy(after, episodes.query.y[i]) / len(episodes)
        loss.backward()
        adam.step()
        return [p.grad for p in module.parameters() if p.grad is not None]

    return step


def with_higher(steps: int, device: str) -> Step:
    """As in higher's own example of MAML."""
    import higher

    module = network(device)
    adam = torch.optim.Adam(module.parameters(), lr=1e-3)
    inner = torch.optim.SGD(module.parameters(), lr=RATE)

    def step(episodes: Episodes) -> list[Tensor]:
        adam.zero_grad()
        for i in range(len(episodes)):
            with higher.innerloop_ctx(module, inner, copy_initial_weights=False) as (net, opt):
                for _ in range(steps):
                    opt.step(cross_entropy(net(episodes.support.x[i]), episodes.support.y[i]))
                loss = cross_entropy(net(episodes.query.x[i]), episodes.query.y[i])
                (loss / len(episodes)).backward()
        adam.step()
        return [p.grad for p in module.parameters() if p.grad is not None]

    return step


def with_learn2learn(steps: int, device: str) -> Step:
    """As in learn2learn's own example of MAML."""
    import learn2learn

    maml = learn2learn.algorithms.MAML(network(device), lr=RATE, first_order=False)
    adam = torch.optim.Adam(maml.parameters(), lr=1e-3)

    def step(episodes: Episodes) -> list[Tensor]:
        adam.zero_grad()
        for i in range(len(episodes)):
            one = maml.clone()
            for _ in range(steps):
                one.adapt(cross_entropy(one(episodes.support.x[i]), episodes.support.y[i]))
            loss = cross_entropy(one(episodes.query.x[i]), episodes.query.y[i])
            (loss / len(episodes)).backward()
        adam.step()
        return [p.grad for p in maml.parameters() if p.grad is not None]

    return step


CANDIDATES: dict[str, tuple[str | None, Callable[[int, str], Step]]] = {
    "metadb": (None, ours),
    "plain torch loop": (None, plain),
    "higher": ("higher", with_higher),
    "learn2learn": ("learn2learn", with_learn2learn),
}


def timed(tasks: int, steps: int, rounds: int, device: str) -> dict[str, Any]:
    """Seconds of a step of each candidate, taking turns."""
    episodes, found = drawn(tasks, device), dict[str, Any]()
    made = {}
    for name, (package, make) in CANDIDATES.items():
        if package is not None and importlib.util.find_spec(package) is None:
            found[name] = "not installed"
            continue
        made[name] = make(steps, device)
    first = {name: [g.clone() for g in step(episodes)] for name, step in made.items()}
    wanted = torch.cat([g.flatten() for g in first["plain torch loop"]])
    for name, slopes in first.items():
        off = float((torch.cat([g.flatten() for g in slopes]) - wanted).norm() / wanted.norm())
        assert off < 1e-3, f"the gradient of {name} is off by {off:.1e} of its size"
    seconds: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, step in made.items():
            _wait(device)
            begun = time.perf_counter()
            step(episodes)
            _wait(device)
            seconds[name].append(time.perf_counter() - begun)
    return found | {
        name: {"median_s": round(median(s), 4), "least_s": round(min(s), 4)}
        for name, s in seconds.items()
    }


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def on_gpu(device: str) -> dict[str, Any]:
    """Episodes a second with 32 tasks, beside one core, and how busy the card is."""
    found: dict[str, Any] = {"device": torch.cuda.get_device_name()}
    a = torch.rand(4096, 4096, device=device)
    torch.cuda.reset_peak_memory_stats()
    rates = {}
    for place in (device, "cpu"):
        learner = MAML(network(place), steps=1, rate=RATE, device=place)
        episodes = drawn(32, place)
        learner.step(episodes)
        times = 20 if place != "cpu" else 2
        _wait(device)
        begun = time.perf_counter()
        for _ in range(times):
            learner.step(episodes)
        _wait(device)
        rates[place] = 32 * times / (time.perf_counter() - begun)
    found["episodes_per_s"] = {name: round(rate, 1) for name, rate in rates.items()}
    found["peak_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
    _wait(device)
    begun = time.perf_counter()
    for _ in range(20):
        a @ a
    _wait(device)
    found["matrix_tflops"] = round(20 * 2 * 4096**3 / (time.perf_counter() - begun) / 1e12, 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        f"{tasks} tasks, {steps} steps": timed(tasks, steps, asked.rounds, asked.device)
        for tasks, steps in SHAPES
    }
    found["load_average"] = round(os.getloadavg()[0], 1)
    if asked.device.startswith("cuda"):
        found |= on_gpu(asked.device)
    write("fewshot_speed" + ("_gpu" if asked.device.startswith("cuda") else ""), found)


if __name__ == "__main__":
    main()
