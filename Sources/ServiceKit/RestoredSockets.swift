/// Says which sockets were bound anew because somebody has removed or replaced their files, and which could not be.
public func logRestored(_ sockets: [(path: String, fault: String?)]) {
    for (path, fault) in sockets {
        if let fault {
            log(.error, "a socket's file is gone and can't be made anew", ["socket": path, "why": fault])
        } else {
            log(.warning, "a socket's file was gone, bound anew", ["socket": path])
        }
    }
}
