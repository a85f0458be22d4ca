"""`metadb fewshot`: learners across small tasks, from the command line."""
