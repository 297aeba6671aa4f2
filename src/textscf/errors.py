"""Exceptions that end a stage with a specific exit code."""


class InputError(Exception):
    """A user's file, setting or command line cannot be used.

    The message is one line that names the file or key, what was found and what was expected.
    """


class TrainingStopped(Exception):
    """SIGTERM or Ctrl-C stopped the training; the state is saved and the same call resumes it."""
