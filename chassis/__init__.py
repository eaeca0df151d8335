"""The frame that every service bolts onto; it knows no service."""
