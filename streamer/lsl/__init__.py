"""The Lab Streaming Layer wire: outlets that send, followers that read."""
