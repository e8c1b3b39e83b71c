internal import Glibc

@main enum Main {
    static func main() { exit(runOperator(arguments: Array(CommandLine.arguments.dropFirst()))) }
}
