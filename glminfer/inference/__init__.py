"""What may be claimed from a fit."""
