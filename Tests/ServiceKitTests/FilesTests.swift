import Foundation
import Testing

@testable import ServiceKit

@Suite struct FilesTests {
    @Test func aFileIsReplacedWhole() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/f"
        try Files.writeAtomically(Array("old".utf8), to: path)
        try Files.writeAtomically(Array("new text".utf8), to: path)
        #expect(try Files.read(path, maxBytes: 100) == Array("new text".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["f"])
    }

    @Test func aLongerFileThanAllowedIsRefused() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("f", "12345")
        #expect(throws: FileError(path: path, call: "read", code: EFBIG)) { try Files.read(path, maxBytes: 4) }
        #expect(throws: FileError(path: directory.path + "/x", call: "open", code: ENOENT)) {
            try Files.read(directory.path + "/x", maxBytes: 4)
        }
    }

    @Test func directoriesAreMadeWithThoseAboveThem() throws {
        let directory = try TemporaryDirectory()
        try Files.makeDirectory(directory.path + "/a/b/c")
        try Files.makeDirectory(directory.path + "/a/b/c")
        var isDirectory: ObjCBool = false
        #expect(FileManager.default.fileExists(atPath: directory.path + "/a/b/c", isDirectory: &isDirectory))
        let mode = try FileManager.default.attributesOfItem(atPath: directory.path + "/a/b")[.posixPermissions] as? Int
        #expect(isDirectory.boolValue && (mode ?? 0) & 0o027 == 0, "nobody else may look in")
    }

    @Test func relativePathsBecomeAbsolute() {
        #expect(Files.absolute("/a/b") == "/a/b")
        #expect(Files.absolute("x/y") == FileManager.default.currentDirectoryPath + "/x/y")
        #expect(Files.parent(of: "/a/b") == "/a" && Files.parent(of: "/a") == "/" && Files.parent(of: "a") == ".")
    }
}
