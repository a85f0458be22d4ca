"""Whether a cell found with shared weights is better than random cells of the same size.

    python -m benchmarks.nas_sharing --minutes 15 [--methods gdas,darts] [--data digits]
    python -m benchmarks.nas_sharing --summary

Protocol, stated before the first run:

Data: scikit-learn's digits (8 x 8; 34 % of each class to train on: 611 images, 1,186 to test), and
the 50 Greek and Latin characters of Omniglot's `images_background_small1` (16 x 16, ink 1; 12 of
the 20 images of each to train on, 8 to test). A test image is used by no search.
Search: the supernet of NAS-Bench-201's cell, width 4, one cell a stage; every second training image
for weights, the others for the cell; 20 epochs of batches of 32 (180 to 200 steps). The papers take
100 times as many steps; so rates are larger: 0.1 of the weights, 0.02 of the mix (papers: 0.025 and
3e-4), 0.01 of ENAS' controller (3.5e-4). All else as in the defaults. Nothing was tuned on these
data.
Judged: the found cell, and 3 random cells of the same size (as many weights, within 5 %; other
networks than the found one; connected), each trained from the same first seed on all training
images for 10 epochs of batches of 32, rate 0.1; accuracy on the test images.
5 seeds: of the parting, the search, the random cells and the trainings. Reported for every method
and data set: the mean of found minus the mean of its random cells, paired by seed, with the 95 %
interval of Student's t (4 degrees of freedom); they differ where the interval leaves out 0.
Random cells of any size (3 a seed) stand beside it: what size alone explains.

Seconds of a search: the median over seeds, as one that was resumed counts its last part alone.
Each row is kept as it ends, each search at every epoch, so that a study that was killed goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Generator

from benchmarks.machine import rows_so_far, write
from metadb.identity import canonical_config
from metadb.records import Config
from optimizers.labelled import read
from optimizers.nas.decisions import drawn
from optimizers.nas.images import Parted, parted, read_images
from optimizers.nas.nb201 import CellNB201
from optimizers.nas.training import accuracy, train
from optimizers.nas.weight_sharing import WEIGHT_SHARING, share

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BUILD = Path(__file__).resolve().parents[1] / "build" / "nas"
METHODS = ("gdas", "shared_random", "darts", "one_shot", "enas", "darts_second")
OPTIONS: dict[str, dict[str, Any]] = {
    "darts": {"rate": 0.1, "mix_rate": 0.02},
    "darts_second": {"rate": 0.1, "mix_rate": 0.02},
    "gdas": {"rate": 0.1, "mix_rate": 0.02},
    "one_shot": {"rate": 0.1},
    "shared_random": {"rate": 0.1},
    "enas": {"rate": 0.1, "controller_rate": 0.01},
}
SEEDS, WIDTH, DEPTH, BATCH, RATE, RANDOM, NEAR = 5, 4, 1, 32, 0.1, 3, 0.05
SEARCHED, TRAINED = 20, 10
"""Epochs of a search, and of a training."""

T95 = 2.776
"""Of Student's t with 4 degrees of freedom."""

SPACE = CellNB201()


def images_of(data: str, seed: int, folder: Path) -> Parted:
    """The training and the test images of a seed."""
    if data == "digits":
        return parted(read_images("digits", size=8), validation=0.66, seed=seed)
    zipped = folder / "omniglot-small1" / "images_background_small1.zip"
    return parted(read(zipped, size=16).only(("Greek", "Latin")), validation=0.4, seed=seed)


def found_by(method: str, data: str, images: Parted, seed: int) -> tuple[Config, float]:
    """The cell that a method finds, and the seconds of the processor it took."""
    (x, y), begun = images.train, time.process_time()
    config = share(
        method, SPACE, (x[::2], y[::2]), (x[1::2], y[1::2]), classes=images.classes,
        epochs=SEARCHED, batch=BATCH, width=WIDTH, depth=DEPTH, seed=seed,
        checkpoint=BUILD / f"{data}-{method}-{seed}.safetensors", **OPTIONS[method],
    )  # fmt: skip
    return SPACE.canonical(config), time.process_time() - begun


def judged(config: Config, images: Parted, seed: int) -> float:
    """The accuracy of a cell that is trained by itself."""
    network, (x, y) = built(config, images, seed), images.validation
    some = x[:BATCH], y[:BATCH]  # what is looked at on the way decides nothing
    train(network, images.train, some, epochs=TRAINED, batch=BATCH, rate=RATE, seed=seed)
    return accuracy(network, images.validation)


