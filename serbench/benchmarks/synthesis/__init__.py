"""A babbling voice: sentences, speakers and moods to sound, by source and filter."""
