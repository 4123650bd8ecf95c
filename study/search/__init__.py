"""Search for recipes under a board's budget: Optuna proposes, the compiler says what fits, Ray trains the rest."""
