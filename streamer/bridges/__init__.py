"""What a laboratory's own acquisition software connects to, each bridge in a file or folder of its own."""
