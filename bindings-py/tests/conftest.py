"""What all tests need."""

import signal

# A shell that starts the tests in the background has them, and all they start, ignore Ctrl-C; tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)
