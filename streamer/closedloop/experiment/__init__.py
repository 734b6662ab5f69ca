"""One session: tasks, trials, users, perturbations, the simulated population, and the record of it."""
