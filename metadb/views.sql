-- One view a question. Every view reads only the tables and the views above it.

-- How good was it, smaller is better? The direction of the metric is turned here, once.
create view losses as
select
    e.evaluation, e.task, e.config, c.space, e.metric,
    case when e.status <> 'ok' then null when m.lower_is_better then e.value else -e.value end as loss,
    e.value, e.status, e.fold, e.repeat, e.seed, e.budget, e.budget_unit, e.cost_s, e.origin, e.load
from evaluations e
join metrics m on m.metric = e.metric
join configs c on c.config = e.config;

-- What did a config reach on a task at a budget, over folds, repeats and seeds? A config that
-- failed anywhere has no loss: it is not usable as it is.
create view results as
select
    task, config, space, metric, budget_unit, budget,
    case when bool_and(status = 'ok') then avg(loss) end as loss,
    case when bool_and(status = 'ok') then avg(value) end as value,
    stddev_samp(loss) as loss_sd,
    avg(cost_s) as cost_s,
    count(*) as n_evaluations,
    count(*) filter (where status <> 'ok') as n_failed
from losses
group by task, config, space, metric, budget_unit, budget;

-- How does a config's score grow with the budget? One row a point, in order.
create view learning_curves as
select
    task, config, space, metric, budget_unit, budget, value, loss, loss_sd, cost_s, n_evaluations,
    row_number() over (partition by task, config, metric, budget_unit order by budget) as point
from results
qualify count(*) over (partition by task, config, metric, budget_unit) > 1;

-- What did a config reach on a task at the largest budget it was given? All of it (1 fraction) is
-- more than any number of steps or instances.
create view finals as
select * from results
qualify row_number() over (
    partition by task, config, metric
    order by budget_unit = 'fraction' and budget >= 1 desc, budget desc, budget_unit
) = 1;

-- Which config was best on each task?
create view best_per_task as
select task, space, metric, config, value, loss, budget, budget_unit, n_evaluations
from finals
where loss is not null
qualify row_number() over (partition by task, space, metric order by loss, config) = 1;

-- Which configs are good on most tasks? A failed one ranks last on its task.
create view leaderboard as
with ranked as (
    select space, metric, config, task, loss,
        rank() over (partition by task, space, metric order by loss nulls last) as rank
    from finals
)
select
    space, metric, config, avg(rank) as mean_rank, count(*) as n_tasks,
    count(*) filter (where rank = 1) as n_best, count(*) filter (where loss is null) as n_failed
from ranked
group by space, metric, config;

-- How full is the table of tasks and configs, and how many evaluations fill it?
create view coverage as
select
    space, metric, count(distinct task) as n_tasks, count(distinct config) as n_configs,
    sum(n_evaluations)::bigint as n_evaluations, sum(n_failed)::bigint as n_failed,
    count(distinct (task, config)) / (count(distinct task) * count(distinct config)) as share_filled
from results
group by space, metric;

-- Which value has each hyperparameter of each config? `number` is null where it is not one.
-- For one space, with a column for each hyperparameter: select * from space.<name>.
create view parameters as
select
    config, space, hyperparameter.key as name,
    json_extract_string(hyperparameter.atom, '$') as value,
    case when hyperparameter.type in ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')
        then try_cast(json_extract_string(hyperparameter.atom, '$') as double) end as number
from configs, json_each(configs.hyperparameters) as hyperparameter;

-- What is known of each task? One value a name: metadb's own; else what OpenML's qualities say
-- exactly (never what they say closely); else the first extractor's by name.
create view descriptions as
select
    task, name,
    first(value order by trust, extractor) as value,
    first(extractor order by trust, extractor) as extractor
from (
    select *, coalesce(
        list_position(['metadb', 'openml/derived'], extractor), 3
    ) as trust
    from metafeatures where status = 'ok' and extractor <> 'openml/close'
)
group by task, name;

-- How does each meta-feature spread over the tasks?
create view metafeature_distributions as
select
    name, extractor, count(*) as n_tasks, count(distinct value) as n_values,
    min(value) as lowest, quantile_cont(value, 0.25) as quartile_1, median(value) as median,
    quantile_cont(value, 0.75) as quartile_3, max(value) as highest, avg(value) as mean
from metafeatures
where status = 'ok'
group by name, extractor;

-- Where does a task lie among all tasks? The share of them whose value is smaller.
create view metafeature_places as
select
    task, name, extractor, value,
    (rank() over (partition by name, extractor order by value) - 1)
        / count(*) over (partition by name, extractor) as share_below,
    count(*) over (partition by name, extractor) as n_tasks
from metafeatures
where status = 'ok';

-- Which loads brought an evaluation? The first one, and those that brought it again.
create view provenance as
select e.evaluation, e.task, e.config, e.metric, l.load, l.source, l.path, l.licence, true as first
from evaluations e
join loads l on l.load = e.load
union all
select e.evaluation, e.task, e.config, e.metric, l.load, l.source, l.path, l.licence, false
from sightings s
join evaluations e on e.evaluation = s.key
join loads l on l.load = s.load;

-- What does a recommendation rest on? One row for each evaluation behind it.
create view recommendation_provenance as
select
    r.recommendation, r.task as recommended_for, r.recommender, r.rank, r.config as recommended,
    e.evaluation, e.task, e.config, e.metric, e.value, e.status, e.fold, e.budget, e.load
from (select *, unnest(evaluations) as behind from recommendations) r
join evaluations e on e.evaluation = r.behind;
