"""Long generations: by processes or machines, kept part by part, so that nothing is lost to a kill."""
