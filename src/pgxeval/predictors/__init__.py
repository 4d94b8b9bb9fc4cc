"""What predicts: the protocols and one adapter a file."""
