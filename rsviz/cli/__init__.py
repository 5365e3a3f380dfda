"""The command line, one file a command; imports all rooms but ui."""
