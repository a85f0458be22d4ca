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

-- How far from the best was each config on each task? A regret of 0 is that of the best one, 1 that
-- of the worst and of whatever failed; the rank is that among the configs that the task ran.
create view regrets as
select
    task, config, space, metric, value, loss,
    case
        when loss is null then 1.0
        when max(loss) over there > min(loss) over there
            then (loss - min(loss) over there) / (max(loss) over there - min(loss) over there)
        else 0.0
    end as regret,
    rank() over (partition by task, space, metric order by loss nulls last) as rank,
    count(*) over there as n_configs, n_evaluations, n_failed
from finals
window there as (partition by task, space, metric);

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

-- Which tasks speak for a recommendation, with which weight, and what did its config reach there?
-- One row for each task, most important first. The regret is null where the task did not run the
-- config itself: then a surrogate spoke, from evaluations of other configs.
create view recommendation_tasks as
with asked as (
    select
        recommendation, recorded_at, task as recommended_for, space, metric, recommender,
        rank as advised_rank, config, tasks, weights, unnest(range(1, len(tasks) + 1)) as place
    from recommendations
),
behind as (
    select recommendation, task, count(*) as n_behind, list(distinct config order by config) as configs
    from (select recommendation, unnest(evaluations) as evaluation from recommendations)
    join evaluations using (evaluation)
    group by recommendation, task
)
select
    a.recommendation, a.recorded_at, a.recommended_for, a.recommender, a.advised_rank, a.space,
    a.metric, a.config, a.place, a.tasks[a.place] as task, coalesce(a.weights[a.place], 1.0) as weight,
    g.value, g.loss, g.regret, g.rank, g.n_configs, coalesce(b.n_behind, 0) as n_evaluations,
    coalesce(b.configs, []) as configs
from asked a
left join regrets g on g.task = a.tasks[a.place] and g.config = a.config
    and g.space = a.space and g.metric = a.metric
left join behind b on b.recommendation = a.recommendation and b.task = a.tasks[a.place];

-- Do the figures of a recommendation follow from the evaluations behind it? The weighted mean of its
-- config's regret on the tasks, and the weight of those within 1 % of the best, each with one more
-- task imagined whose regret is uniform between 0 and 1 and whose weight is the typical one: sum of
-- w^2 / sum of w. Not `reproducible` where a task did not run the config (a surrogate or a model
-- spoke: the figures then are null, and `configs` are those whose evaluations it learnt from); where
-- it is and yet does not agree, a model or another recommender spoke besides, or evaluations have
-- come since (`metadb explain` asks the store as it was then).
create view recommendation_evidence as
with summed as (
    select
        recommendation, count(*) as n_tasks, count(regret) as n_tasks_run,
        sum(weight) as total, sum(weight * weight) / nullif(sum(weight), 0) as doubt,
        sum(weight * regret) as lost, sum(weight) filter (where regret <= 0.01) as close,
        sum(n_evaluations)::bigint as n_evaluations,
        list_sort(list_distinct(flatten(list(configs)))) as configs
    from recommendation_tasks
    where weight > 0
    group by recommendation
),
figures as (
    select *, case when n_tasks_run = n_tasks then (lost + doubt / 2) / (total + doubt) end as expected,
        case when n_tasks_run = n_tasks
            then (coalesce(close, 0) + 0.01 * doubt) / (total + doubt) end as within
    from summed
)
select
    r.recommendation, r.recorded_at, r.task as recommended_for, r.recommender, r.rank, r.space,
    r.metric, r.config, coalesce(f.n_tasks, 0) as n_tasks, coalesce(f.n_tasks_run, 0) as n_tasks_run,
    coalesce(f.n_evaluations, 0) as n_evaluations, coalesce(f.configs, []) as configs,
    r.expected_loss, f.expected as expected_loss_by_sql,
    r.probability, f.within as probability_by_sql,
    f.expected is not null as reproducible,
    coalesce(abs(r.expected_loss - f.expected) <= 1e-9 and abs(r.probability - f.within) <= 1e-9, false)
        as agrees
from recommendations r
left join figures f on f.recommendation = r.recommendation;
