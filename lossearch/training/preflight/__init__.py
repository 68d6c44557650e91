"""What is checked before the first replicate."""
