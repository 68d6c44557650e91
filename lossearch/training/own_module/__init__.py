"""Replicates of a LightningModule of the user's own."""
