"""Many replicates trained together as one batched model."""
