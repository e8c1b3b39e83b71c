// swift-tools-version: 6.2
import PackageDescription

let swift: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, exclude: ["README.md"], swiftSettings: swift)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, exclude: ["README.md"], swiftSettings: swift)
}

func tests(_ target: String, _ more: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: target + "Tests", dependencies: [.target(name: target)] + more, path: "Tests/\(target)Tests",
        swiftSettings: swift)
}

/// The commit for `--version`, from the Makefile. Not `Context.gitInformation`: that is of when this file was read last,
/// which may be commits ago.
let commit = Context.environment["BUILD_COMMIT"].flatMap { text in
    !text.isEmpty && text.allSatisfy { $0.isHexDigit || $0 == "+" } ? text : nil
}

let package = Package(
    name: "ib-stream",
    products: [
        .executable(name: "ib-connector", targets: ["Connector", "CCommit"]),
        .executable(name: "ib-recorder", targets: ["Recorder", "CCommit"]),
        .executable(name: "ib-watchdog", targets: ["Watchdog", "CCommit"]),
        .executable(name: "ib-stream", targets: ["OperatorCLI", "CCommit"]),
        .executable(name: "ib-simulator", targets: ["Simulator", "CCommit"]),
    ],
    targets: [
        // C: one system library each, and the shims of our own.
        .target(
            name: "CZMQShim", exclude: ["README.md"], cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])],
            linkerSettings: [.linkedLibrary("zmq")]),
        .target(name: "CBuild", exclude: ["README.md"]),
        .target(
            name: "CCommit", exclude: ["README.md"],
            cSettings: commit.map { [.define("BUILD_COMMIT", to: "\"\($0)\"")] } ?? []),
        .target(
            name: "CLinux", exclude: ["README.md"],
            cSettings: [.define("_GNU_SOURCE"), .unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),

        // Libraries: arrows only downwards.
        library("Ticks", []),
        library("JSON", ["CJansson"]),
        library("TWS", ["Ticks"]),
        library("Messaging", ["CZMQShim", "CLinux", "Ticks", "JSON"]),
        library("TickStore", ["Ticks", "JSON", "CLinux", "CZstd", "CSodium"]),
        library("Supervision", ["Ticks"]),
        library("ServiceKit", ["CBuild", "CSystemd", "CYAML", "CLinux", "CSodium", "JSON", "Ticks", "Supervision"]),

        // Programs.
        program(
            "Connector", ["ServiceKit", "Supervision", "TWS", "Messaging", "TickStore", "Ticks", "JSON", "CLinux"]),
        program("Recorder", ["ServiceKit", "Supervision", "Messaging", "TickStore", "Ticks", "JSON", "CLinux"]),
        program(
            "Watchdog", ["ServiceKit", "Supervision", "Messaging", "Ticks", "JSON", "CLinux", "CMicroHTTPD"]),
        program("OperatorCLI", ["ServiceKit", "Supervision", "Messaging", "TickStore", "Ticks", "JSON", "CLinux"]),
        program("Simulator", ["ServiceKit", "TWS", "Ticks", "JSON", "CLinux"]),

        // Programs of the benchmarks; run by Benchmarks/run.py.
        .executableTarget(
            name: "SealBenchmark", dependencies: ["TickStore", "Ticks"], path: "Benchmarks/Sealing",
            swiftSettings: swift),
        // Measures the size of sealed segments and the rates: `make bench-segments`.
        .executableTarget(
            name: "SegmentBenchmark", dependencies: ["TickStore", "Ticks"], path: "Benchmarks/Segments",
            swiftSettings: swift),

        tests("Ticks"),
        tests("JSON", ["Ticks"]),
        tests("TWS", ["Ticks"]),
        tests("Messaging", ["Ticks", "JSON"]),
        tests("TickStore", ["Ticks", "JSON"]),
        tests("Supervision", ["Ticks"]),
        tests("ServiceKit", ["JSON", "Ticks", "Supervision"]),
        tests("Connector", ["TWS", "Ticks"]),
        tests("Recorder", ["TickStore", "Ticks"]),
        tests("Watchdog", ["Supervision", "Ticks"]),
        tests("OperatorCLI", ["TickStore", "Ticks", "JSON"]),
        tests("Simulator", ["TWS", "Ticks"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)

// The fuzzer is built by scripts/fuzz alone. It takes the simulator in as a library, without its main.
if Context.environment["IB_STREAM_FUZZ"] != nil {
    package.products.removeAll { $0.name == "ib-simulator" }
    package.targets.removeAll { $0.name.hasPrefix("Simulator") }
    package.targets.append(
        .target(
            name: "Simulator", dependencies: ["ServiceKit", "TWS", "Ticks", "JSON", "CLinux"],
            exclude: ["Main.swift", "README.md"],
            swiftSettings: swift))
    package.targets.append(
        .executableTarget(
            name: "Fuzz", dependencies: ["Ticks", "JSON", "TWS", "Messaging", "TickStore", "ServiceKit", "Simulator"],
            path: "Tests/Fuzz", swiftSettings: swift))
}
