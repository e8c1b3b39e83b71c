let verifyCommand = Command.notBuilt("verify", usage: "[PATH...]", "Checks every checksum, key and index.")
