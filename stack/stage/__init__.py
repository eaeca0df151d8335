"""The stage: where a person is the fan and breaks things, in the stack of `make up` alone."""
