"""From what was recorded to what may be said: intervals, comparisons, the tied set, advice."""

from lossearch.verdict.verdict import Comparison, Ranked, Relation, Verdict

__all__ = ["Comparison", "Ranked", "Relation", "Verdict"]
