"""Tables of utterances to folds: the protocols, how they split, what they balance."""
