let lsCommand = Command.notBuilt("ls", "Lists what is recorded.")
