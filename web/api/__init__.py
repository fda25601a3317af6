"""What scripts and machines ask for: commands, files, frozen documents, sessions, the registry's callback."""
