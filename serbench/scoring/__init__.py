"""From predictions to numbers: the table of predictions, the metrics, all scores of a run."""
