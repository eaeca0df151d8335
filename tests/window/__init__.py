"""The pure logic of the window, and what it keeps."""
