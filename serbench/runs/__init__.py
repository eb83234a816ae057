"""From a recipe to a result: what is asked, in which order it is done, what is kept."""
