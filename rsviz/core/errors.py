"""The error that a user sees when something cannot be done."""


class UserError(ValueError):
    """One clear sentence that says what is wrong and what to do about it.

    Pages show it as it is; the command line prints it and exits with code 2. Any other exception is
    a defect of rsviz.
    """
