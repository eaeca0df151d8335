"""The window as operators see it: its pages in a browser, on a system that runs."""
