let upCommand = Command.notBuilt("up", usage: "[--simulate] [--for 60s]", "Runs the whole system in the foreground.")
