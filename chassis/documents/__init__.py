"""Files and pages derived from the declarations, and how a live broker differs from them."""
