internal import Glibc

extension LoadedConfiguration {
    /// Decides whether services start with this configuration, beyond what its keys say: for `config
    /// check`, for `ib-stream up` and for each service the same. Returns where its directories are; throws
    /// 78 with one line. Leaves nothing behind.
    ///
    /// - usesJournal: false for a service that has no need of the journal's directory.
    public func startable(
        simulate: Bool, environment: [String: String], usesJournal: Bool = true
    ) throws(ProgramError) -> Paths {
        guard !configuration.contracts.isEmpty else {
            let place = file ?? "no --config is given, and \(Configuration.defaultFile) is not there"
            throw ProgramError(
                .configuration, "\(place): no contract to record: add one under 'contracts:' or use --simulate")
        }
        let paths = try Paths(configuration: configuration, simulate: simulate, environment: environment)
        if usesJournal, let directory = configuration.connector.journalDir, let why = Files.whyUnusable(directory) {
            throw ProgramError(
                .configuration,
                "'connector.journal_dir' can't be used: \(why): make it writable for this user or choose another")
        }
        return paths
    }

    /// Listens for a moment at every address that the services will listen at: when the operator looks,
    /// and nothing of the system runs. Throws 78 with one line for the first that can't be had.
    /// Services themselves go on without, and say so.
    ///
    /// - takenIsFine: a port that somebody has now may be free when the system starts.
    public func tryAddresses(takenIsFine: Bool) throws(ProgramError) {
        let http = configuration.watchdog.http
        try http.tryListening(for: "health pages", key: "watchdog.http", takenIsFine: takenIsFine)
        for endpoint in configuration.publish.tcp {
            guard let address = HTTPAddress(endpoint: endpoint.endpoint) else { continue }
            try address.tryListening(for: "the feed", key: "publish.tcp", takenIsFine: takenIsFine)
        }
    }
}

extension Files {
    /// Why a directory can't be used, or made, by this user; nil when it can. What is missing is made for a moment,
    /// since a file system alone knows (`/proc` says of itself that root may write there).
    ///
    /// - Parameter toAnybody: permissions are no reason: another user may have them.
    public static func whyUnusable(_ directory: String, toAnybody: Bool = false) -> String? {
        var path = directory
        var missing: String?
        while true {
            var info = stat()
            if stat(path, &info) == 0 {
                guard info.st_mode & S_IFMT == S_IFDIR else { return "\(path) is no directory" }
                guard faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0 else {
                    return toAnybody && errno == EACCES ? nil : "\(path): \(errorText(errno))"
                }
                guard let missing else { return nil }
                guard mkdir(missing, 0o750) == 0 else {
                    return errno == EEXIST ? nil : "\(missing): \(errorText(errno))"
                }
                // Whoever has put something into it meanwhile keeps it.
                rmdir(missing)
                return nil
            }
            guard errno == ENOENT, path != "/" else {
                return toAnybody && errno == EACCES ? nil : "\(path): \(errorText(errno))"
            }
            missing = path
            path = parent(of: path)
        }
    }
}
