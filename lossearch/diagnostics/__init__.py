"""What else the records of a study say: effects, fairness, budget, agreement of metrics, Pareto fronts."""
