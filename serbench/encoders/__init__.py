"""Networks that turn speech into frames, and where their weights come from."""
