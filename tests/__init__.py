"""The tests of the project, by level."""
