"""A device of the Synapse protocol (Science Corporation), whose broadband and spike nodes are a stream of ours."""
