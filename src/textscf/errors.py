"""The one exception for bad input."""


class InputError(Exception):
    """A user's file, setting or command line cannot be used.

    The message is one line that names the file or key, what was found and what was expected.
    """
