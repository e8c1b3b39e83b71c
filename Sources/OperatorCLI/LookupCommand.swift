let lookupCommand = Command.notBuilt("lookup", usage: "SYMBOL [FLAGS]", "Finds contracts at the gateway.")
