"""Learn a population from a recording, and judge the similarity."""
