"""From files to sequences and dosages."""
