"""The nouns, and the statistics that turn votes into a certificate; imports no other room."""
