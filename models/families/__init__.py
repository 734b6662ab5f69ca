"""The models themselves, one file a family or a part that families share."""
