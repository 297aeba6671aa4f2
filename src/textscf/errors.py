"""The exceptions that end a stage with an exit code of its own."""


class InputError(Exception):
    """A user's file, setting or command line cannot be used.

    The message is one line that names the file or key, what was found and what was expected.
    """


class TrainingStopped(Exception):
    """SIGTERM was received; the state is saved and the same call goes on from it."""
