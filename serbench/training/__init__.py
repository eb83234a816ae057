"""Where tensors live: audio, features, batches, the system that learns, and how it learns."""
