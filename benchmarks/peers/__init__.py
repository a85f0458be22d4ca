"""Peers in their own packages, as recommenders: judged by the same referee as ours.

    metadb evaluate --recommenders auto,benchmarks.peers.optuna_tpe:OptunaTPE ...

| name | package | what it is |
|---|---|---|
| `benchmarks.peers.optuna_tpe:OptunaTPE` | optuna | TPE without transfer |
| `benchmarks.peers.botorch_gp:BotorchGP` | botorch | a GP with expected improvement, likewise |
| `benchmarks.peers.syne_tune_transfer:SyneTuneZeroShot` | syne-tune | `ZeroShotTransfer` |
| `benchmarks.peers.syne_tune_transfer:SyneTuneQuantile` | syne-tune | quantile-based transfer |
| `benchmarks.peers.syne_tune_transfer:SyneTuneBoundingBox` | syne-tune | `BoundingBox` |

Syne Tune 0.16 needs xgboost and huggingface_hub for its first two, whichever way it was installed.

Each keeps the contract of `metadb.protocols.Recommender`: it holds no state between calls, but is
built anew from `observed`, with a seed that follows from its own, the task and the number of
observations; and it says nothing of expected regret, since its package does not. Where a package
proposes any point of the space and only candidates may be run, the nearest one that was not run
stands in for it (`benchmarks.peers.proposal.nearest`).
"""
