"""The published language: every event that one service says and another may hear."""
