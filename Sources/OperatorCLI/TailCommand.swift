let tailCommand = Command.notBuilt("tail", usage: "[STREAM-PREFIX] [FLAGS]", "Shows live ticks, after history.")
