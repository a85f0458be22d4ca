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

As searches, asked and told like ours (`benchmarks.peers.searches.SEARCHES`), for
`benchmarks.optimizer_quality` and `benchmarks.optimizer_speed`:

| name | package | what it is |
|---|---|---|
| `optuna_tpe`, `optuna_tpe_group` | optuna | TPE as it comes (multivariate); by groups |
| `optuna_gp` | optuna | `GPSampler` |
| `botorch` | botorch | `SingleTaskGP`, `LogExpectedImprovement`, `optimize_acqf` |
| `smac` | smac | `HyperparameterOptimizationFacade` |
| `optuna_hyperband`, `optuna_bohb` | optuna | `HyperbandPruner` with random draws, with TPE |
| `syne_asha`, `syne_hyperband` | syne-tune | `ASHA` with one bracket, with four |
| `syne_bohb` | syne-tune | `BOHB` |

They live in one environment: `pip install -c constraints.txt -e .[yahpo] optuna botorch smac
syne-tune statsmodels` (run with optuna 5.0.0, botorch 0.18.1, gpytorch 1.15.2, smac 2.4.1,
syne-tune 0.16.0, torch 2.13.0, ConfigSpace 1.2.2, numpy 2.4.6).
"""
