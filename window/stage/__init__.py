"""The page on which an operator is the fan and breaks things; it is there where a stack has a stage."""
