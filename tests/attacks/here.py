"""What can only be looked at where the tests have brought the stack up: its files, its processes, its roles."""

import os

import pytest

in_our_stack = pytest.mark.skipif("STACK_ENV" in os.environ, reason="the system is somewhere else")
