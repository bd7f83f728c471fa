"""From rows to a fitted record."""
