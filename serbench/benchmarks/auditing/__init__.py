"""Whether a corpus and its folds can be trusted: its table, its files, its samples, its parts."""
