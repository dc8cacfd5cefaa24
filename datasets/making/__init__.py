"""What the dataset makers share: reading annotations, writing and checking."""
