"""The window: shows where each saga is, what it waits for and why it failed; it listens and takes no part."""
