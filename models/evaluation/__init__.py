"""A model judged by a recording: by its windows, by its responses, and by how it ranks decoders."""