def built(config: Config, images: Parted, seed: int = 0) -> torch.nn.Module:
    return SPACE.build(
        config, shape=images.shape, classes=images.classes, width=WIDTH, depth=DEPTH, seed=seed
    )


def size(config: Config, images: Parted) -> int:
    """How many numbers its network learns."""
    return sum(p.numel() for p in built(config, images).parameters())


def alike(config: Config, images: Parted, seed: int) -> list[Config]:
    """Random cells of the same size; fewer where there are no more of them."""
    wanted, rng = size(config, images), Generator().manual_seed(1000 + seed)
    met = {canonical_config(config)}
    kept: list[Config] = []
    for _ in range(300):
        other = SPACE.canonical(drawn(SPACE, rng))
        text = canonical_config(other)
        if text not in met and abs(size(other, images) - wanted) <= NEAR * wanted:
            kept.append(other)
        met.add(text)
        if len(kept) == RANDOM:
            break
    return kept


class Judge:
    """Trains each cell once for a data set and seed, and remembers it in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        lines = file.read_text().splitlines() if file.exists() else []
        self.known = {tuple(row["key"]): row["accuracy"] for row in map(json.loads, lines)}

    def __call__(self, config: Config, data: str, images: Parted, seed: int) -> float:
        key = (data, seed, SPACE.text(config))
        if key not in self.known:
            self.known[key] = judged(config, images, seed)
            with self.file.open("a") as file:
                file.write(json.dumps({"key": key, "accuracy": self.known[key]}) + "\n")
        return self.known[key]


def studied(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row a method, data set and seed, as each ends; until the minutes are over."""
    judge = Judge(BUILD / "trained.jsonl")
    for method in asked.methods.split(","):
        for data in asked.data.split(","):
            for seed in range(SEEDS):
                if (method, data, seed) in asked.done:
                    continue
                if time.process_time() > 60 * asked.minutes:
                    return
                images = images_of(data, seed, asked.folder)
                config, search_s = found_by(method, data, images, seed)
                same, rng = alike(config, images, seed), Generator().manual_seed(2000 + seed)
                anyone = [SPACE.canonical(drawn(SPACE, rng)) for _ in range(RANDOM)]
                yield {
                    "method": method, "data": data, "seed": seed, "cell": SPACE.text(config),
                    "weights": size(config, images), "search_s": round(search_s, 1),
                    "found": judge(config, data, images, seed),
                    "same_size": [judge(c, data, images, seed) for c in same],
                    "any_size": [judge(c, data, images, seed) for c in anyone],
                }  # fmt: skip


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every method and data set: the means, and the paired differences with their intervals."""
    kept = []
    for method, data in dict.fromkeys((row["method"], row["data"]) for row in rows):
        mine = [row for row in rows if (row["method"], row["data"]) == (method, data)]
        line: dict[str, Any] = {
            "method": method, "data": data, "seeds": len(mine),
            "found": round(fmean(row["found"] for row in mine), 4),
            "search_s": round(median(row["search_s"] for row in mine), 1),
        }  # fmt: skip
        for other in ("same_size", "any_size"):
            pairs = [(row["found"], fmean(row[other])) for row in mine if row[other]]
            apart = [a - b for a, b in pairs]
            line[other] = round(fmean(b for _, b in pairs), 4) if pairs else None
            if len(apart) == SEEDS:
                half = T95 * stdev(apart) / SEEDS**0.5
                line[f"over_{other}"] = [round(fmean(apart), 4), round(half, 4)]
            else:  # no cells of that size with some seeds: no interval
                line[f"over_{other}"] = [round(fmean(apart), 4), None] if apart else None
        kept.append(line)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", default=",".join(METHODS), help=", ".join(WEIGHT_SHARING))
    parser.add_argument("--data", default="digits,omniglot")
    parser.add_argument("--minutes", type=float, default=15.0, help="of the processor")
    parser.add_argument("--folder", type=Path, default=DATA)
    parser.add_argument("--summary", action="store_true", help="write the results of what was run")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    BUILD.mkdir(parents=True, exist_ok=True)
    cache = BUILD / "sharing.jsonl"
    rows = rows_so_far(cache, "nas_sharing")
    if asked.summary:
        write("nas_sharing", {"summary": summary(rows), "rows": rows})
        return
    asked.done = {(row["method"], row["data"], row["seed"]) for row in rows}
    for row in studied(asked):
        with cache.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)


if __name__ == "__main__":
    main()
