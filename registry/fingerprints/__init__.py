"""What the functions of each release look like: reading them, recording them, and the records to judge by."""
