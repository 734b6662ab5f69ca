"""Work that is cut into tasks, and given to processes of this machine or to many machines."""
