"""Recommended configurations as code to paste, for those who tune with something else.

What needs the user's own objective stands in comments, which run as they are without their `# `.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from metadb.metrics import Metric
from metadb.records import Config


def snippets(configs: Sequence[Config], metric: Metric) -> dict[str, str]:
    """Title to code; all but JSON are Python and begin with the configurations."""
    plain = [dict(config) for config in configs]
    lines = "\n".join(_python(config) for config in plain)
    python = f"configs = [\n{lines}\n]\n"
    aim = "minimize" if metric.lower_is_better else "maximize"
    short = "min" if metric.lower_is_better else "max"
    n = max(50, 2 * len(plain))  # all of them, and as many of the tuner's own
    return {
        "Python": python,
        "JSON": json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n",
        "Optuna": f"""import optuna

{python}
study = optuna.create_study(direction="{aim}")  # {metric.name}
for config in configs:
    study.enqueue_trial(config)  # names as in trial.suggest_...("name", ...)
# These are tried first:
# study.optimize(objective, n_trials={n})
""",
        "Ray Tune": f"""from ray import tune
from ray.tune.search.basic_variant import BasicVariantGenerator

{python}
first = BasicVariantGenerator(points_to_evaluate=configs)
# Each name must be in param_space too; what a configuration does not have is drawn from there.
# What the trainable reports must be named as metric is. These are tried first:
# results = tune.Tuner(trainable, param_space=space, tune_config=tune.TuneConfig(
#     metric="{_name(metric)}", mode="{short}", search_alg=first, num_samples={n})).fit()
""",
        "SMAC": f"""from ConfigSpace import Configuration
from smac import HyperparameterOptimizationFacade as HPO

{python}
def first_of(scenario):
    \"\"\"SMAC's initial design: these, in the scenario's space, and no random ones.\"\"\"
    space = scenario.configspace
    return HPO.get_initial_design(
        scenario,
        n_configs=0,
        additional_configs=[Configuration(space, values=config) for config in configs],
    )

# The scenario's space must have these names, on the same conditions, and n_trials be more than
# these are; what the objective returns is minimised. These are tried first:
# best = HPO(scenario, objective, initial_design=first_of(scenario)).optimize()
""",
        "scikit-learn": f"""from sklearn.model_selection import GridSearchCV

{python}
grid = [{{name: [value] for name, value in config.items()}} for config in configs]
# Each name must be a parameter of the estimator, as in estimator.get_params(). It tries exactly
# these:
# search = GridSearchCV(estimator, grid, cv=5).fit(X, y)
""",
    }


def _name(metric: Metric) -> str:
    """A metric's name as it can stand between quotes."""
    return json.dumps(metric.name)[1:-1]


def _python(config: Config) -> str:
    """A configuration as a line of a list, or as several where it is long."""
    line = f"    {dict(sorted(config.items()))!r},"
    if len(line) <= 92:
        return line
    inner = "".join(f"        {name!r}: {config[name]!r},\n" for name in sorted(config))
    return f"    {{\n{inner}    }},"
