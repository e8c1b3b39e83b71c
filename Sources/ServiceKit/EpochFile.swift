/// `<directory>/epoch`: the greatest epoch that a connector has ever begun, as decimal text. The state and the runtime
/// directory have one each; the connector writes them, and whoever wants to know whether one ran reads them.
public enum EpochFile {
    public static func path(in directory: String) -> String { directory + "/epoch" }

    /// Nil when there is no file, 0 when it holds no number.
    public static func read(in directory: String) throws(FileError) -> UInt32? {
        let bytes: [UInt8]
        do throws(FileError) { bytes = try Files.read(path(in: directory), maxBytes: 64) } catch {
            guard error.isMissing else { throw error }
            return nil
        }
        return UInt32(String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first ?? "") ?? 0
    }
}
